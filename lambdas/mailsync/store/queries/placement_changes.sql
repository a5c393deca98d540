-- Changes of the placements and flags of messages that are stored.

-- sort_changes --
-- Return of each changed message whether it is stored and shown, whether it is pending, and whether
-- it is in a mirrored folder as far as the change and the folder of all mail say.
SELECT c.message_id, m.id IS NOT NULL,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = :feed_id AND w.message_id = c.message_id),
       EXISTS (SELECT 1 FROM mailsync.email_folders f
                WHERE f.account_id = cast(:account_id AS uuid) AND f.selected AND f.gone_at IS NULL
                  AND (f.remote_id = ANY (c.added) OR f.remote_id = cast(:all_mail AS text)))
  FROM json_to_recordset(cast(:changes AS json)) AS c (message_id text, added text[])
  LEFT JOIN mailsync.emails m
    ON m.account_id = cast(:account_id AS uuid) AND m.message_id = c.message_id
   AND m.removed_at IS NULL

-- list_ids_of_folders_with_messages --
-- Return the folders that these messages are in.
SELECT DISTINCT p.folder_id
  FROM mailsync.emails m JOIN mailsync.email_placements p ON p.email_id = m.id
 WHERE m.account_id = cast(:account_id AS uuid)
   AND m.message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- mark_counts_wanted --
-- Note that these folders have changed, and those that these messages are in.
UPDATE mailsync.email_folders f SET counts_wanted = true, active_at = now()
 WHERE f.id IN (SELECT cast(each AS bigint)
                  FROM json_array_elements_text(cast(:folder_ids AS json)) AS each
                 UNION
                SELECT p.folder_id
                  FROM mailsync.emails m JOIN mailsync.email_placements p ON p.email_id = m.id
                 WHERE m.account_id = cast(:account_id AS uuid)
                   AND m.message_id IN (SELECT json_array_elements_text(cast(:ids AS json))))

-- save_placement_changes --
-- Apply changes to messages that this transaction has locked: a statement of its own, so that it sees
-- what was written before the lock. Folders that no list has named yet, and those that are not
-- mirrored, are left out. A message is in the folder of all mail unless it is in trash or junk; where
-- those are not mirrored, it enters that folder only when it leaves one of them. Show the messages
-- that are then in a folder; hide the others.
WITH change AS MATERIALIZED (
  SELECT c.*, m.id AS email_id, m.account_id, m.received_at
    FROM json_to_recordset(cast(:changes AS json)) AS c
         (message_id text, added text[], removed text[], is_read boolean, is_flagged boolean,
          importance text)
    JOIN mailsync.emails m
      ON m.account_id = cast(:account_id AS uuid) AND m.message_id = c.message_id),
folder AS MATERIALIZED (
  SELECT f.id, f.remote_id, f.role, f.role IN ('trash', 'junk') AS is_outside, c.walk,
         f.selected AND f.gone_at IS NULL AS is_mirrored
    FROM mailsync.email_folders f JOIN mailsync.change_feeds c ON c.id = f.feed_id
   WHERE f.account_id = cast(:account_id AS uuid)),
before AS MATERIALIZED (
  SELECT p.email_id, p.folder_id, p.generation
    FROM change JOIN mailsync.email_placements p ON p.email_id = change.email_id),
named AS MATERIALIZED (
  SELECT change.email_id, f.id AS folder_id, f.is_outside
    FROM change
    JOIN before p ON p.email_id = change.email_id
    JOIN folder f ON f.id = p.folder_id
   WHERE f.remote_id <> ALL (change.removed) AND f.remote_id IS DISTINCT FROM cast(:all_mail AS text)
   UNION
  SELECT change.email_id, f.id, f.is_outside
    FROM change JOIN folder f ON f.remote_id = ANY (change.added)
   WHERE f.is_mirrored AND f.remote_id IS DISTINCT FROM cast(:all_mail AS text)),
after AS MATERIALIZED (
  SELECT email_id, folder_id FROM named
   UNION
  SELECT change.email_id, a.id
    FROM change JOIN folder a ON a.remote_id = cast(:all_mail AS text) AND a.is_mirrored
   WHERE NOT EXISTS (SELECT 1 FROM named n WHERE n.email_id = change.email_id AND n.is_outside)
     AND NOT EXISTS (SELECT 1 FROM folder f WHERE f.is_outside AND f.remote_id = ANY (change.added))
     AND (EXISTS (SELECT 1 FROM before p
                   WHERE p.email_id = change.email_id AND p.folder_id = a.id)
          OR EXISTS (SELECT 1 FROM folder f
                      WHERE f.is_outside AND f.remote_id = ANY (change.removed))
          OR NOT EXISTS (SELECT 1 FROM folder f WHERE f.is_outside AND NOT f.is_mirrored))),
ended AS (
  DELETE FROM mailsync.email_placements p USING before b
   WHERE p.email_id = b.email_id AND p.folder_id = b.folder_id
     AND NOT EXISTS (SELECT 1 FROM after a
                      WHERE a.email_id = b.email_id AND a.folder_id = b.folder_id)),
placed AS (
  INSERT INTO mailsync.email_placements AS p
         (account_id, folder_id, email_id, generation, received_at)
  SELECT change.account_id, f.id, change.email_id, f.walk, change.received_at
    FROM after JOIN change USING (email_id) JOIN folder f ON f.id = after.folder_id
      ON CONFLICT (email_id, folder_id) DO UPDATE SET generation = excluded.generation
   WHERE p.generation <> excluded.generation),
first AS (
  SELECT DISTINCT ON (after.email_id) after.email_id, f.id AS folder_id, f.walk
    FROM after JOIN folder f ON f.id = after.folder_id
   ORDER BY after.email_id, array_position(ARRAY['inbox', 'sent', 'drafts', 'trash', 'junk'], f.role),
            f.id)
UPDATE mailsync.emails m
   SET is_read = coalesce(c.is_read, m.is_read), is_flagged = coalesce(c.is_flagged, m.is_flagged),
       importance = coalesce(c.importance, m.importance),
       row_hash = CASE WHEN (coalesce(c.is_read, m.is_read), coalesce(c.is_flagged, m.is_flagged),
                             coalesce(c.importance, m.importance))
                            = (m.is_read, m.is_flagged, m.importance)
                       THEN m.row_hash ELSE '00000000-0000-0000-0000-000000000000' END,
       folder_id = coalesce(n.folder_id, m.folder_id), walk = coalesce(n.walk, m.walk),
       gone_at = NULL,
       removed_at = CASE WHEN n.folder_id IS NULL THEN now() END,
       confirm_at = CASE WHEN n.folder_id IS NULL THEN now() END, updated_at = now()
  FROM change c LEFT JOIN first n USING (email_id)
 WHERE m.id = c.email_id
   AND ((coalesce(c.is_read, m.is_read), coalesce(c.is_flagged, m.is_flagged),
         coalesce(c.importance, m.importance)) <> (m.is_read, m.is_flagged, m.importance)
        OR m.removed_at IS NOT NULL OR n.folder_id IS NULL
        OR ARRAY(SELECT b.folder_id FROM before b WHERE b.email_id = m.id ORDER BY 1)
           <> ARRAY(SELECT a.folder_id FROM after a WHERE a.email_id = m.id ORDER BY 1))
