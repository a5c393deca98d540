-- Accounts: as a sync needs them, and as their users see and change them.

-- find_account --
-- Return one account without its secrets. A learnt limit of concurrent requests grows by one per
-- hour.
SELECT a.id::text, a.provider, a.status, a.initial_sync_completed, a.provider_account_id,
       c.organisation_id,
       a.max_in_flight + floor(extract(epoch FROM now() - a.in_flight_at) / 3600)::int,
       greatest(0, extract(epoch FROM a.throttled_until - now()))::float8,
       a.placements_filled_to IS NULL
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.email_credentials c ON c.account_id = a.id
 WHERE a.id = cast(:account_id AS uuid)

-- save_account --
-- Store a connected mailbox; a known one keeps its data and becomes active again, also one that is
-- stored under its other id.
INSERT INTO mailsync.email_accounts AS a (user_id, provider, provider_account_id, email_address)
SELECT :user_id, :provider,
       coalesce((SELECT o.provider_account_id FROM mailsync.email_accounts o
                  WHERE o.user_id = :user_id AND o.provider = :provider
                    AND o.provider_account_id = cast(:other_provider_account_id AS text)),
                :provider_account_id),
       :email_address
    ON CONFLICT (user_id, provider, provider_account_id) DO UPDATE
   SET email_address = excluded.email_address, status = 'active', failures = 0,
       last_error = NULL, last_error_message = NULL, next_sync_at = now(),
       connected_at = clock_timestamp(), updated_at = now()
RETURNING id::text

-- is_connected_by_others --
-- Return whether another account has the same mailbox, whoever its user is.
SELECT EXISTS (
       SELECT 1 FROM mailsync.email_accounts
        WHERE provider = :provider AND provider_account_id = :provider_account_id
          AND id <> cast(:account_id AS uuid) AND status NOT IN ('disconnected', 'purging'))

-- save_address --
-- Store the address of a mailbox that the provider has renamed; the account stays the same.
UPDATE mailsync.email_accounts SET email_address = :email_address, updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND email_address <> :email_address

-- lock_account --
-- Lock the account until this transaction ends; every change of accounts and runs begins with this
-- lock.
SELECT failures FROM mailsync.email_accounts WHERE id = cast(:account_id AS uuid) FOR UPDATE

-- account_status --
-- Return the status of those of these accounts that the user has, or for an operator of all of them. A
-- missing user has no account. The open run determines the sync status: a run without
-- an execution yet is queued. The column lags until the run begins, and a worker that died may leave
-- 'syncing' in it.
SELECT a.id::text, a.email_address, a.provider, a.status,
       CASE WHEN r.status = 'queued' THEN 'queued' WHEN r.status = 'running' THEN 'syncing'
            WHEN a.sync_status = 'syncing' THEN 'idle' ELSE a.sync_status END,
       a.last_sync_at, a.initial_sync_completed, a.verified_at, a.last_error,
       a.last_error_message, a.next_sync_at, a.failures, r.id, r.started_at,
       a.message_count, coalesce(p.inserted, 0)::int, coalesce(p.reread, 0)::int,
       coalesce(p.pages, 0)::int, coalesce(p.reading_s, 0)::float8, coalesce(p.folder_reading_s, 0)::float8,
       coalesce(a.throttled_until > now(), false)
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.sync_runs r ON r.account_id = a.id AND r.status IN ('queued', 'running')
  LEFT JOIN LATERAL (
       SELECT sum(f.inserted) AS inserted, sum(f.updated + f.unchanged) AS reread,
              sum(f.pages) AS pages, extract(epoch FROM now() - min(f.started_at)) AS reading_s,
              sum(extract(epoch FROM coalesce(f.finished_at, now()) - f.started_at)) AS folder_reading_s
         FROM mailsync.sync_run_folders f
        WHERE f.run_id = r.id) p ON true
 WHERE a.id IN (SELECT cast(each AS uuid)
                  FROM jsonb_array_elements_text(cast(:account_ids AS jsonb)) AS each)
   AND (a.user_id = :user_id OR cast(:is_for_operator AS boolean))
 ORDER BY a.email_address, a.id

-- lock_caller_account --
-- Lock an account of this user until this transaction ends.
SELECT status, failures
  FROM mailsync.email_accounts
 WHERE id = cast(:account_id AS uuid) AND user_id = :user_id
   FOR UPDATE

-- account_stopped --
-- Record that a person stopped the sync: the lease is free, and the next sync comes by itself
-- later.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, sync_status = 'idle',
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- set_account_status --
-- Store the status that a person decided on.
UPDATE mailsync.email_accounts SET status = :status, updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- make_due --
-- Make the account due now.
UPDATE mailsync.email_accounts SET next_sync_at = now() WHERE id = cast(:account_id AS uuid)

