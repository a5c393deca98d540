-- Placements: in which folders a message is.

-- lock_dropped --
-- Lock messages that are in a folder which is not mirrored or which is gone, or were last in one that is
-- not mirrored. Each part of the union is limited, so that one call reads few rows.
SELECT m.id FROM mailsync.emails m
 WHERE m.id = ANY (ARRAY(
       (SELECT p.email_id
          FROM mailsync.email_folders f
          JOIN mailsync.email_placements p ON p.account_id = f.account_id AND p.folder_id = f.id
         WHERE f.account_id = cast(:account_id AS uuid) AND (NOT f.selected OR f.gone_at IS NOT NULL)
         LIMIT :limit)
       UNION ALL
       (SELECT m.id
          FROM mailsync.email_folders f
          JOIN mailsync.emails m ON m.account_id = f.account_id AND m.folder_id = f.id
         WHERE f.account_id = cast(:account_id AS uuid) AND NOT f.selected
         LIMIT :limit)))
 ORDER BY m.id FOR UPDATE

-- drop_unselected --
-- Delete those of these locked messages that are in no mirrored folder.
DELETE FROM mailsync.emails m
 WHERE m.id = ANY (ARRAY(SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:email_ids AS json)) AS each))
   AND NOT EXISTS (SELECT 1 FROM mailsync.email_placements p
                     JOIN mailsync.email_folders f ON f.id = p.folder_id
                    WHERE p.email_id = m.id AND f.selected)

-- dropped_folder_ids --
-- Return the folders of an account that are not mirrored or gone.
SELECT id FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid) AND (NOT selected OR gone_at IS NOT NULL)

-- save_placements --
-- Make these the folders of messages that this transaction has locked: a statement of its own, so
-- that it sees what was written before the lock. Folders that the account does not have are left
-- out; without any, the message is in `folder_id`.
WITH page AS MATERIALIZED (
  SELECT m.*, coalesce(nullif(ARRAY(SELECT f.id FROM mailsync.email_folders f
                                     WHERE f.account_id = cast(:account_id AS uuid)
                                       AND f.remote_id = ANY (k.folder_remote_ids)), '{}'),
                       ARRAY[cast(:folder_id AS bigint)]) AS folder_ids
    FROM json_to_recordset(cast(:keys AS json)) AS k (message_id text, folder_remote_ids text[])
   CROSS JOIN LATERAL (
         SELECT m.id AS email_id, m.account_id, m.received_at FROM mailsync.emails m
          WHERE m.account_id = cast(:account_id AS uuid) AND m.message_id = k.message_id
          LIMIT 1) m),
ended AS (
  DELETE FROM mailsync.email_placements p
   WHERE (p.email_id, p.folder_id) IN (
         SELECT page.email_id, q.folder_id FROM page
          CROSS JOIN LATERAL (SELECT q.folder_id FROM mailsync.email_placements q
                               WHERE q.email_id = page.email_id OFFSET 0) q
          WHERE q.folder_id <> ALL (page.folder_ids)))
INSERT INTO mailsync.email_placements AS p (account_id, folder_id, email_id, generation, received_at)
SELECT page.account_id, f.id, page.email_id, c.walk, page.received_at
  FROM page
  JOIN mailsync.email_folders f ON f.id = ANY (page.folder_ids)
  JOIN mailsync.change_feeds c ON c.id = f.feed_id
    ON CONFLICT (email_id, folder_id) DO UPDATE
   SET generation = excluded.generation, received_at = excluded.received_at
 WHERE (p.generation, p.received_at) IS DISTINCT FROM (excluded.generation, excluded.received_at)

-- stamp_generation --
-- Stamp the placements of unchanged messages with the generation of their folder's feed, and remove
-- the messages from quarantine.
WITH resolved AS (
  DELETE FROM mailsync.email_quarantine
   WHERE account_id = cast(:account_id AS uuid)
     AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))),
unchanged AS MATERIALIZED (
  SELECT m.id, m.folder_id, m.walk FROM mailsync.emails m
   WHERE m.account_id = cast(:account_id AS uuid)
     AND m.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))),
stamped AS (
  UPDATE mailsync.emails m SET walk = c.walk
    FROM unchanged u
    JOIN mailsync.email_folders f ON f.id = u.folder_id
    JOIN mailsync.change_feeds c ON c.id = f.feed_id AND c.walk <> u.walk
   WHERE m.id = u.id)
