-- The queue of mailboxes that are due.

-- claim_due_accounts --
-- Claim due accounts, the longest overdue first; no other tick can claim them meanwhile. They are
-- found in the index alone. An account that another tick has claimed since is not due when it is
-- locked, and one that is being claimed is skipped. An account that has been notified for less than
-- `notified_wait_s` is left to the functions that check notified accounts, if one of them works.
WITH found AS MATERIALIZED (
  SELECT account_id
    FROM mailsync.sync_queue
   WHERE due_at <= now()
   ORDER BY due_at
   LIMIT :limit),
due AS MATERIALIZED (
  SELECT q.account_id, q.due_at
    FROM found JOIN mailsync.sync_queue q USING (account_id)
   WHERE q.due_at <= now()
     AND NOT (q.notified AND q.due_at > now() - make_interval(secs => :notified_wait_s)
              AND EXISTS (SELECT 1 FROM mailsync.check_slots s WHERE s.held_until > now()))
     FOR UPDATE OF q SKIP LOCKED),
claimed AS (
  UPDATE mailsync.sync_queue q
     SET due_at = now() + make_interval(secs => :next_in_s), notified = false
    FROM due WHERE q.account_id = due.account_id
  RETURNING q.account_id)
SELECT due.account_id::text FROM due JOIN claimed USING (account_id) ORDER BY due.due_at

-- release_claims --
-- Make claimed accounts that were not checked due again.
UPDATE mailsync.sync_queue
   SET due_at = now()
 WHERE account_id IN (SELECT cast(each AS uuid)
                        FROM json_array_elements_text(cast(:ids AS json)) AS each)
   AND due_at > now()

-- find_notified_accounts --
-- Return accounts that are due after a notification and can be checked now, the longest waiting
-- first: no sync or check of the account is running or requested, its provider has not paused it, and
-- notifications did not have it checked too often. Also returns the seconds that each has waited.
SELECT q.account_id::text, extract(epoch FROM now() - q.due_at)::float8
  FROM mailsync.sync_queue q
  JOIN mailsync.email_accounts a ON a.id = q.account_id
 WHERE q.notified AND q.due_at <= now() AND q.notified_not_before <= now()
   AND a.status = 'active' AND a.initial_sync_completed
   AND (a.lease_owner IS NULL OR a.lease_until < now())
   AND (a.throttled_until IS NULL OR a.throttled_until <= now())
   AND NOT EXISTS (SELECT 1 FROM mailsync.sync_runs r
                    WHERE r.account_id = a.id AND r.status IN ('queued', 'running'))
 ORDER BY q.due_at
 LIMIT :limit

-- claim_notified_accounts --
-- Claim those of these accounts that no other worker has claimed since they were found. A second
-- claim soon after the first is allowed, and each further one after another pause.
WITH due AS MATERIALIZED (
  SELECT account_id
    FROM mailsync.sync_queue
   WHERE account_id IN (SELECT cast(each AS uuid)
                          FROM json_array_elements_text(cast(:ids AS json)) AS each)
     AND notified AND due_at <= now() AND notified_not_before <= now()
     FOR UPDATE SKIP LOCKED)
UPDATE mailsync.sync_queue q
   SET due_at = now() + make_interval(secs => :next_in_s), notified = false,
       notified_not_before =
         greatest(q.notified_not_before + make_interval(secs => :pause_s), now())
  FROM due
 WHERE q.account_id = due.account_id
RETURNING q.account_id::text

-- count_check_slots --
-- Return the number of functions that check notified mailboxes at present.
SELECT count(*) FROM mailsync.check_slots WHERE held_until > now()

-- take_check_slot --
-- Take a free slot for a function that checks notified mailboxes. Returns no row if none is free, or
-- if another function takes the same one at this moment.
INSERT INTO mailsync.check_slots AS s (slot, holder, held_until)
SELECT n, :holder, now() + make_interval(secs => :held_s)
  FROM generate_series(1, cast(:slots AS int)) AS n
 WHERE NOT EXISTS (SELECT 1 FROM mailsync.check_slots WHERE slot = n AND held_until > now())
 ORDER BY n
 LIMIT 1
    ON CONFLICT (slot) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
 WHERE s.held_until <= now()
RETURNING slot

-- keep_check_slot --
-- Hold the slot longer; returns no row if another function has it.
UPDATE mailsync.check_slots
   SET held_until = now() + make_interval(secs => :held_s)
 WHERE holder = :holder
RETURNING slot

-- release_check_slot --
-- Make the slot free for another function.
DELETE FROM mailsync.check_slots WHERE holder = :holder
