-- The queue of mailboxes that are due.

-- claim_due_accounts --
-- Claim due accounts, the longest overdue first; no other tick can claim them meanwhile. They are
-- found in the index alone. An account that another tick has claimed since is not due when it is
-- locked, and one that is being claimed is skipped.
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
     FOR UPDATE OF q SKIP LOCKED),
claimed AS (
  UPDATE mailsync.sync_queue q
     SET due_at = now() + make_interval(secs => :next_in_s)
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
