-- Messages that exist and cannot be stored.

-- leave_quarantine --
-- Remove messages from quarantine that are gone, from a folder or from everywhere.
DELETE FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid)
   AND folder_id = coalesce(cast(:folder_id AS bigint), folder_id)
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- enter_quarantine --
-- Put messages into quarantine, each with its cause; repeated entries count attempts. A version
-- that was stored before is kept, and not swept.
WITH entry AS MATERIALIZED (
  SELECT e.message_id, e.cause, e.detail, coalesce(f.id, :folder_id) AS folder_id
    FROM json_to_recordset(cast(:entries AS json)) AS e
         (message_id text, folder_remote_id text, cause text, detail text)
    LEFT JOIN mailsync.email_folders f
      ON f.account_id = cast(:account_id AS uuid) AND f.remote_id = e.folder_remote_id),
stored AS MATERIALIZED (
  SELECT m.id, entry.folder_id, c.walk
    FROM entry JOIN mailsync.folder_cursors c USING (folder_id)
    JOIN mailsync.emails m
      ON m.account_id = cast(:account_id AS uuid) AND m.message_id = entry.message_id),
kept AS (
  UPDATE mailsync.email_placements p SET generation = stored.walk FROM stored
   WHERE p.email_id = stored.id AND p.folder_id = stored.folder_id AND p.generation <> stored.walk),
kept_rows AS (
  UPDATE mailsync.emails m SET walk = stored.walk FROM stored
   WHERE m.id = stored.id AND m.folder_id = stored.folder_id AND m.walk <> stored.walk)
INSERT INTO mailsync.email_quarantine AS q (account_id, message_id, folder_id, cause, detail)
SELECT cast(:account_id AS uuid), message_id, folder_id, cause, detail
  FROM entry ORDER BY message_id
    ON CONFLICT (account_id, message_id) DO UPDATE
   SET cause = excluded.cause, detail = excluded.detail,
       folder_id = coalesce(excluded.folder_id, q.folder_id),
       attempts = q.attempts + 1, last_tried_at = now()

-- due_in_quarantine --
-- Return messages that are due for another attempt: 10 minutes after the first, doubling to a day.
SELECT message_id FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid)
   AND last_tried_at < now() - least(interval '1 day', interval '5 minutes' * 2 ^ least(attempts, 9))
 ORDER BY last_tried_at
 LIMIT :limit

-- quarantined_ids --
-- Return the messages of a folder in quarantine.
SELECT message_id FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