UPDATE mailsync.email_placements p SET generation = c.walk
  FROM unchanged u, mailsync.email_folders f, mailsync.change_feeds c
 WHERE p.email_id = u.id AND f.id = p.folder_id AND c.id = f.feed_id AND p.generation <> c.walk

-- stamp_unconfirmed --
-- Stamp new placements in a folder with the generation before the current one: the full sync of the
-- feed confirms those that it names, and sweeps the others.
UPDATE mailsync.email_placements p SET generation = c.walk - 1
  FROM mailsync.emails m, mailsync.email_folders f, mailsync.change_feeds c
 WHERE m.account_id = cast(:account_id AS uuid)
   AND m.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))
   AND p.email_id = m.id AND p.folder_id = :folder_id AND f.id = p.folder_id AND c.id = f.feed_id

-- lock_messages --
-- Lock messages whose placements will change, in the order of their ids; return their ids.
SELECT id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid)
   AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))
 ORDER BY id FOR UPDATE

-- end_placements --
-- Take messages, which this transaction has locked, out of these folders (null: out of all). Hide
-- those that are then in none. A statement of its own, so that it sees what another worker wrote
-- before the lock. unseen_before: only where the full sync of this generation has not seen them.
WITH ended AS (
  DELETE FROM mailsync.email_placements p
   WHERE p.email_id = ANY (ARRAY(SELECT cast(each AS bigint)
                          FROM json_array_elements_text(cast(:email_ids AS json)) AS each))
     AND (cast(:folder_ids AS json) IS NULL
          OR p.folder_id IN (SELECT cast(each AS bigint)
                               FROM json_array_elements_text(cast(:folder_ids AS json)) AS each))
     AND (cast(:unseen_before AS int) IS NULL OR p.generation < cast(:unseen_before AS int))
  RETURNING p.email_id, p.folder_id),
kept AS (
  SELECT DISTINCT ON (p.email_id) p.email_id, p.folder_id
    FROM mailsync.email_placements p JOIN mailsync.email_folders f ON f.id = p.folder_id
   WHERE p.email_id IN (SELECT email_id FROM ended)
     AND (p.email_id, p.folder_id) NOT IN (SELECT email_id, folder_id FROM ended)
   ORDER BY p.email_id, array_position(ARRAY['inbox', 'sent', 'drafts', 'trash', 'junk'], f.role), p.folder_id)
UPDATE mailsync.emails m
   SET folder_id = coalesce(k.folder_id, m.folder_id), gone_at = NULL,
       removed_at = CASE WHEN k.folder_id IS NULL THEN now() END,
       confirm_at = CASE WHEN k.folder_id IS NULL THEN now() END
  FROM (SELECT DISTINCT email_id FROM ended) e LEFT JOIN kept k USING (email_id)
 WHERE m.id = e.email_id

-- lock_unseen --
-- Lock messages that the finished full sync of a feed has not seen in one of its folders, or in one of
-- these folders; return their ids. seen: messages that its last page names, which is not stored yet. The
-- array leaves one plan, the primary key: without statistics of a new account, the planner reads all
-- messages of the account once for each placement (5 s for 5,000 messages).
SELECT m.id FROM mailsync.emails m
 WHERE m.account_id = cast(:account_id AS uuid)
   AND m.id = ANY (ARRAY(
       SELECT p.email_id
         FROM mailsync.email_folders f
         JOIN mailsync.email_placements p ON p.account_id = f.account_id AND p.folder_id = f.id
        WHERE f.account_id = cast(:account_id AS uuid) AND f.feed_id = :feed_id
          AND (cast(:folder_ids AS json) IS NULL
               OR f.id IN (SELECT cast(each AS bigint)
                             FROM json_array_elements_text(cast(:folder_ids AS json)) AS each))
          AND p.generation < :generation
          AND p.email_id NOT IN (SELECT s.id FROM mailsync.emails s
                                  WHERE s.account_id = cast(:account_id AS uuid)
                                    AND s.message_id IN (SELECT json_array_elements_text(cast(:seen AS json))))
        LIMIT :limit))
 ORDER BY m.id FOR UPDATE

