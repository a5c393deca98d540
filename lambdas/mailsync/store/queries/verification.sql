-- Counts and ids compared with the provider's.

-- recount --
-- Store the counts of folders, counted from their rows, and whether this verification of the run
-- leaves counts of the provider unread. A folder is counted whose rows have changed since the last
-- count, or whose counts differ from the provider's; is_every: every folder. Each message is found by
-- its id: without statistics of a new account, a join would read all messages of the account for each
-- of them.
WITH noted AS (
  UPDATE mailsync.sync_runs SET has_unread_counts = :is_left
   WHERE id = :run_id AND has_unread_counts <> :is_left)
UPDATE mailsync.email_folders f
   SET total = s.total, unread = s.unread, counts_stale = false
  FROM (SELECT f.id, count(m.id) AS total, count(m.id) FILTER (WHERE NOT m.is_read) AS unread
          FROM mailsync.email_folders f
          LEFT JOIN mailsync.email_placements p ON p.account_id = f.account_id AND p.folder_id = f.id
          LEFT JOIN LATERAL (SELECT m.id, m.is_read FROM mailsync.emails m
                              WHERE m.id = p.email_id OFFSET 0) m ON true
         WHERE f.account_id = cast(:account_id AS uuid)
           AND (f.counts_stale OR cast(:is_every AS boolean)
                OR (f.total, f.unread) IS DISTINCT FROM (f.remote_total, f.remote_unread))
         GROUP BY f.id) s
 WHERE s.id = f.id
   AND (f.counts_stale OR (f.total, f.unread) IS DISTINCT FROM (s.total, s.unread))

-- count_messages --
-- Store how many messages of the account are shown.
UPDATE mailsync.email_accounts a
   SET message_count = (SELECT count(*) FROM mailsync.emails m
                         WHERE m.account_id = a.id AND m.removed_at IS NULL)
 WHERE a.id = cast(:account_id AS uuid)

-- folder_counts --
-- Return each selected folder's counts, ours and the provider's, and how many messages are in
-- quarantine and not stored. Each of those is looked up by its own id: with the folder in the
-- condition, the planner reads the whole folder for each.
SELECT f.id, f.remote_total, f.total, f.remote_unread, f.unread,
       (SELECT count(*) FROM mailsync.quarantine_placements q
         WHERE q.folder_id = f.id
           AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                             JOIN mailsync.email_placements p ON p.email_id = m.id
                            WHERE m.account_id = q.account_id AND m.message_id = q.message_id
                              AND p.folder_id = f.id)),
       f.count_offset, f.unread_offset, f.compared_at, c.walking, f.list_total, f.list_unread, f.differing
  FROM mailsync.email_folders f
  JOIN mailsync.change_feeds c ON c.id = f.feed_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.selected AND f.gone_at IS NULL
 ORDER BY f.id

-- mark_verified --
-- Record that folders are verified, and clear their recorded differences. Return all folders that
-- equalled the provider in this run, by counts or by ids.
WITH verified AS (
  SELECT cast(each AS bigint) AS id FROM json_array_elements_text(cast(:ids AS json)) AS each),
resolved AS (
  DELETE FROM mailsync.proof_differences WHERE folder_id IN (SELECT id FROM verified)),
marked AS (
  UPDATE mailsync.email_folders
     SET verified_at = now(), differing = 0, error = NULL, error_message = NULL, counts_wanted = false
   WHERE id IN (SELECT id FROM verified))
SELECT f.id
  FROM mailsync.email_folders f
  JOIN mailsync.sync_runs r ON r.account_id = f.account_id
 WHERE r.id = :run_id
   AND (f.id IN (SELECT id FROM verified)
        OR greatest(f.verified_at, f.compared_at) >= r.started_at)

-- mark_compared --
-- Record a comparison by ids. The list's counts are kept where the list was complete. The folder is
-- verified once its counts are explained, too. Without flags, a comparison counts as one before this
-- run: it explains no difference of counts.
WITH resolved AS (DELETE FROM mailsync.proof_differences WHERE folder_id = :folder_id)
UPDATE mailsync.email_folders f
   SET compared_at = CASE WHEN cast(:has_flags AS boolean) THEN now()
                          ELSE r.started_at - interval '1 second' END,
       list_total = :total, list_unread = :unread, differing = 0, error = NULL, error_message = NULL
  FROM mailsync.sync_runs r
 WHERE f.id = :folder_id AND r.id = :run_id

-- are_flags_compared_elsewhere --
-- Return whether a folder must be compared, while another mirrored one was compared in this run or
-- must be.
SELECT 1
  FROM mailsync.sync_runs r
  JOIN mailsync.email_folders f ON f.id = :folder_id AND f.compared_at IS NULL
  JOIN mailsync.email_folders o ON o.account_id = r.account_id AND o.remote_id = :remote_id
   AND o.selected AND o.gone_at IS NULL
   AND coalesce(o.compared_at >= r.started_at, true)
 WHERE r.id = :run_id

-- save_verified --
-- Record that these folders were compared, and that every difference of counts is explained.
UPDATE mailsync.email_folders SET verified_at = now(), counts_wanted = false
 WHERE id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- compare_soon --
-- Make folders due for a comparison whose counts changed without a reported change.
UPDATE mailsync.email_folders SET compared_at = NULL
 WHERE id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- compare_later --
-- Put off folders with a due comparison, in case it fails; those that must be compared stay due.
-- The stored time is then no longer that of a comparison, so the list's counts are cleared.
UPDATE mailsync.email_folders
   SET compared_at = now() - make_interval(secs => :ago_s), list_total = NULL, list_unread = NULL
 WHERE compared_at IS NOT NULL
   AND id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- save_offsets --
-- Store by how much the provider's counts of these folders are wrong.
UPDATE mailsync.email_folders f SET count_offset = o.total, unread_offset = o.unread
  FROM json_to_recordset(cast(:offsets AS json)) AS o (folder_id bigint, total int, unread int)
 WHERE f.id = o.folder_id AND (f.count_offset, f.unread_offset) IS DISTINCT FROM (o.total, o.unread)

-- save_differences --
-- Store how many messages of a folder differ, and some of their ids.
WITH saved AS (
  INSERT INTO mailsync.proof_differences (account_id, folder_id, message_id, cause)
  SELECT cast(:account_id AS uuid), :folder_id, message_id, cause
    FROM json_to_recordset(cast(:differences AS json)) AS d (message_id text, cause text))
UPDATE mailsync.email_folders SET differing = :number WHERE id = :folder_id

-- proof_differences --
-- Return messages about which the provider contradicts itself, at most a hundred per folder.
SELECT d.folder_id, d.message_id, d.cause, d.found_at
  FROM mailsync.proof_differences d
  JOIN mailsync.email_folders f ON f.id = d.folder_id AND f.selected AND f.gone_at IS NULL
 WHERE d.account_id = cast(:account_id AS uuid)
 ORDER BY d.folder_id, d.message_id
 LIMIT 1000
