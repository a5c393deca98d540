-- Messages and their bodies.

-- drop_unselected --
-- Delete mail of folders that are not mirrored, a limited number at a time.
DELETE FROM mailsync.emails
 WHERE id IN (SELECT m.id
                FROM mailsync.email_folders f
                JOIN mailsync.emails m ON m.account_id = f.account_id AND m.folder_id = f.id
               WHERE f.account_id = cast(:account_id AS uuid) AND NOT f.selected
               LIMIT :limit)

-- known_emails --
-- Return, for each message of a page, whether the stored row and body equal those of the page.
SELECT m.message_id,
       m.row_hash = k.row_hash AND m.removed_at IS NULL
         AND m.version IS NOT DISTINCT FROM k.version AND m.folder_id = coalesce(f.id, :folder_id) AS same_row,
       b.body_hash IS NOT DISTINCT FROM k.body_hash AS same_body
  FROM json_to_recordset(cast(:keys AS json)) AS k
       (message_id text, folder_remote_id text, row_hash uuid, version text, body_hash uuid)
  JOIN mailsync.emails m ON m.account_id = cast(:account_id AS uuid) AND m.message_id = k.message_id
  LEFT JOIN mailsync.email_folders f
    ON f.account_id = m.account_id AND f.remote_id = k.folder_remote_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id

-- upsert_emails --
-- Insert or update messages; a repeated page changes nothing.
WITH page AS MATERIALIZED (
  SELECT p.*, coalesce(f.id, :folder_id) AS folder_id, coalesce(c.walk, 1) AS walk
    FROM json_to_recordset(cast(:page AS json)) AS p (
         message_id text, folder_remote_id text, internet_message_id text, conversation_id text,
         subject text, from_name text, from_address text, to_recipients jsonb, cc_recipients jsonb,
         bcc_recipients jsonb, reply_to jsonb, snippet text, is_read boolean, is_draft boolean,
         is_flagged boolean, has_attachments boolean, importance text, categories jsonb,
         received_at timestamptz, sent_at timestamptz, modified_at timestamptz, web_link text,
         kind text, row_hash uuid, version text, body_hash uuid, html text, text text)
    LEFT JOIN mailsync.email_folders f
      ON f.account_id = cast(:account_id AS uuid) AND f.remote_id = p.folder_remote_id
    LEFT JOIN mailsync.folder_cursors c ON c.folder_id = coalesce(f.id, :folder_id)),
saved AS (
  INSERT INTO mailsync.emails AS m (
         account_id, folder_id, message_id, internet_message_id, conversation_id, subject,
         from_name, from_address, to_recipients, cc_recipients, bcc_recipients, reply_to, snippet,
         is_read, is_draft, is_flagged, has_attachments, importance, categories, received_at,
         sent_at, modified_at, web_link, kind, row_hash, version, walk)
  SELECT cast(:account_id AS uuid), folder_id, message_id, internet_message_id, conversation_id,
         subject, from_name, from_address, to_recipients, cc_recipients, bcc_recipients, reply_to,
         snippet, is_read, is_draft, is_flagged, has_attachments, importance, categories,
         received_at, sent_at, modified_at, web_link, kind, row_hash, version, walk
    FROM page ORDER BY message_id
      ON CONFLICT (account_id, message_id) DO UPDATE
     SET folder_id = excluded.folder_id, internet_message_id = excluded.internet_message_id,
         conversation_id = excluded.conversation_id, subject = excluded.subject,
         from_name = excluded.from_name, from_address = excluded.from_address,
         to_recipients = excluded.to_recipients, cc_recipients = excluded.cc_recipients,
         bcc_recipients = excluded.bcc_recipients, reply_to = excluded.reply_to,
         snippet = excluded.snippet, is_read = excluded.is_read, is_draft = excluded.is_draft,
         is_flagged = excluded.is_flagged, has_attachments = excluded.has_attachments,
         importance = excluded.importance, categories = excluded.categories,
         received_at = excluded.received_at, sent_at = excluded.sent_at,
         modified_at = excluded.modified_at, web_link = excluded.web_link, kind = excluded.kind,
         row_hash = excluded.row_hash, version = excluded.version, walk = excluded.walk,
         removed_at = NULL, gone_at = NULL, confirm_at = NULL, updated_at = now()
   WHERE m.row_hash IS DISTINCT FROM excluded.row_hash OR m.folder_id <> excluded.folder_id
      OR m.removed_at IS NOT NULL OR m.walk <> excluded.walk
      OR m.version IS DISTINCT FROM excluded.version
  RETURNING m.id, m.message_id, (m.xmax = 0) AS inserted),
