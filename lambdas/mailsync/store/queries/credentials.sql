-- Grants, access tokens, passwords, data keys and sign-ins; everything secret is sealed.

-- forget_credentials --
-- Delete the account's credentials, unless a worker is renewing them at this moment: that worker
-- waits for the provider, and this transaction must not.
DELETE FROM mailsync.email_credentials
 WHERE account_id IN (SELECT account_id FROM mailsync.email_credentials
                       WHERE account_id = cast(:account_id AS uuid)
                         FOR UPDATE SKIP LOCKED)

-- forget_left_credentials --
-- Delete the credentials of all accounts that no longer need them. Locks the accounts, so that one
-- that is connected again meanwhile keeps its new ones.
DELETE FROM mailsync.email_credentials
 WHERE account_id IN (SELECT c.account_id
                        FROM mailsync.email_credentials c
                        JOIN mailsync.email_accounts a ON a.id = c.account_id
                       WHERE a.status IN ('disconnected', 'purging')
                         FOR UPDATE OF c, a SKIP LOCKED)

-- read_credentials --
-- Return the sealed grant, access token and password of an account, and when the next token may be
-- requested.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id,
       access_issued_at, renew_after, password_key_id, password_sealed
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)

-- lock_credentials --
-- Return the credentials, locked until the transaction ends: one worker renews at a time.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id,
       access_issued_at, renew_after, password_key_id, password_sealed
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)
   FOR UPDATE

-- save_credentials --
-- Store a new grant with an access token, or the organisation or the password in its place.
INSERT INTO mailsync.email_credentials AS c
       (account_id, grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at,
        organisation_id, access_issued_at, password_key_id, password_sealed)
VALUES (cast(:account_id AS uuid), :grant_key_id, :grant_sealed, :access_key_id, :access_sealed,
        :access_expires_at, :organisation_id, :access_issued_at, :password_key_id, :password_sealed)
    ON CONFLICT (account_id) DO UPDATE
   SET grant_key_id = excluded.grant_key_id, grant_sealed = excluded.grant_sealed,
       access_key_id = excluded.access_key_id, access_sealed = excluded.access_sealed,
       access_expires_at = excluded.access_expires_at,
       organisation_id = excluded.organisation_id,
       access_issued_at = excluded.access_issued_at,
       password_key_id = excluded.password_key_id, password_sealed = excluded.password_sealed,
       renew_after = NULL, refused_at = NULL, updated_at = now()

-- postpone_renewal --
-- The identity platform asked for no request for this account before this time.
UPDATE mailsync.email_credentials SET renew_after = :renew_after
 WHERE account_id = cast(:account_id AS uuid)

-- grant_ended --
-- Record that the grant has ended or the password is refused; only the user can bring another one.
UPDATE mailsync.email_credentials SET refused_at = now()
 WHERE account_id = cast(:account_id AS uuid)

-- newest_data_key --
-- Return the encrypted data key under which new secrets are sealed.
SELECT id, wrapped, created_at FROM mailsync.data_keys ORDER BY id DESC LIMIT 1

-- read_data_key --
-- Return the encrypted data key of a secret that was sealed earlier.
SELECT id, wrapped, created_at FROM mailsync.data_keys WHERE id = :key_id

-- add_data_key --
-- Store a new encrypted data key.
INSERT INTO mailsync.data_keys (wrapped) VALUES (:wrapped) RETURNING id, wrapped, created_at

-- save_sign_in --
-- Store a sign-in that a user began, bound to the user and the browser.
INSERT INTO mailsync.sign_ins
       (state_hash, user_id, cookie_hash, flow_key_id, flow_sealed, expires_at)
VALUES (:state_hash, :user_id, :cookie_hash, :flow_key_id, :flow_sealed,
        now() + make_interval(secs => cast(:seconds AS int)))

-- forget_sign_ins --
-- Delete expired sign-ins, a limited number at a time.
DELETE FROM mailsync.sign_ins
 WHERE state_hash = ANY (ARRAY(
       SELECT state_hash FROM mailsync.sign_ins
        WHERE expires_at <= now() ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED))

-- take_sign_in --
-- Delete and return the sign-in of this state and browser.
DELETE FROM mailsync.sign_ins
 WHERE state_hash = :state_hash AND cookie_hash = :cookie_hash AND expires_at > now()
RETURNING user_id, flow_key_id, flow_sealed

-- save_pending_connection --
-- Store a signed-in mailbox until the user who began the sign-in confirms it.
INSERT INTO mailsync.pending_connections
       (token_hash, user_id, connection_key_id, connection_sealed, expires_at)
VALUES (:token_hash, :user_id, :key_id, :sealed, now() + make_interval(secs => cast(:seconds AS int)))

-- take_pending_connection --
-- Delete and return the mailbox that waits under this token, whichever user presents it.
DELETE FROM mailsync.pending_connections
 WHERE token_hash = :token_hash AND expires_at > now()
RETURNING user_id, connection_key_id, connection_sealed

-- forget_pending_connections --
-- Delete mailboxes that were not confirmed in time, a thousand at a time.
DELETE FROM mailsync.pending_connections
 WHERE token_hash = ANY (ARRAY(
       SELECT token_hash FROM mailsync.pending_connections
        WHERE expires_at <= now() LIMIT 1000 FOR UPDATE SKIP LOCKED))
