-- Messages that exist and cannot be stored.

-- leave_quarantine --
-- Remove messages from the quarantine of a folder (null: of every folder). No slice stores them any
-- more: it may have been read before they left.
WITH by_id AS (
  UPDATE mailsync.pending_messages SET generation = NULL, retry_at = NULL, claimed_by = NULL
   WHERE account_id = cast(:account_id AS uuid) AND generation IS NOT NULL
     AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))),
left_folder AS (
  DELETE FROM mailsync.quarantine_placements
   WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
     AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json)))))
DELETE FROM mailsync.email_quarantine q
 WHERE q.account_id = cast(:account_id AS uuid)
   AND q.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))
   AND (cast(:folder_id AS bigint) IS NULL
        OR NOT EXISTS (SELECT 1 FROM mailsync.quarantine_placements p
                        WHERE p.account_id = q.account_id AND p.message_id = q.message_id
                          AND p.folder_id <> :folder_id))

-- enter_quarantine --
-- Put messages into quarantine, each with its cause and folders; repeated entries count attempts.
-- Without a known folder, a message is in `folder_id`, or where it was. A version that was stored
-- before is kept, and not swept.
WITH entry AS MATERIALIZED (
  SELECT e.message_id, e.cause, e.detail,
         coalesce(nullif(ARRAY(SELECT f.id FROM mailsync.email_folders f
                                WHERE f.account_id = cast(:account_id AS uuid)
                                  AND f.remote_id = ANY (e.folder_remote_ids) ORDER BY f.id), '{}'),
                  array_remove(ARRAY[cast(:folder_id AS bigint)], NULL)) AS folder_ids
    FROM json_to_recordset(cast(:entries AS json)) AS e
         (message_id text, folder_remote_ids text[], cause text, detail text)),
stored AS MATERIALIZED (
  SELECT m.id, f.id AS folder_id, c.walk
    FROM entry
   CROSS JOIN LATERAL unnest(entry.folder_ids) AS each
    JOIN mailsync.email_folders f ON f.id = each
    JOIN mailsync.change_feeds c ON c.id = f.feed_id
    JOIN mailsync.emails m
      ON m.account_id = cast(:account_id AS uuid) AND m.message_id = entry.message_id),
kept AS (
  UPDATE mailsync.email_placements p SET generation = stored.walk FROM stored
   WHERE p.email_id = stored.id AND p.folder_id = stored.folder_id AND p.generation <> stored.walk),
kept_rows AS (
  UPDATE mailsync.emails m SET walk = stored.walk FROM stored
   WHERE m.id = stored.id AND m.folder_id = stored.folder_id AND m.walk <> stored.walk)
INSERT INTO mailsync.email_quarantine AS q (account_id, message_id, folder_id, cause, detail)
SELECT cast(:account_id AS uuid), message_id, folder_ids[1], cause, detail
  FROM entry ORDER BY message_id
    ON CONFLICT (account_id, message_id) DO UPDATE
   SET cause = excluded.cause, detail = excluded.detail,
       folder_id = coalesce(excluded.folder_id, q.folder_id),
       attempts = q.attempts + 1, last_tried_at = now()

-- place_quarantined --
-- Make these the folders of messages in quarantine, as `enter_quarantine` chose them.
WITH entry AS MATERIALIZED (
  SELECT e.message_id,
         coalesce(nullif(ARRAY(SELECT f.id FROM mailsync.email_folders f
                                WHERE f.account_id = cast(:account_id AS uuid)
                                  AND f.remote_id = ANY (e.folder_remote_ids) ORDER BY f.id), '{}'),
                  array_remove(ARRAY[cast(:folder_id AS bigint)], NULL)) AS folder_ids
    FROM json_to_recordset(cast(:entries AS json)) AS e (message_id text, folder_remote_ids text[])),
ended AS (
  DELETE FROM mailsync.quarantine_placements p USING entry
   WHERE p.account_id = cast(:account_id AS uuid) AND p.message_id = entry.message_id
     AND entry.folder_ids <> '{}' AND p.folder_id <> ALL (entry.folder_ids))
INSERT INTO mailsync.quarantine_placements (account_id, message_id, folder_id)
SELECT cast(:account_id AS uuid), entry.message_id, each
  FROM entry CROSS JOIN LATERAL unnest(entry.folder_ids) AS each
    ON CONFLICT DO NOTHING

-- due_in_quarantine --
-- Return messages that are due for another attempt: 10 minutes after the first, doubling to a day.
SELECT message_id FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid)
   AND last_tried_at < now() - least(interval '1 day', interval '5 minutes' * 2 ^ least(attempts, 9))
 ORDER BY last_tried_at
 LIMIT :limit

-- quarantined_ids --
-- Return the messages of a folder in quarantine.
SELECT message_id FROM mailsync.quarantine_placements
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
