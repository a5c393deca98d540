-- What the dashboard reads, in the manner of the product's own statements: a name, a sentence, the
-- statement, every name qualified. Nothing here writes.

-- read_only --
-- The first statement of every transaction of the dashboard: nothing in it may write.
SET TRANSACTION READ ONLY

-- totals --
-- How many mailboxes there are, and how many runs have no outcome yet.
SELECT (SELECT count(*) FROM mailsync.email_accounts),
       (SELECT count(*) FROM mailsync.sync_runs WHERE status IN ('queued', 'running'))

-- change_version --
-- What differs as soon as anything happened: few values, whatever the tables hold.
SELECT (SELECT max(updated_at) FROM mailsync.email_accounts),
       (SELECT count(*) FROM mailsync.email_accounts),
       (SELECT max(id) FROM mailsync.outbox),
       (SELECT json_agg(json_build_array(r.id, r.status, r.heartbeat_at, f.folders) ORDER BY r.id)::text
          FROM mailsync.sync_runs r
          LEFT JOIN LATERAL (
            SELECT json_agg(json_build_array(p.folder_id, p.status, p.attempts, p.pages)
                            ORDER BY p.folder_id) AS folders
              FROM mailsync.sync_run_folders p WHERE p.run_id = r.id) f ON true
         WHERE r.status IN ('queued', 'running'))

-- open_executions --
-- The executions that work on mailboxes now.
SELECT execution_arn FROM mailsync.sync_runs
 WHERE status IN ('queued', 'running') AND execution_arn LIKE 'arn%'
 ORDER BY created_at
 LIMIT 20

-- runs --
-- Runs from the newest on, below a place in that order, as far as the filters let them through. A
-- filter that is not set vanishes from the plan; one by coalesce would hide how many rows pass it.
SELECT r.id, r.account_id::text, a.email_address, r.status, r.trigger, r.sync_type, r.created_at,
       r.started_at, r.finished_at, r.error, r.error_message
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE (r.created_at, r.id) < (cast(:before_at AS timestamptz), cast(:before_id AS text))
   AND (cast(:account_id AS uuid) IS NULL OR r.account_id = cast(:account_id AS uuid))
   AND (cast(:status AS text) IS NULL OR r.status = cast(:status AS text))
   AND (cast(:trigger AS text) IS NULL OR r.trigger = cast(:trigger AS text))
 ORDER BY r.created_at DESC, r.id DESC
 LIMIT :limit

-- run --
-- One run, with where it works and what its mailbox waits for.
SELECT r.id, r.account_id::text, a.email_address, r.status, r.trigger, r.sync_type, r.created_at,
       r.started_at, r.finished_at, r.error, r.error_message, r.execution_arn, a.status,
       a.next_sync_at
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE r.id = :run_id

-- run_folders --
-- What a run did in each folder.
SELECT p.folder_id, f.display_name, p.status, p.pages, p.inserted, p.updated, p.unchanged,
       p.removed, p.quarantined, p.requests, p.attempts, p.error, p.error_message, p.started_at,
       p.finished_at
  FROM mailsync.sync_run_folders p
  JOIN mailsync.email_folders f ON f.id = p.folder_id
 WHERE p.run_id = :run_id
 ORDER BY p.started_at, p.folder_id

-- folder_names --
-- What the folders of an account are called, those that are gone too.
SELECT id, display_name FROM mailsync.email_folders WHERE account_id = cast(:account_id AS uuid)

-- accounts --
-- Mailboxes with their progress: messages that are done with and those that the provider counts,
-- without what it is known to count wrongly. The last seven columns are those of `removals`.
SELECT a.id::text, a.email_address, a.provider, a.status, a.sync_status, a.initial_sync_completed,
       a.verified_at, f.compared_at, a.last_sync_at, a.next_sync_at, a.last_error,
       a.last_error_message, a.failures, r.id, r.started_at, w.inserted, coalesce(f.stored, 0),
       coalesce(f.remote, 0), coalesce(f.walking, false), q.number, h.hidden, h.gone, h.unconfirmed,
       CASE WHEN h.gone < :smallest THEN 0
            ELSE (SELECT count(*) FROM mailsync.emails m WHERE m.account_id = a.id) END,
       h.gone_since,
       CASE WHEN a.removal_confirmed_at >= h.gone_since THEN a.removal_confirmed_at END,
       (SELECT count(*) FROM mailsync.email_folders g
         WHERE g.account_id = a.id AND g.selected AND g.gone_at IS NOT NULL)
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.sync_runs r ON r.account_id = a.id AND r.status IN ('queued', 'running')
  LEFT JOIN LATERAL (
    SELECT coalesce(sum(p.inserted), 0)::int AS inserted
      FROM mailsync.sync_run_folders p WHERE p.run_id = r.id) w ON true
  LEFT JOIN LATERAL (
    SELECT sum(f.total)::int AS stored,
           sum(greatest(0, f.remote_total - f.count_offset))::int AS remote,
           bool_or(c.walking) AS walking,
           CASE WHEN bool_and(f.compared_at IS NOT NULL AND f.list_total IS NOT NULL)
                THEN min(f.compared_at) END AS compared_at
      FROM mailsync.email_folders f
      JOIN mailsync.folder_cursors c ON c.folder_id = f.id
     WHERE f.account_id = a.id AND f.selected AND f.gone_at IS NULL) f ON true
  LEFT JOIN LATERAL (
    SELECT count(*)::int AS number
      FROM mailsync.email_quarantine q
     WHERE q.account_id = a.id
       AND q.folder_id IS DISTINCT FROM (SELECT m.folder_id FROM mailsync.emails m
                                          WHERE m.account_id = q.account_id
                                            AND m.message_id = q.message_id
                                            AND m.removed_at IS NULL)) q ON true
  LEFT JOIN LATERAL (
    SELECT count(*) AS hidden, count(m.gone_at) AS gone, min(m.gone_at) AS gone_since,
           count(*) FILTER (WHERE m.gone_at > coalesce(a.removal_confirmed_at, '-infinity'))
             AS unconfirmed
      FROM mailsync.emails m
     WHERE m.account_id = a.id AND m.removed_at IS NOT NULL) h ON true
 WHERE a.id = coalesce(cast(:account_id AS uuid), a.id)
 ORDER BY a.email_address, a.id
 LIMIT 1000