-- sweep_sizes --
-- Return, for each folder of a feed, how many messages it has, how many of them the full sync of this
-- generation has not seen, and how many the provider counts. seen: messages that its last page names,
-- which is not stored yet.
SELECT f.id, count(p.email_id),
       count(p.email_id) FILTER (
         WHERE p.generation < :generation
           AND p.email_id NOT IN (SELECT s.id FROM mailsync.emails s
                                   WHERE s.account_id = cast(:account_id AS uuid)
                                     AND s.message_id IN (SELECT json_array_elements_text(cast(:seen AS json))))),
       f.remote_total
  FROM mailsync.email_folders f
  LEFT JOIN mailsync.email_placements p ON p.account_id = f.account_id AND p.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.feed_id = :feed_id AND f.selected
   AND f.gone_at IS NULL
 GROUP BY f.id
 ORDER BY f.id

-- show_again --
-- Show locked messages in this folder, in the state that is stored. is_only_folder: and in no other.
WITH ended AS (
  DELETE FROM mailsync.email_placements p
   WHERE cast(:is_only_folder AS boolean) AND p.folder_id <> :folder_id
     AND p.email_id = ANY (ARRAY(SELECT cast(each AS bigint)
                          FROM json_array_elements_text(cast(:email_ids AS json)) AS each))),
shown AS MATERIALIZED (
  SELECT m.id, m.account_id, m.received_at, f.id AS folder_id, c.walk,
         cast(:is_only_folder AS boolean) OR m.removed_at IS NOT NULL AS is_first
    FROM mailsync.emails m, mailsync.email_folders f, mailsync.change_feeds c
   WHERE f.id = :folder_id AND c.id = f.feed_id
     AND m.id = ANY (ARRAY(SELECT cast(each AS bigint)
                    FROM json_array_elements_text(cast(:email_ids AS json)) AS each))),
placed AS (
  INSERT INTO mailsync.email_placements AS p
         (account_id, folder_id, email_id, generation, received_at)
  SELECT account_id, folder_id, id, walk, received_at FROM shown
      ON CONFLICT (email_id, folder_id) DO UPDATE SET generation = excluded.generation)
UPDATE mailsync.emails m
   SET folder_id = CASE WHEN s.is_first THEN s.folder_id ELSE m.folder_id END,
       walk = CASE WHEN s.is_first THEN s.walk ELSE m.walk END,
       removed_at = NULL, gone_at = NULL, confirm_at = NULL, updated_at = now()
  FROM shown s WHERE m.id = s.id

-- show_in_placements --
-- Show locked messages in the folders in which they are placed now.
UPDATE mailsync.emails m
   SET folder_id = k.folder_id, removed_at = NULL, gone_at = NULL, confirm_at = NULL,
       updated_at = now()
  FROM (SELECT DISTINCT ON (p.email_id) p.email_id, p.folder_id
          FROM mailsync.email_placements p JOIN mailsync.email_folders f ON f.id = p.folder_id
         WHERE p.email_id IN (SELECT cast(each AS bigint)
                                FROM json_array_elements_text(cast(:email_ids AS json)) AS each)
         ORDER BY p.email_id, array_position(ARRAY['inbox', 'sent', 'drafts', 'trash', 'junk'], f.role),
                  p.folder_id) k
 WHERE m.id = k.email_id AND (m.folder_id <> k.folder_id OR m.removed_at IS NOT NULL)

-- fill_placements --
-- Give the next messages of an account their placements, a limited number at a time, each as its row
-- is once it is locked. Returns the last message of the batch; null if it was the last batch.
WITH batch AS MATERIALIZED (
  SELECT m.id, m.account_id, m.folder_id, m.walk, m.received_at, m.removed_at
    FROM mailsync.emails m JOIN mailsync.email_accounts a ON a.id = m.account_id
   WHERE a.id = cast(:account_id AS uuid) AND m.id > a.placements_filled_to
   ORDER BY m.id LIMIT :limit FOR NO KEY UPDATE OF m),
placed AS (
  INSERT INTO mailsync.email_placements (account_id, folder_id, email_id, generation, received_at)
  SELECT account_id, folder_id, id, walk, received_at FROM batch WHERE removed_at IS NULL
      ON CONFLICT DO NOTHING)
UPDATE mailsync.email_accounts a
   SET placements_filled_to = CASE WHEN b.messages = cast(:limit AS int)
                                   THEN greatest(a.placements_filled_to, b.last_id) END
  FROM (SELECT count(*) AS messages, max(id) AS last_id FROM batch) b
 WHERE a.id = cast(:account_id AS uuid)
RETURNING a.placements_filled_to

-- unfilled_accounts --
-- Return the accounts with messages that may have no placement yet.
SELECT id::text FROM mailsync.email_accounts WHERE placements_filled_to IS NOT NULL ORDER BY id
