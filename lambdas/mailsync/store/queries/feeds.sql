-- Change feeds, and the position of the sync in each.

-- read_feed --
-- Return a feed of an account, with its folder if it has one.
SELECT c.id, f.id, f.remote_id, f.gone_at IS NOT NULL, c.cursor_key_id, c.cursor_sealed, c.walk,
       c.walking, c.page_size, c.midway, c.fallback, c.read_at,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id
                  AND (w.retry_at IS NULL OR w.retry_at < now() + interval '10 seconds'
                       OR w.generation IS NOT NULL)),
       CASE WHEN EXISTS (SELECT 1 FROM mailsync.pending_messages w
                          WHERE w.feed_id = c.id AND (w.retry_at IS NULL OR w.retry_at <= now()))
            THEN 0
            ELSE (SELECT coalesce(extract(epoch FROM min(w.retry_at) - now()), 0)
                    FROM mailsync.pending_messages w WHERE w.feed_id = c.id) END::float8,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id AND w.generation = c.walk)
  FROM mailsync.change_feeds c LEFT JOIN mailsync.email_folders f ON f.id = c.folder_id
 WHERE c.account_id = cast(:account_id AS uuid) AND c.id = :feed_id

-- feed_to_begin --
-- Return a mirrored folder by the provider's id, if the first full sync of its feed has no page yet.
SELECT f.id, c.id FROM mailsync.email_folders f JOIN mailsync.change_feeds c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.remote_id = :remote_id AND f.selected
   AND c.walk = 1 AND c.walking AND c.cursor_sealed IS NULL

-- feed_of_folder --
-- Return the feed that reports the changes of a folder.
SELECT feed_id FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid) AND id = :folder_id

-- restart_full_sync --
-- Forget the cursor and begin a new generation; rows stay until the last page sweeps. fallback: the
-- number of the provider's feeds that have failed.
UPDATE mailsync.change_feeds
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true, page_size = NULL,
       fallback = coalesce(cast(:fallback AS int), fallback),
       fallback_at = CASE WHEN cast(:fallback AS int) IS NULL THEN fallback_at ELSE now() END,
       updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND id = :feed_id

-- retry_feeds --
-- Restart the first feed where it failed a day ago, unless a message is known that the feed cannot
-- get past.
UPDATE mailsync.change_feeds c
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true, page_size = NULL,
       fallback = 0, fallback_at = NULL, updated_at = now()
 WHERE c.account_id = cast(:account_id AS uuid)
   AND c.fallback_at < now() - interval '1 day' AND NOT c.midway
   AND NOT EXISTS (SELECT 1 FROM mailsync.email_quarantine q
                     JOIN mailsync.quarantine_placements p USING (account_id, message_id)
                     JOIN mailsync.email_folders f ON f.id = p.folder_id
                    WHERE f.feed_id = c.id AND q.cause = 'unanswered')

-- restart_full_syncs --
-- Begin a new generation in every feed, or in those of the named folders. A feed that began one in
-- this run is skipped: steps may be repeated.
UPDATE mailsync.change_feeds c
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
       fallback = 0, fallback_at = NULL, updated_at = now()
  FROM mailsync.sync_runs r
 WHERE c.account_id = cast(:account_id AS uuid) AND r.id = :run_id
   AND c.cursor_sealed IS NOT NULL AND c.updated_at < r.started_at
   AND (cast(:ids AS json) IS NULL
        OR c.id IN (SELECT f.feed_id FROM mailsync.email_folders f
                     WHERE f.id IN (SELECT cast(each AS bigint)
                                      FROM json_array_elements_text(cast(:ids AS json)) AS each)))

-- advance_cursors --
-- Move the cursors of feeds from where their pages were requested, locked in the order of the feeds;
-- return the moved ones. Another worker was faster with the others. A round that ends reports every
-- change up to its beginning.
WITH page AS MATERIALIZED (
  SELECT n.*, decode(n.next_cursor, 'base64') AS next_sealed,
         now() - make_interval(secs => n.page_request_age_s) AS requested_at
    FROM json_to_recordset(cast(:pages AS json)) AS n
         (feed_id bigint, generation int, cursor text, next_key_id bigint, next_cursor text,
          has_more boolean, is_start_of_round boolean, page_request_age_s float8)
    JOIN mailsync.change_feeds c
      ON c.id = n.feed_id AND c.walk = n.generation
     AND c.cursor_sealed IS NOT DISTINCT FROM decode(n.cursor, 'base64')
   ORDER BY c.id FOR UPDATE OF c)
UPDATE mailsync.change_feeds c
   SET cursor_key_id = n.next_key_id, cursor_sealed = n.next_sealed,
       walking = c.walking AND n.has_more, midway = n.has_more, read_at = now(), updated_at = now(),
       round_began_at = CASE WHEN n.is_start_of_round THEN n.requested_at ELSE c.round_began_at END,
       complete_as_of = CASE WHEN n.has_more THEN c.complete_as_of
                             WHEN n.is_start_of_round THEN n.requested_at
                             ELSE c.round_began_at END
  FROM page n
 WHERE c.id = n.feed_id
RETURNING c.id

-- lock_position --
-- Lock a feed whose cursor is still where its page was requested; no row if another worker was faster.
SELECT 1 FROM mailsync.change_feeds
 WHERE id = :feed_id AND walk = :generation AND cursor_sealed IS NOT DISTINCT FROM :cursor
   FOR SHARE

