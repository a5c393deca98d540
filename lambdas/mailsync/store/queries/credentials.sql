-- Grants, access tokens, data keys and sign-ins; everything secret is sealed.

-- forget_credentials --
-- What the account signs in with, gone for good, unless it is being renewed at this moment: whoever
-- does that waits for the provider, and nobody is to wait for them.
DELETE FROM mailsync.email_credentials
 WHERE account_id IN (SELECT account_id FROM mailsync.email_credentials
                       WHERE account_id = cast(:account_id AS uuid)
                         FOR UPDATE SKIP LOCKED)

-- forget_left_credentials --
-- The same, of all accounts that have no use for it any more. The account is held too: one that is
-- connected anew meanwhile keeps it.
DELETE FROM mailsync.email_credentials
 WHERE account_id IN (SELECT c.account_id
                        FROM mailsync.email_credentials c
                        JOIN mailsync.email_accounts a ON a.id = c.account_id
                       WHERE a.status IN ('disconnected', 'purging')
                         FOR UPDATE OF c, a SKIP LOCKED)

-- find_credentials --
-- The sealed grant and access token of an account, and when the next one may be asked for.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id,
       access_issued_at, renew_after
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)

-- lock_credentials --
-- The same, held until the transaction ends: one writer renews at a time.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id,
       access_issued_at, renew_after
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)
   FOR UPDATE

-- save_credentials --
-- A new grant, or the organisation in its stead, and an access token.
INSERT INTO mailsync.email_credentials AS c
       (account_id, grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at,
        organisation_id, access_issued_at)
VALUES (cast(:account_id AS uuid), :grant_key_id, :grant_sealed, :access_key_id, :access_sealed,
        :access_expires_at, :organisation_id, :access_issued_at)
    ON CONFLICT (account_id) DO UPDATE
   SET grant_key_id = excluded.grant_key_id, grant_sealed = excluded.grant_sealed,
       access_key_id = excluded.access_key_id, access_sealed = excluded.access_sealed,
       access_expires_at = excluded.access_expires_at,
       organisation_id = excluded.organisation_id,
       access_issued_at = excluded.access_issued_at,
       renew_after = NULL, refused_at = NULL, updated_at = now()

-- postpone_renewal --
-- The identity platform wants no request for this account before then.
UPDATE mailsync.email_credentials SET renew_after = :renew_after
 WHERE account_id = cast(:account_id AS uuid)

-- grant_ended --
-- The identity platform says that the grant has ended; only a new sign-in brings another one.
UPDATE mailsync.email_credentials SET refused_at = now()
 WHERE account_id = cast(:account_id AS uuid)

-- newest_data_key --
-- The wrapped key under which new secrets are sealed.
SELECT id, wrapped, created_at FROM mailsync.data_keys ORDER BY id DESC LIMIT 1

-- find_data_key --
-- The wrapped key of something that was sealed earlier.
SELECT id, wrapped, created_at FROM mailsync.data_keys WHERE id = :key_id

-- add_data_key --
-- A new wrapped key.
INSERT INTO mailsync.data_keys (wrapped) VALUES (:wrapped) RETURNING id, wrapped, created_at

-- save_sign_in --
-- A sign-in that was begun, bound to the user and to the browser.
INSERT INTO mailsync.sign_ins
       (state_hash, user_id, cookie_hash, flow_key_id, flow_sealed, expires_at)
VALUES (:state_hash, :user_id, :cookie_hash, :flow_key_id, :flow_sealed,
        now() + make_interval(secs => cast(:seconds AS int)))

-- forget_sign_ins --
-- Expired sign-ins, a limited number at once.
DELETE FROM mailsync.sign_ins
 WHERE state_hash IN
       (SELECT state_hash FROM mailsync.sign_ins
         WHERE expires_at <= now() ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)

-- take_sign_in --
-- The sign-in of this state and browser; it can be taken once.
DELETE FROM mailsync.sign_ins
 WHERE state_hash = :state_hash AND cookie_hash = :cookie_hash AND expires_at > now()
RETURNING user_id, flow_key_id, flow_sealed

-- save_pending_connection --
-- A mailbox that was signed in to, until the user who began confirms it.
INSERT INTO mailsync.pending_connections
       (token_hash, user_id, connection_key_id, connection_sealed, expires_at)
VALUES (:token_hash, :user_id, :key_id, :sealed, now() + make_interval(secs => cast(:seconds AS int)))

-- take_pending_connection --
-- The mailbox that waits under this token. It can be taken once, by any user.
DELETE FROM mailsync.pending_connections
 WHERE token_hash = :token_hash AND expires_at > now()
RETURNING user_id, connection_key_id, connection_sealed

-- forget_pending_connections --
-- Mailboxes that were not confirmed in time, a thousand at once.
DELETE FROM mailsync.pending_connections
 WHERE token_hash IN
       (SELECT token_hash FROM mailsync.pending_connections
         WHERE expires_at <= now() LIMIT 1000 FOR UPDATE SKIP LOCKED)
