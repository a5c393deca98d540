-- Folders, each with the position of the sync in the feed that reports its changes.

-- save_tree_reading --
-- Record that the whole folder tree was read, thoroughly or not.
UPDATE mailsync.email_accounts
   SET tree_read_at = now(),
       hidden_read_at = CASE WHEN :is_thorough THEN now() ELSE hidden_read_at END
 WHERE id = cast(:account_id AS uuid)

-- known_folders --
-- Return the existing folders of an account, each with the position of the sync in it.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.id, c.folder_id IS NULL, c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size,
       c.midway, c.fallback, c.read_at,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id
                  AND (w.retry_at IS NULL OR w.retry_at < now() + interval '10 seconds'
                       OR w.generation IS NOT NULL)),
       f.remote_total, f.remote_unread, f.active_at, f.counts_wanted
  FROM mailsync.email_folders f
  JOIN mailsync.change_feeds c ON c.id = f.feed_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id

-- hidden_folders --
-- Return the folders that the provider reported as gone and that are to be requested by id again.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.id, c.folder_id IS NULL, c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size,
       c.midway, c.fallback, c.read_at,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id
                  AND (w.retry_at IS NULL OR w.retry_at < now() + interval '10 seconds'
                       OR w.generation IS NOT NULL)),
       f.remote_total, f.remote_unread, f.active_at, f.counts_wanted
  FROM mailsync.email_folders f
  JOIN mailsync.change_feeds c ON c.id = f.feed_id
 WHERE f.account_id = cast(:account_id AS uuid)
   AND f.gone_at < now() - make_interval(secs => CASE WHEN f.selected THEN cast(:confirmed_s AS float8)
                                                      ELSE :choice_s END)
 ORDER BY f.id

-- find_folder --
-- Return one folder of an account with its position.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.id, c.folder_id IS NULL, c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size,
       c.midway, c.fallback, c.read_at,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id
                  AND (w.retry_at IS NULL OR w.retry_at < now() + interval '10 seconds'
                       OR w.generation IS NOT NULL)),
       f.remote_total, f.remote_unread, f.active_at, f.counts_wanted
  FROM mailsync.email_folders f
  JOIN mailsync.change_feeds c ON c.id = f.feed_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.id = :folder_id

-- add_mailbox_feed --
-- Store the change feed of a whole mailbox, unless it is stored; return its id.
INSERT INTO mailsync.change_feeds AS c (account_id, folder_id) VALUES (cast(:account_id AS uuid), NULL)
    ON CONFLICT (account_id, folder_id) DO UPDATE SET account_id = excluded.account_id
RETURNING c.id

-- save_folders --
-- Store new and changed folders. feed_id is the feed of the mailbox; null: each folder gets a feed of
-- its own, which a trigger names on the folder. A hidden folder comes back with its feed, and a
-- comparison by ids shows its mail again, unless the feed begins anew.
WITH remote AS (
  SELECT * FROM json_to_recordset(cast(:folders AS json)) AS r
         (remote_id text, parent_remote_id text, display_name text, role text, hidden boolean)),
saved AS (
  INSERT INTO mailsync.email_folders AS f
         (account_id, remote_id, parent_remote_id, display_name, role, hidden, feed_id)
  SELECT cast(:account_id AS uuid), remote_id, parent_remote_id, display_name, role, hidden,
         cast(:feed_id AS bigint)
    FROM remote ORDER BY remote_id
      ON CONFLICT (account_id, remote_id) DO UPDATE
     SET parent_remote_id = excluded.parent_remote_id, display_name = excluded.display_name,
         role = excluded.role, hidden = excluded.hidden, gone_at = NULL,
         compared_at = CASE WHEN f.gone_at IS NULL THEN f.compared_at END,
         verified_at = CASE WHEN f.gone_at IS NULL THEN f.verified_at END
  RETURNING account_id, id, feed_id)
INSERT INTO mailsync.change_feeds (account_id, folder_id)
SELECT account_id, id FROM saved WHERE feed_id IS NULL
    ON CONFLICT DO NOTHING

-- restart_hidden_folders --
-- Begin the feeds of those of these folders anew that are hidden and come back.
UPDATE mailsync.change_feeds c
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = c.walk + 1, walking = true,
       page_size = NULL, updated_at = now()
  FROM mailsync.email_folders f
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NOT NULL AND c.id = f.feed_id
   AND f.remote_id IN (SELECT remote_id
                         FROM json_to_recordset(cast(:folders AS json)) AS r (remote_id text))

