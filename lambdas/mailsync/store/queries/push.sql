-- Subscriptions to the provider's notifications.

-- add_subscriptions --
-- Add a row for each mirrored mailbox without a subscription.
INSERT INTO mailsync.provider_subscriptions (account_id, callback_url)
SELECT a.id, :callback_url
  FROM mailsync.email_accounts a
 WHERE a.provider = :provider AND a.status = 'active' AND a.initial_sync_completed
   AND NOT EXISTS (SELECT 1 FROM mailsync.provider_subscriptions s WHERE s.account_id = a.id)
    ON CONFLICT DO NOTHING

-- claim_subscription --
-- Claim one subscription that must be created or renewed; no other tick can claim it meanwhile. A
-- subscription that notifies another URL is created anew; the old URL is returned, and the old id
-- stays until the new subscription exists. A mailbox that is being synced is skipped.
WITH due AS (
  SELECT s.account_id, s.callback_url
    FROM mailsync.provider_subscriptions s
    JOIN mailsync.email_accounts a ON a.id = s.account_id
   WHERE (s.next_try_at <= now() OR s.callback_url <> :callback_url)
     AND a.provider = :provider AND a.status = 'active' AND a.initial_sync_completed
     AND (a.lease_owner IS NULL OR a.lease_until < now())
   ORDER BY s.next_try_at
     FOR UPDATE OF s SKIP LOCKED
   LIMIT 1)
UPDATE mailsync.provider_subscriptions s
   SET next_try_at = now() + make_interval(secs => cast(:next_in_s AS int)),
       callback_url = :callback_url, updated_at = now()
  FROM due
 WHERE s.account_id = due.account_id
RETURNING s.account_id::text, s.remote_id, s.next_try_at, due.callback_url, s.failures

-- subscription_made --
-- Store a new subscription; returns no row when the claim is no longer valid: the account was
-- disconnected meanwhile or is about to be, or another worker has claimed it.
UPDATE mailsync.provider_subscriptions
   SET remote_id = :remote_id, secret_hash = :secret_hash, expires_at = :expires_at,
       next_try_at = now() + make_interval(secs => :next_in_s),
       failures = 0, last_error = NULL, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND next_try_at = cast(:claimed_until AS timestamptz)

-- subscription_renewed --
-- Store the new expiry; returns no row when the subscription was removed or replaced meanwhile.
UPDATE mailsync.provider_subscriptions
   SET expires_at = :expires_at, next_try_at = now() + make_interval(secs => :next_in_s),
       failures = 0, last_error = NULL, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND remote_id = :remote_id

-- subscription_gone --
-- Record that the provider knows no such subscription. It counts as a failure until another is
-- created, so that the next claim looks for both if this worker dies in between.
UPDATE mailsync.provider_subscriptions
   SET failures = failures + 1, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND next_try_at = cast(:claimed_until AS timestamptz)

-- subscription_failed --
-- Record a failed attempt; an existing subscription continues until it expires. Changes nothing
-- when the claim is no longer valid, so that the next one keeps its own result.
UPDATE mailsync.provider_subscriptions
   SET failures = :failures, last_error = :error,
       next_try_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND next_try_at = cast(:claimed_until AS timestamptz)

-- withdraw_subscription --
-- Claim the subscription that a user's account is about to lose: no tick renews it meanwhile, and
-- one that is being created at this moment is not kept.
UPDATE mailsync.provider_subscriptions s
   SET next_try_at = now() + interval '1 minute', updated_at = now()
  FROM mailsync.email_accounts a
 WHERE a.id = s.account_id AND a.id = cast(:account_id AS uuid) AND a.user_id = :user_id
RETURNING s.account_id::text, s.remote_id, s.next_try_at, s.callback_url, s.failures

-- unheld_subscriptions --
-- Return those of one mailbox that no row holds. Returns none while another claim may be creating
-- one for the same mailbox, which another user may have connected too: such a claim ends within
-- `claimed_for_s`, and its subscription is in no row yet.
WITH claimed AS MATERIALIZED (
  SELECT s.account_id
    FROM mailsync.provider_subscriptions s
   WHERE s.next_try_at > now()
     AND s.next_try_at <= now() + make_interval(secs => cast(:claimed_for_s AS int))
     AND NOT (s.account_id = cast(:account_id AS uuid)
              AND s.next_try_at = cast(:claimed_until AS timestamptz)))