-- disown_account --
-- Take the account from its user; its mailbox may be connected again while the rows are deleted.
UPDATE mailsync.email_accounts
   SET status = 'purging', user_id = '', provider_account_id = id::text, email_address = '',
       updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- purging_accounts --
-- Return the accounts that are being deleted.
SELECT id::text FROM mailsync.email_accounts WHERE status = 'purging' ORDER BY updated_at

-- purge_emails --
-- Delete a batch of the mail of an account that is being deleted. The array is computed once. With IN, a
-- plan may run the query for each row again; the query then skips rows that this statement has deleted
-- and finds others, so that one statement deletes everything.
DELETE FROM mailsync.emails
 WHERE id = ANY (ARRAY(
       SELECT m.id
         FROM mailsync.emails m
         JOIN mailsync.email_accounts a ON a.id = m.account_id AND a.status = 'purging'
        WHERE m.account_id = cast(:account_id AS uuid)
        LIMIT :limit
          FOR UPDATE OF m SKIP LOCKED))

-- purge_conversations --
-- Delete a batch of what connects the mail of an account that is being deleted.
DELETE FROM mailsync.conversation_keys
 WHERE account_id = cast(:account_id AS uuid)
   AND key = ANY (ARRAY(
       SELECT k.key
         FROM mailsync.conversation_keys k
         JOIN mailsync.email_accounts a ON a.id = k.account_id AND a.status = 'purging'
        WHERE k.account_id = cast(:account_id AS uuid)
        LIMIT :limit
          FOR UPDATE OF k SKIP LOCKED))

-- purge_runs --
-- Delete a batch of the runs of an account that is being deleted.
DELETE FROM mailsync.sync_runs
 WHERE id = ANY (ARRAY(
       SELECT r.id
         FROM mailsync.sync_runs r
         JOIN mailsync.email_accounts a ON a.id = r.account_id AND a.status = 'purging'
        WHERE r.account_id = cast(:account_id AS uuid)
        LIMIT :limit
          FOR UPDATE OF r SKIP LOCKED))

-- purge_account --
-- Delete the account and all that is left of it, after its mail and credentials. The caller holds
-- its lock: otherwise an event that is added to the outbox meanwhile would be missed.
WITH gone AS (
  DELETE FROM mailsync.email_accounts a
   WHERE id = cast(:account_id AS uuid) AND status = 'purging'
     AND NOT EXISTS (SELECT 1 FROM mailsync.emails m WHERE m.account_id = a.id)
     AND NOT EXISTS (SELECT 1 FROM mailsync.email_credentials c WHERE c.account_id = a.id)
  RETURNING id),
events AS (
  DELETE FROM mailsync.outbox WHERE account_id IN (SELECT id FROM gone))
SELECT 1 FROM gone

-- accounts_of_user --
-- Return the accounts of a user in the order of their connection, after a position, or one of them.
-- compared_at is the earliest of the account's folders, as in `folder_status`; the sync status is as
-- in `account_status`.
SELECT a.id::text, a.email_address, a.provider, a.status,
       CASE WHEN r.status = 'queued' THEN 'queued' WHEN r.status = 'running' THEN 'syncing'
            WHEN a.sync_status = 'syncing' THEN 'idle' ELSE a.sync_status END,
       a.last_sync_at, a.initial_sync_completed, a.verified_at,
       (SELECT CASE WHEN bool_and(f.compared_at IS NOT NULL AND f.list_total IS NOT NULL)
                    THEN min(f.compared_at) END
          FROM mailsync.email_folders f
         WHERE f.account_id = a.id AND f.selected AND f.gone_at IS NULL),
       a.last_error, a.last_error_message, a.next_sync_at, a.created_at
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.sync_runs r ON r.account_id = a.id AND r.status IN ('queued', 'running')
 WHERE a.user_id = :user_id
   AND (cast(:account_id AS uuid) IS NULL OR a.id = cast(:account_id AS uuid))
   AND (a.created_at, a.id) > (cast(:after_at AS timestamptz), cast(:after_id AS uuid))
 ORDER BY a.created_at, a.id
 LIMIT :limit

-- folder_choices --
-- Return every folder of an account, mirrored or not; its dates are as in `folder_status`.
SELECT f.id, f.display_name, f.role, f.parent_remote_id, f.remote_id, f.selected, f.hidden, f.total,
       f.unread, coalesce(f.remote_total, f.total), f.count_offset, f.unread_offset,
       CASE WHEN f.selected AND f.verified_at IS NOT NULL
            THEN greatest(f.verified_at, a.verified_at) ELSE f.verified_at END,
       CASE WHEN f.list_total IS NOT NULL THEN f.compared_at END, f.differing
  FROM mailsync.email_folders f
  JOIN mailsync.email_accounts a ON a.id = f.account_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id