bodies AS (
  INSERT INTO mailsync.email_bodies AS b (email_id, body_hash, html, text)
  SELECT saved.id, page.body_hash, page.html, page.text
    FROM saved JOIN page USING (message_id) WHERE page.body_hash IS NOT NULL
      ON CONFLICT (email_id) DO UPDATE
     SET body_hash = excluded.body_hash, html = excluded.html, text = excluded.text
   WHERE b.body_hash IS DISTINCT FROM excluded.body_hash),
resolved AS (
  DELETE FROM mailsync.email_quarantine q USING page
   WHERE q.account_id = cast(:account_id AS uuid) AND q.message_id = page.message_id)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM saved

-- stamp_generation --
-- Stamp unchanged messages with the generation of their folder, and remove them from quarantine.
WITH resolved AS (
  DELETE FROM mailsync.email_quarantine
   WHERE account_id = cast(:account_id AS uuid)
     AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json))))
UPDATE mailsync.emails m SET walk = c.walk
  FROM mailsync.folder_cursors c
 WHERE c.folder_id = m.folder_id AND m.account_id = cast(:account_id AS uuid) AND m.walk <> c.walk
   AND m.message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- mark_removed --
-- Hide messages that left this folder, except those that are in another folder meanwhile.
UPDATE mailsync.emails SET removed_at = now(), gone_at = NULL, confirm_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id AND removed_at IS NULL
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- hide_messages --
-- Hide messages that left the mirrored folders.
UPDATE mailsync.emails SET removed_at = now(), gone_at = NULL, confirm_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NULL
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- unselected_folders --
-- Return those of these folders that are known and not mirrored.
SELECT remote_id FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid) AND NOT selected
   AND remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- full_sync_ended --
-- Record the end of a full sync, and whether its removals are doubtful. The next comparison by ids
-- is due as after a comparison, but the full sync does not count as one.
UPDATE mailsync.email_folders f
   SET compared_at = CASE WHEN NOT :is_doubtful
                          THEN coalesce(f.compared_at, r.started_at - interval '1 second') END
  FROM mailsync.sync_runs r
 WHERE f.id = :folder_id AND r.id = :run_id

-- sweep_size --
-- Return how many rows a folder has, and how many of them its finished full sync has not seen.
SELECT count(*), count(*) FILTER (WHERE m.walk < :generation), f.remote_total
  FROM mailsync.email_folders f
  LEFT JOIN mailsync.emails m
    ON m.account_id = f.account_id AND m.folder_id = f.id AND m.removed_at IS NULL
 WHERE f.id = :folder_id
 GROUP BY f.remote_total

-- sweep_folder --
-- Hide the messages that a full sync has not seen.
UPDATE mailsync.emails SET removed_at = now(), gone_at = NULL, confirm_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
   AND removed_at IS NULL AND walk < :generation

-- folder_entries --
-- Return every message of a folder, hidden ones included, for a comparison by ids.
SELECT message_id, is_read, version, modified_at, removed_at IS NULL FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id

-- entries_of --
-- Return these messages in whatever folder they are, for a comparison by ids.
SELECT message_id, is_read, version, modified_at, removed_at IS NULL, folder_id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid)
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- show_again --
-- Show messages in this folder, in the state that is stored.
UPDATE mailsync.emails m
   SET folder_id = c.folder_id, walk = c.walk, removed_at = NULL, gone_at = NULL, confirm_at = NULL,
       updated_at = now()
  FROM mailsync.folder_cursors c
 WHERE c.folder_id = :folder_id AND m.account_id = cast(:account_id AS uuid)
   AND m.message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- save_versions --
-- Store the provider's version of messages that were stored without one.
UPDATE mailsync.emails m SET version = v.version
  FROM json_to_recordset(cast(:versions AS json)) AS v (message_id text, version text)
 WHERE m.account_id = cast(:account_id AS uuid) AND m.message_id = v.message_id
   AND m.version IS NULL