-- save_page_size --
-- Store the page size that last worked.
UPDATE mailsync.change_feeds SET page_size = :page_size
 WHERE account_id = cast(:account_id AS uuid) AND id = :feed_id

-- add_pending --
-- Note messages of a page whose contents are fetched later, in the order of the page. A version that is
-- stored is kept, and not swept. is_news: they come before those of a full sync. ids: each message with
-- its group, or null, and, if slices fetch it, its time and version.
WITH named AS MATERIALIZED (
  SELECT each ->> 0 AS message_id, each ->> 1 AS group_id,
         cast(each ->> 2 AS timestamptz) AS received_at, each ->> 3 AS version, place
    FROM json_array_elements(cast(:ids AS json)) WITH ORDINALITY AS e (each, place)),
kept AS (
  UPDATE mailsync.email_placements p SET generation = c.walk
    FROM named
    JOIN mailsync.emails m
      ON m.account_id = cast(:account_id AS uuid) AND m.message_id = named.message_id,
         mailsync.email_folders f, mailsync.change_feeds c
   WHERE c.id = :feed_id AND f.feed_id = c.id AND f.account_id = c.account_id
     AND p.email_id = m.id AND p.folder_id = f.id AND p.generation <> c.walk)
INSERT INTO mailsync.pending_messages AS w
       (account_id, feed_id, message_id, group_id, is_news, received_at, version, generation)
SELECT cast(:account_id AS uuid), :feed_id, message_id, group_id, :is_news, received_at, version,
       (SELECT c.walk FROM mailsync.change_feeds c WHERE c.id = :feed_id AND named.received_at IS NOT NULL)
  FROM named ORDER BY place
    ON CONFLICT (feed_id, message_id) DO UPDATE
   SET is_news = w.is_news OR excluded.is_news, missing_since = NULL, retry_at = NULL,
       is_removed = false, received_at = excluded.received_at, version = excluded.version,
       generation = excluded.generation
 WHERE excluded.is_news AND NOT w.is_news OR w.missing_since IS NOT NULL OR w.is_removed
    OR (w.version, w.generation) IS DISTINCT FROM (excluded.version, excluded.generation)

-- pending_ids --
-- Return the messages of a feed that are to be fetched next: those that changes named, then those of a
-- full sync. After the first message of a group come all others of the group.
WITH next AS MATERIALIZED (
  (SELECT message_id, group_id, 0 AS turn, position FROM mailsync.pending_messages
    WHERE feed_id = :feed_id AND is_news AND (retry_at IS NULL OR retry_at <= now()) ORDER BY position LIMIT :limit)
   UNION ALL
  (SELECT message_id, group_id, 1, position FROM mailsync.pending_messages
    WHERE feed_id = :feed_id AND NOT is_news AND (retry_at IS NULL OR retry_at <= now())
    ORDER BY position LIMIT :limit)
   ORDER BY turn, position LIMIT :limit),
groups AS (
  SELECT DISTINCT ON (group_id) group_id, turn, position FROM next
   WHERE group_id IS NOT NULL ORDER BY group_id, turn, position),
whole AS (
  SELECT w.message_id, w.group_id, g.turn, g.position AS first, w.position
    FROM groups g JOIN mailsync.pending_messages w USING (group_id)
   WHERE w.feed_id = :feed_id AND (w.retry_at IS NULL OR w.retry_at <= now())
   UNION ALL
  SELECT message_id, NULL, turn, position, position FROM next WHERE group_id IS NULL)
SELECT message_id, group_id FROM whole ORDER BY turn, first, position LIMIT :limit

-- drop_pending --
-- Forget messages that were fetched.
DELETE FROM mailsync.pending_messages
 WHERE feed_id = :feed_id AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))

-- note_removed_pending --
-- Record that pending messages are gone according to the change feed; null: all of the feed, until a
-- list names them. They are requested once more.
UPDATE mailsync.pending_messages SET is_removed = true, retry_at = NULL
 WHERE feed_id = :feed_id AND NOT is_removed
   AND (cast(:ids AS json) IS NULL
        OR message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json)))))

-- note_missing --
-- Record that the provider, asked by id, reports pending messages as gone. Forget and return those of
-- which the change feed or a complete list says so as well, and those that it reported `confirmed_s` ago;
-- for the latter, folders that together contain every message are compared by ids. The others are
-- requested again: after 3 seconds, then after as long as they have been missing, at most 10 minutes.
WITH named AS MATERIALIZED (
  SELECT w.message_id, w.is_removed,
         w.is_removed OR coalesce(w.missing_since <= now() - make_interval(secs => :confirmed_s), false)
           AS is_confirmed
    FROM mailsync.pending_messages w
   WHERE w.feed_id = :feed_id
     AND w.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))),
kept AS (
  UPDATE mailsync.pending_messages w
     SET missing_since = coalesce(w.missing_since, now()),
         retry_at = now() + least(interval '10 minutes',
                                  greatest(interval '3 seconds', now() - w.missing_since))
    FROM named n
   WHERE w.feed_id = :feed_id AND w.message_id = n.message_id AND NOT n.is_confirmed),
compared AS (
  UPDATE mailsync.email_folders f SET compared_at = NULL
   WHERE f.feed_id = :feed_id AND f.role IN ('archive', 'trash', 'junk')
     AND EXISTS (SELECT 1 FROM named n WHERE n.is_confirmed AND NOT n.is_removed))
DELETE FROM mailsync.pending_messages w USING named n
 WHERE w.feed_id = :feed_id AND w.message_id = n.message_id AND n.is_confirmed
RETURNING w.message_id
