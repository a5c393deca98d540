-- Messages and their bodies.

-- known_emails --
-- Return, for each message of a page, whether the stored row and body equal those of the page.
SELECT m.message_id,
       m.row_hash = k.row_hash AND m.removed_at IS NULL
         AND m.version IS NOT DISTINCT FROM k.version
         AND ARRAY(SELECT p.folder_id FROM mailsync.email_placements p
                    WHERE p.email_id = m.id ORDER BY p.folder_id)
             = coalesce(nullif(ARRAY(SELECT f.id FROM mailsync.email_folders f
                                      WHERE f.account_id = m.account_id
                                        AND f.remote_id = ANY (k.folder_remote_ids)
                                      ORDER BY f.id),
                               '{}'),
                        ARRAY[cast(:folder_id AS bigint)]) AS same_row,
       b.body_hash IS NOT DISTINCT FROM k.body_hash AS same_body
  FROM json_to_recordset(cast(:keys AS json)) AS k
       (message_id text, folder_remote_ids text[], row_hash uuid, version text, body_hash uuid)
  JOIN mailsync.emails m ON m.account_id = cast(:account_id AS uuid) AND m.message_id = k.message_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id

-- upsert_emails --
-- Insert or update messages; a repeated page changes nothing. New messages get their placements here;
-- those of the others need the statement `save_placements`. Written messages get their keys here, as
-- in the statement `save_keys`, which those need that stay as they are.
WITH page AS MATERIALIZED (
  SELECT p.*, f.ids AS folder_ids, f.ids[1] AS folder_id, coalesce(c.walk, 1) AS walk
    FROM json_to_recordset(cast(:page AS json)) AS p (
         message_id text, folder_remote_ids text[], internet_message_id text, conversation_id text,
         subject text, from_name text, from_address text, to_recipients jsonb, cc_recipients jsonb,
         bcc_recipients jsonb, reply_to jsonb, snippet text, is_read boolean, is_draft boolean,
         is_flagged boolean, has_attachments boolean, importance text, categories jsonb,
         received_at timestamptz, sent_at timestamptz, modified_at timestamptz, web_link text,
         kind text, row_hash uuid, version text, body_hash uuid, html text, text text,
         remote_key text, fingerprint uuid, own_conversation_id bigint)
   CROSS JOIN LATERAL (
         SELECT coalesce(nullif(ARRAY(
                  SELECT f.id FROM mailsync.email_folders f
                   WHERE f.account_id = cast(:account_id AS uuid)
                     AND f.remote_id = ANY (p.folder_remote_ids)
                   ORDER BY array_position(ARRAY['inbox', 'sent', 'drafts', 'trash', 'junk'], f.role),
                            f.id), '{}'), ARRAY[cast(:folder_id AS bigint)]) AS ids) f
    LEFT JOIN mailsync.email_folders first ON first.id = f.ids[1]
    LEFT JOIN mailsync.change_feeds c ON c.id = first.feed_id),
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
placed AS (
  INSERT INTO mailsync.email_placements (account_id, folder_id, email_id, generation, received_at)
  SELECT cast(:account_id AS uuid), f.id, saved.id, c.walk, page.received_at
    FROM saved JOIN page USING (message_id)
   CROSS JOIN LATERAL unnest(page.folder_ids) AS each
    JOIN mailsync.email_folders f ON f.id = each
    JOIN mailsync.change_feeds c ON c.id = f.feed_id
   WHERE saved.inserted),
keys AS (
  INSERT INTO mailsync.message_keys AS k (email_id, account_id, remote_key, fingerprint, conversation_id)
  SELECT saved.id, cast(:account_id AS uuid), page.remote_key, page.fingerprint,
         page.own_conversation_id
    FROM saved JOIN page USING (message_id) WHERE page.remote_key IS NOT NULL
   ORDER BY saved.id
      ON CONFLICT (email_id) DO UPDATE
     SET fingerprint = excluded.fingerprint, conversation_id = excluded.conversation_id
   WHERE (k.fingerprint, k.conversation_id)
         IS DISTINCT FROM (excluded.fingerprint, excluded.conversation_id)),
resolved AS (
  DELETE FROM mailsync.email_quarantine q USING page
   WHERE q.account_id = cast(:account_id AS uuid) AND q.message_id = page.message_id)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM saved

-- are_selected --
-- Return which of these folders are known, and whether each is mirrored.
SELECT remote_id, selected FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid)
   AND remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- placed_ids --
-- Return the ids of all messages of an account that are in a folder.
SELECT message_id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NULL

-- full_sync_ended --
-- Record the end of a feed's full sync, and in which folders its removals are doubtful. The next
-- comparison of the others by ids is due as after a comparison, but the full sync does not count as
-- one. is_listing: the full sync saw no folders, so those with stored messages are compared, and those
-- without the provider's count.
UPDATE mailsync.email_folders f
   SET compared_at = CASE WHEN NOT (cast(:is_listing AS boolean)
                                    AND (f.remote_total IS NULL
                                         OR EXISTS (SELECT 1 FROM mailsync.email_placements p
                                                     WHERE p.account_id = f.account_id
                                                       AND p.folder_id = f.id)
                                         OR EXISTS (SELECT 1 FROM mailsync.change_feeds c
                                                     WHERE c.id = f.feed_id AND c.walk > 1)))
                           AND f.id NOT IN (SELECT cast(each AS bigint)
                                              FROM json_array_elements_text(cast(:doubtful AS json)) AS each)
                          THEN coalesce(f.compared_at, r.started_at - interval '1 second') END
  FROM mailsync.sync_runs r
 WHERE f.account_id = r.account_id AND f.feed_id = :feed_id AND r.id = :run_id

-- folder_entries --
-- Return every message of a folder, for a comparison by ids.
SELECT m.message_id, m.is_read, m.version, m.modified_at, true, m.is_flagged, m.importance
  FROM mailsync.email_placements p JOIN mailsync.emails m ON m.id = p.email_id
 WHERE p.account_id = cast(:account_id AS uuid) AND p.folder_id = :folder_id

-- entries_of --
-- Return these messages, hidden ones included, and whether they are in this folder, for a comparison
-- by ids.
SELECT m.message_id, m.is_read, m.version, m.modified_at,
       EXISTS (SELECT 1 FROM mailsync.email_placements p
                WHERE p.email_id = m.id AND p.folder_id = :folder_id), m.is_flagged, m.importance
  FROM mailsync.emails m
 WHERE m.account_id = cast(:account_id AS uuid)
   AND m.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))

-- save_versions --
-- Store the provider's version of messages that were stored without one.
UPDATE mailsync.emails m SET version = v.version
  FROM json_to_recordset(cast(:versions AS json)) AS v (message_id text, version text)
 WHERE m.account_id = cast(:account_id AS uuid) AND m.message_id = v.message_id
   AND m.version IS NULL