-- folders --
-- The folders of a mailbox, each with ours and the provider's count, by how much the latter is wrong,
-- and what became of its verification. In quarantine are those of which no older version is stored, as
-- the verification counts them.
SELECT f.id, parent.id, f.display_name, f.role, f.total, f.unread, f.remote_total, f.count_offset,
       f.unread_offset,
       (SELECT count(*)::int FROM mailsync.email_quarantine q
         WHERE q.folder_id = f.id
           AND f.id IS DISTINCT FROM (SELECT m.folder_id FROM mailsync.emails m
                                       WHERE m.account_id = q.account_id
                                         AND m.message_id = q.message_id
                                         AND m.removed_at IS NULL)),
       c.walking, f.selected, f.hidden,
       CASE WHEN f.selected AND f.verified_at IS NOT NULL
            THEN greatest(f.verified_at, a.verified_at) ELSE f.verified_at END,
       CASE WHEN f.list_total IS NOT NULL THEN f.compared_at END,
       f.error, f.error_message, f.differing
  FROM mailsync.email_folders f
  JOIN mailsync.email_accounts a ON a.id = f.account_id
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
  LEFT JOIN mailsync.email_folders parent
    ON parent.account_id = f.account_id AND parent.remote_id = f.parent_remote_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id

-- quarantine --
-- Messages that exist and cannot be stored, with when they are tried again.
SELECT q.message_id, f.display_name, q.cause, q.detail, q.attempts, q.last_tried_at,
       q.last_tried_at + least(interval '1 day', interval '5 minutes' * 2 ^ least(q.attempts, 9))
  FROM mailsync.email_quarantine q
  LEFT JOIN mailsync.email_folders f ON f.id = q.folder_id
 WHERE q.account_id = cast(:account_id AS uuid)
 ORDER BY q.last_tried_at DESC, q.message_id
 LIMIT 200

-- differences --
-- Messages about which the provider contradicts itself, as far as their ids are kept.
SELECT d.message_id, f.display_name, d.cause, d.found_at
  FROM mailsync.proof_differences d
  JOIN mailsync.email_folders f ON f.id = d.folder_id AND f.selected AND f.gone_at IS NULL
 WHERE d.account_id = cast(:account_id AS uuid)
 ORDER BY f.display_name, f.id, d.message_id
 LIMIT 200

-- folder_account --
-- Whose folder that is, unless it is hidden.
SELECT account_id::text FROM mailsync.email_folders WHERE id = :folder_id AND gone_at IS NULL

-- dated_messages --
-- Messages of a folder from the newest on, below a place in that order.
SELECT id, subject, from_name, from_address, received_at, is_read, is_flagged, has_attachments,
       snippet
  FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id AND removed_at IS NULL
   AND (received_at, id) < (cast(:before_at AS timestamptz), cast(:before_id AS bigint))
 ORDER BY received_at DESC, id DESC
 LIMIT :limit

-- undated_messages --
-- The same for messages without a time, which stand above all others.
SELECT id, subject, from_name, from_address, received_at, is_read, is_flagged, has_attachments,
       snippet
  FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id AND removed_at IS NULL
   AND received_at IS NULL AND id < cast(:before_id AS bigint)
 ORDER BY received_at DESC, id DESC
 LIMIT :limit

-- message --
-- What is stored of a message that is not hidden, without its body.
SELECT m.id, m.account_id::text, a.email_address, m.folder_id, f.display_name, m.message_id,
       m.internet_message_id, m.subject, m.from_name, m.from_address, m.to_recipients,
       m.cc_recipients, m.bcc_recipients, m.reply_to, m.received_at, m.sent_at, m.is_read,
       m.is_draft, m.is_flagged, m.has_attachments, m.importance, m.categories, m.snippet
  FROM mailsync.emails m
  JOIN mailsync.email_accounts a ON a.id = m.account_id
  JOIN mailsync.email_folders f ON f.id = m.folder_id
 WHERE m.id = :message_id AND m.removed_at IS NULL

-- body --
-- The text of a message that is not hidden, as HTML or plain.
SELECT m.subject, b.html, b.text
  FROM mailsync.emails m
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.id = :message_id AND m.removed_at IS NULL

-- sent_events --
-- What was told to the application, from the newest on.
SELECT id, created_at, type, detail
  FROM mailsync.outbox
 WHERE id < cast(:before AS bigint)
 ORDER BY id DESC
 LIMIT :limit

-- remote_folder --
-- What the mail provider calls a folder.
SELECT remote_id FROM mailsync.email_folders WHERE id = :folder_id
