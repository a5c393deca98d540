-- What a run did in each folder.

-- begin_run_folder --
-- Count an attempt at a folder in this run.
INSERT INTO mailsync.sync_run_folders AS r (run_id, folder_id, attempts)
VALUES (:run_id, :folder_id, 1)
    ON CONFLICT (run_id, folder_id) DO UPDATE
   SET attempts = r.attempts + 1, status = 'running', finished_at = NULL

-- count_pages --
-- Add what pages did to their folders' parts of the run, and to the shown counts of the folders; the
-- recount at the end of the run is exact. is_active: the page reported changes, not the contents of a
-- full sync.
WITH page AS MATERIALIZED (
  SELECT * FROM json_to_recordset(cast(:pages AS json)) AS p
         (folder_id bigint, requests int, inserted int, updated int, unchanged int, removed int,
          quarantined int, has_more boolean, is_shown boolean, is_active boolean)
   ORDER BY p.folder_id),
shown AS (
  UPDATE mailsync.email_folders f
     SET total = greatest(0, f.total + p.inserted - p.removed),
         counts_stale = f.counts_stale OR p.inserted <> p.removed,
         active_at = CASE WHEN p.is_active THEN now() ELSE f.active_at END
    FROM page p WHERE f.id = p.folder_id AND p.is_shown)
INSERT INTO mailsync.sync_run_folders AS r
       (run_id, folder_id, pages, requests, inserted, updated, unchanged, removed, quarantined,
        status, finished_at)
SELECT :run_id, folder_id, 1, requests, inserted, updated, unchanged, removed, quarantined,
       CASE WHEN has_more THEN 'running' ELSE 'completed' END,
       CASE WHEN has_more THEN NULL ELSE now() END
  FROM page
    ON CONFLICT (run_id, folder_id) DO UPDATE
   SET pages = r.pages + 1, requests = r.requests + excluded.requests,
       inserted = r.inserted + excluded.inserted, updated = r.updated + excluded.updated,
       unchanged = r.unchanged + excluded.unchanged, removed = r.removed + excluded.removed,
       quarantined = r.quarantined + excluded.quarantined, status = excluded.status,
       finished_at = excluded.finished_at, error = NULL, error_message = NULL, waits = 0

-- count_folder_wait --
-- Count a pause that the provider requested before the feed's next page; return how many there were
-- in succession.
UPDATE mailsync.sync_run_folders
   SET waits = CASE WHEN :has_progressed THEN 0 ELSE waits END + 1
 WHERE run_id = :run_id
   AND folder_id IS NOT DISTINCT FROM cast(:folder_id AS bigint)
RETURNING waits

-- count_reset --
-- Count a new full sync of a feed within this run; return how many there were.
UPDATE mailsync.sync_run_folders SET resets = resets + 1
 WHERE run_id = :run_id
   AND folder_id IS NOT DISTINCT FROM (SELECT c.folder_id FROM mailsync.change_feeds c
                                        WHERE c.id = :feed_id)
RETURNING resets

-- fail_run_folder --
-- Record why a folder could not be synced in this run.
INSERT INTO mailsync.sync_run_folders AS r
       (run_id, folder_id, status, error, error_message, finished_at)
VALUES (:run_id, :folder_id, 'failed', :error, :error_message, now())
    ON CONFLICT (run_id, folder_id) DO UPDATE
   SET status = 'failed', error = excluded.error, error_message = excluded.error_message,
       finished_at = now()

-- fail_run_feed --
-- Record why a feed could not be read in this run.
INSERT INTO mailsync.sync_run_folders AS r
       (run_id, folder_id, status, error, error_message, finished_at)
SELECT :run_id, c.folder_id, 'failed', :error, :error_message, now()
  FROM mailsync.change_feeds c WHERE c.account_id = cast(:account_id AS uuid) AND c.id = :feed_id
    ON CONFLICT (run_id, folder_id) DO UPDATE
   SET status = 'failed', error = excluded.error, error_message = excluded.error_message,
       finished_at = now()

-- set_folder_error --
-- Record the folder's last failure, or clear it.
UPDATE mailsync.email_folders SET error = :error, error_message = :error_message
 WHERE account_id = cast(:account_id AS uuid) AND id = :folder_id

-- set_feed_error --
-- Record the last failure of a feed on its folders.
UPDATE mailsync.email_folders SET error = :error, error_message = :error_message
 WHERE account_id = cast(:account_id AS uuid) AND feed_id = :feed_id

-- repair_state --
-- Return the repair rounds of a run, and the existing folders that failed in it; all of them if the feed
-- of the mailbox did.
SELECT r.repair_rounds,
       ARRAY(SELECT f.id
               FROM mailsync.sync_run_folders p
               JOIN mailsync.email_folders f ON f.id = p.folder_id AND f.gone_at IS NULL
              WHERE p.run_id = r.id AND p.status = 'failed'
              UNION
             SELECT f.id
               FROM mailsync.sync_run_folders p
               JOIN mailsync.email_folders f ON f.account_id = r.account_id AND f.gone_at IS NULL
              WHERE p.run_id = r.id AND p.folder_id IS NULL AND p.status = 'failed')
  FROM mailsync.sync_runs r WHERE r.id = :run_id

-- feeds_failed_before --
-- Return the feeds that failed in an earlier execution of a run.
SELECT c.id
  FROM mailsync.sync_run_folders p
  JOIN mailsync.sync_runs r ON r.id = p.run_id
  JOIN mailsync.change_feeds c ON c.account_id = r.account_id
                              AND c.folder_id IS NOT DISTINCT FROM p.folder_id
 WHERE p.run_id = :run_id AND p.status = 'failed' AND p.finished_at < r.execution_began_at

-- run_folders --
-- Return what each folder did in a run.
SELECT p.folder_id, coalesce(f.display_name, ''), coalesce(f.role, ''), p.status, p.attempts, p.pages, p.requests, p.inserted,
       p.updated, p.unchanged, p.removed, p.quarantined, p.resets, p.error, p.error_message,
       p.started_at, p.finished_at
  FROM mailsync.sync_run_folders p
  LEFT JOIN mailsync.email_folders f ON f.id = p.folder_id
 WHERE p.run_id = :run_id
 ORDER BY p.started_at, p.folder_id