SELECT listed.id
  FROM json_array_elements_text(cast(:remote_ids AS json)) AS listed (id)
 WHERE NOT EXISTS (
       SELECT 1 FROM mailsync.provider_subscriptions s WHERE s.remote_id = listed.id)
   AND NOT EXISTS (
       SELECT 1
         FROM claimed
         JOIN mailsync.email_accounts a ON a.id = claimed.account_id
         JOIN mailsync.email_accounts own USING (provider, provider_account_id)
        WHERE own.id = cast(:account_id AS uuid))

-- forget_subscription --
-- Delete the subscription; its notifications are ignored from now on.
DELETE FROM mailsync.provider_subscriptions WHERE account_id = cast(:account_id AS uuid)

-- find_subscriptions --
-- Return the accounts and client-state hashes of these subscriptions.
SELECT remote_id, account_id::text, secret_hash
  FROM mailsync.provider_subscriptions
 WHERE remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- find_subscribed_mailboxes --
-- Return the accounts whose subscription was made for one of these addresses: its id begins with the
-- address and `#`. A range, since `LIKE` with a parameter uses no index; `$` is the character after
-- `#`.
SELECT s.account_id::text
  FROM json_array_elements_text(cast(:addresses AS json)) AS named (address)
  JOIN mailsync.provider_subscriptions s
    ON s.remote_id >= named.address || '#' AND s.remote_id < named.address || '$'
  JOIN mailsync.email_accounts a ON a.id = s.account_id
 WHERE a.provider = :provider

-- find_renamed_mailboxes --
-- Return the accounts with one of these addresses. Reads all accounts, so it is only for addresses
-- for which no subscription was made.
SELECT a.id::text
  FROM mailsync.email_accounts a
  JOIN mailsync.provider_subscriptions s ON s.account_id = a.id
 WHERE a.provider = :provider
   AND lower(a.email_address) IN
       (SELECT json_array_elements_text(cast(:addresses AS json)))

-- find_push_state --
-- Return what is known of the notifications of an account of this user.
SELECT s.expires_at, s.created_at, a.notified_at, a.changed_at, s.last_error, now()
  FROM mailsync.email_accounts a
  JOIN mailsync.provider_subscriptions s ON s.account_id = a.id
 WHERE a.id = cast(:account_id AS uuid) AND a.user_id = :user_id

-- is_subscribed_by_others --
-- Return whether another account of the same mailbox has a subscription.
SELECT EXISTS (
       SELECT 1
         FROM mailsync.email_accounts own
         JOIN mailsync.email_accounts a USING (provider, provider_account_id)
         JOIN mailsync.provider_subscriptions s ON s.account_id = a.id
        WHERE own.id = cast(:account_id AS uuid) AND a.id <> own.id AND s.remote_id IS NOT NULL)

-- renew_subscriptions_now --
-- Make subscriptions due that are about to expire.
UPDATE mailsync.provider_subscriptions SET next_try_at = now()
 WHERE remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- subscriptions_removed --
-- Record that the provider removed these subscriptions; they are created anew.
UPDATE mailsync.provider_subscriptions
   SET remote_id = NULL, secret_hash = NULL, expires_at = NULL, next_try_at = now(),
       updated_at = now()
 WHERE remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- notify_accounts --
-- Make these mailboxes due after a notification, except paused ones and those that fail. Locks them
-- in order, since one request may notify of several.
UPDATE mailsync.email_accounts
   SET notified_at = now(),
       next_sync_at = least(next_sync_at, now() + make_interval(mins => least(failures, 10)))
 WHERE id IN (SELECT id FROM mailsync.email_accounts
               WHERE id IN (SELECT cast(each AS uuid)
                              FROM json_array_elements_text(cast(:account_ids AS json)) AS each)
                 AND status = 'active'
               ORDER BY id
                 FOR NO KEY UPDATE)

-- mark_notified --
-- Mark these mailboxes, so that they are checked before the next tick.
UPDATE mailsync.sync_queue SET notified = true
 WHERE account_id IN (SELECT cast(each AS uuid)
                        FROM json_array_elements_text(cast(:account_ids AS json)) AS each)
   AND NOT notified