-- change_remote_ids --
-- Give folders their new ids at the provider, unless another folder has such an id; return the
-- changed folders. Their feeds begin a new generation, and earlier comparisons no longer count.
WITH changed AS (
  UPDATE mailsync.email_folders f
     SET remote_id = n.remote_id, verified_at = NULL, compared_at = NULL, count_offset = 0,
         unread_offset = 0, list_total = NULL, list_unread = NULL, differing = 0
    FROM json_to_recordset(cast(:folders AS json)) AS n (folder_id bigint, remote_id text)
   WHERE f.account_id = cast(:account_id AS uuid) AND f.id = n.folder_id
     AND NOT EXISTS (SELECT 1 FROM mailsync.email_folders o
                      WHERE o.account_id = f.account_id AND o.remote_id = n.remote_id)
  RETURNING f.id, f.feed_id),
resolved AS (
  DELETE FROM mailsync.proof_differences WHERE folder_id IN (SELECT id FROM changed)),
dropped AS (
  DELETE FROM mailsync.pending_messages WHERE feed_id IN (SELECT feed_id FROM changed)),
restarted AS (
  UPDATE mailsync.change_feeds
     SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
         page_size = NULL, fallback = 0, fallback_at = NULL, updated_at = now()
   WHERE id IN (SELECT feed_id FROM changed))
SELECT id FROM changed

-- save_remote_counts --
-- Store the provider's counts of each folder.
UPDATE mailsync.email_folders f
   SET remote_total = r.total, remote_unread = r.unread
  FROM json_to_recordset(cast(:folders AS json)) AS r (remote_id text, total int, unread int)
 WHERE f.account_id = cast(:account_id AS uuid) AND f.remote_id = r.remote_id
   AND r.total IS NOT NULL AND r.unread IS NOT NULL
   AND (f.remote_total, f.remote_unread) IS DISTINCT FROM (r.total, r.unread)

-- hide_folders --
-- Hide folders that the provider reports as gone, until it has confirmed that.
UPDATE mailsync.email_folders SET gone_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND gone_at IS NULL
   AND id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- drop_gone_folders --
-- Delete folders that the provider has reported as gone twice and that hold no mail. A deselected
-- folder is kept longer, in case it comes back.
DELETE FROM mailsync.email_folders f
 WHERE account_id = cast(:account_id AS uuid)
   AND gone_at < now() - make_interval(secs => CASE WHEN selected THEN cast(:confirmed_s AS float8)
                                                    ELSE :choice_s END)
   AND remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))
   AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                    WHERE m.account_id = f.account_id AND m.folder_id = f.id)
   AND NOT EXISTS (SELECT 1 FROM mailsync.email_placements p
                    WHERE p.account_id = f.account_id AND p.folder_id = f.id)

-- folder_status --
-- Return the status of each folder, counted as the verification does; where the provider does not
-- count, our count stands for its. A check that finds nothing
-- new verifies all folders at once and records that on the account only. compared_at decides when a
-- folder is due for a comparison; it is the time of one only where the list's counts are known.
SELECT f.account_id::text, f.id, f.display_name, f.role, f.total, f.unread,
       coalesce(f.remote_total, f.total), f.count_offset, f.unread_offset,
       greatest(f.verified_at, CASE WHEN f.verified_at IS NOT NULL THEN a.verified_at END),
       CASE WHEN f.list_total IS NOT NULL THEN f.compared_at END,
       f.error, f.error_message, c.walking,
       (SELECT count(*) FROM mailsync.quarantine_placements q
         WHERE q.folder_id = f.id
           AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                             JOIN mailsync.email_placements p ON p.email_id = m.id
                            WHERE m.account_id = q.account_id AND m.message_id = q.message_id
                              AND p.folder_id = f.id)),
       f.differing
  FROM mailsync.email_folders f
  JOIN mailsync.change_feeds c ON c.id = f.feed_id
  JOIN mailsync.email_accounts a ON a.id = f.account_id
 WHERE f.account_id IN (SELECT cast(each AS uuid)
                          FROM json_array_elements_text(cast(:account_ids AS json)) AS each)
   AND f.selected AND f.gone_at IS NULL
 ORDER BY f.id

-- existing_folders --
-- Return those of these folders that the account has.
SELECT id FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid) AND gone_at IS NULL
   AND id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- select_folders --
-- Select the folders to mirror. Where that changes, the next sync begins a new generation, and
-- recorded differences are deleted.
WITH changed AS (
  UPDATE mailsync.email_folders f SET selected = c.selected, verified_at = NULL, differing = 0
    FROM json_to_recordset(cast(:choices AS json)) AS c (id bigint, selected boolean)
   WHERE f.account_id = cast(:account_id AS uuid) AND f.id = c.id AND f.selected <> c.selected
  RETURNING f.id, f.feed_id),
resolved AS (
  DELETE FROM mailsync.proof_differences WHERE folder_id IN (SELECT id FROM changed))
UPDATE mailsync.change_feeds
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
       fallback = 0, fallback_at = NULL, updated_at = now()
 WHERE id IN (SELECT feed_id FROM changed)
RETURNING id
