-- What the dashboard reads, in the manner of the product's own statements: a name, a sentence, the
-- statement, every name qualified. Nothing here writes.

-- read_only --
-- The first statement of every transaction of the dashboard: nothing in it may write.
SET TRANSACTION READ ONLY

-- totals --
-- How many mailboxes there are, and how many runs have no outcome yet.
SELECT (SELECT count(*) FROM mailsync.email_accounts) AS accounts,
       (SELECT count(*) FROM mailsync.sync_runs WHERE status IN ('queued', 'running')) AS runs_open

-- change_version --
-- What differs as soon as anything happened: few values, whatever the tables hold. Each write of an
-- account's row raises the sum of the numbers of the transactions that wrote the rows.
SELECT (SELECT count(*) FROM mailsync.email_accounts),
       (SELECT sum(xmin::text::bigint) FROM mailsync.email_accounts),
       (SELECT max(id) FROM mailsync.outbox),
       (SELECT count(*) FROM mailsync.outbox WHERE published_at IS NULL),
       (SELECT json_agg(json_build_array(r.id, r.status, r.heartbeat_at, f.folders) ORDER BY r.id)::text
          FROM mailsync.sync_runs r
          LEFT JOIN LATERAL (
            SELECT json_agg(json_build_array(p.folder_id, p.status, p.attempts, p.pages)
                            ORDER BY p.folder_id) AS folders
              FROM mailsync.sync_run_folders p WHERE p.run_id = r.id) f ON true
         WHERE r.status IN ('queued', 'running'))

-- account_page --
-- Ids of accounts in the order of their addresses, after a place in that order, as far as the search
-- and the filter let them through, and how many these let through in all. `failing`: the last sync
-- left an error.
SELECT id::text, total
  FROM (SELECT a.id, a.email_address, count(*) OVER () AS total
          FROM mailsync.email_accounts a
         WHERE (cast(:search AS text) IS NULL OR a.id::text = :search
                OR strpos(lower(a.email_address), lower(:search)) > 0)
           AND (cast(:address AS text) IS NULL OR lower(a.email_address) = lower(:address))
           AND (cast(:status AS text) IS NULL OR a.status = :status
                OR cast(:status AS text) = 'failing' AND a.last_error IS NOT NULL)) found
 WHERE (email_address, id) > (cast(:after_address AS text), cast(:after_id AS uuid))
 ORDER BY email_address, id
 LIMIT :limit

-- open_executions --
-- The executions that work on mailboxes now.
SELECT execution_arn FROM mailsync.sync_runs
 WHERE status IN ('queued', 'running') AND execution_arn LIKE 'arn%'
 ORDER BY created_at
 LIMIT 20

-- runs --
-- Runs from the newest on, below a place in that order, as far as the filters let them through; with
-- what their mailbox waits for. A filter that is not set vanishes from the plan; one by coalesce would
-- hide how many rows pass it.
SELECT r.id, r.account_id::text, a.email_address, r.status, r.trigger, r.sync_type, r.created_at,
       r.started_at, r.finished_at, r.error, r.error_message, r.execution_arn, r.folder_ids,
       a.status AS account_status, a.provider, a.next_sync_at
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE (r.created_at, r.id) < (cast(:before_at AS timestamptz), cast(:before_id AS text))
   AND (cast(:run_id AS text) IS NULL OR r.id = cast(:run_id AS text))
   AND (cast(:account_id AS uuid) IS NULL OR r.account_id = cast(:account_id AS uuid))
   AND (cast(:status AS text) IS NULL OR r.status = cast(:status AS text))
   AND (cast(:trigger AS text) IS NULL OR r.trigger = cast(:trigger AS text))
 ORDER BY r.created_at DESC, r.id DESC
 LIMIT :limit

-- folder_names --
-- What the folders of an account are called, those that are gone too.
SELECT id, display_name FROM mailsync.email_folders WHERE account_id = cast(:account_id AS uuid)

-- quarantine --
-- Messages that exist and cannot be stored, with when they are tried again.
SELECT q.message_id, f.display_name AS folder, q.cause, q.detail, q.attempts, q.last_tried_at,
       q.last_tried_at + least(interval '1 day', interval '5 minutes' * 2 ^ least(q.attempts, 9))
         AS next_try_at
  FROM mailsync.email_quarantine q
  LEFT JOIN mailsync.email_folders f ON f.id = q.folder_id
 WHERE q.account_id = cast(:account_id AS uuid)
 ORDER BY q.last_tried_at DESC, q.message_id
 LIMIT 200

-- folder_account --
-- Whose folder that is, unless it is hidden, and whether each of the account's messages has placements.
SELECT f.account_id::text, a.placements_filled_to IS NULL AS are_placements_filled
  FROM mailsync.email_folders f JOIN mailsync.email_accounts a ON a.id = f.account_id
 WHERE f.id = :folder_id AND f.gone_at IS NULL

-- messages --
-- Messages of a folder from the newest on, below a place in that order; those without a time stand
-- above all others. Each half is read in the order of its index.
SELECT id, subject, from_name, from_address, received_at, is_read, is_flagged, has_attachments,
       snippet
  FROM ((SELECT m.* FROM mailsync.email_placements p JOIN mailsync.emails m ON m.id = p.email_id
          WHERE p.account_id = cast(:account_id AS uuid) AND p.folder_id = :folder_id
            AND m.removed_at IS NULL AND p.received_at IS NULL
            AND cast(:before_at AS timestamptz) IS NULL AND p.email_id < cast(:before_id AS bigint)
          ORDER BY p.received_at DESC, p.email_id DESC LIMIT :limit)
        UNION ALL
        (SELECT m.* FROM mailsync.email_placements p JOIN mailsync.emails m ON m.id = p.email_id
          WHERE p.account_id = cast(:account_id AS uuid) AND p.folder_id = :folder_id
            AND m.removed_at IS NULL
            AND (p.received_at, p.email_id)
                < (coalesce(cast(:before_at AS timestamptz), 'infinity'),
                   CASE WHEN cast(:before_at AS timestamptz) IS NULL THEN cast(:max_id AS bigint)
                        ELSE cast(:before_id AS bigint) END)
          ORDER BY p.received_at DESC, p.email_id DESC LIMIT :limit)) page
 ORDER BY received_at DESC, id DESC
 LIMIT :limit

-- messages_without_placements --
-- The same of an account that no sync of this release has reached: its messages have one folder each.
SELECT id, subject, from_name, from_address, received_at, is_read, is_flagged, has_attachments,
       snippet
  FROM ((SELECT * FROM mailsync.emails
          WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
            AND removed_at IS NULL AND received_at IS NULL
            AND cast(:before_at AS timestamptz) IS NULL AND id < cast(:before_id AS bigint)
          ORDER BY received_at DESC, id DESC LIMIT :limit)
        UNION ALL
        (SELECT * FROM mailsync.emails
          WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
            AND removed_at IS NULL
            AND (received_at, id) < (coalesce(cast(:before_at AS timestamptz), 'infinity'),
                                     CASE WHEN cast(:before_at AS timestamptz) IS NULL
                                          THEN cast(:max_id AS bigint)
                                          ELSE cast(:before_id AS bigint) END)
          ORDER BY received_at DESC, id DESC LIMIT :limit)) page
 ORDER BY received_at DESC, id DESC
 LIMIT :limit

-- message --
-- What is stored of a message that is not hidden, without its body, and the names of its folders.
SELECT m.id, m.account_id::text, a.email_address, m.folder_id,
       coalesce((SELECT string_agg(g.display_name, ', ' ORDER BY g.id <> m.folder_id, g.id)
                   FROM mailsync.email_placements p JOIN mailsync.email_folders g ON g.id = p.folder_id
                  WHERE p.email_id = m.id), f.display_name) AS folder,
       m.message_id, m.internet_message_id, m.subject, m.from_name, m.from_address,
       m.to_recipients AS "to", m.cc_recipients AS cc, m.bcc_recipients AS bcc, m.reply_to,
       m.received_at, m.sent_at, m.is_read, m.is_draft, m.is_flagged, m.has_attachments,
       m.importance, m.categories, m.snippet
  FROM mailsync.emails m
  JOIN mailsync.email_accounts a ON a.id = m.account_id
  JOIN mailsync.email_folders f ON f.id = m.folder_id
 WHERE m.id = :message_id AND m.removed_at IS NULL

-- remote_message --
-- What the mail provider calls a message now, and in whose mailbox: its id, or where ids change with
-- each move, its key.
SELECT a.email_address, coalesce(k.remote_key, m.message_id) AS remote_id
  FROM mailsync.emails m
  JOIN mailsync.email_accounts a ON a.id = m.account_id
  LEFT JOIN mailsync.message_keys k ON k.email_id = m.id
 WHERE m.id = :message_id AND m.removed_at IS NULL

-- body --
-- The text of a message that is not hidden, as HTML or plain.
SELECT m.subject, b.html, b.text
  FROM mailsync.emails m
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.id = :message_id AND m.removed_at IS NULL

-- sent_events --
-- Events for the application, from the newest on, and whether the bus has accepted them.
SELECT id, type, detail, created_at, published_at IS NOT NULL
  FROM mailsync.outbox
 WHERE id < cast(:before AS bigint)
 ORDER BY id DESC
 LIMIT :limit

-- remote_folder --
-- What the mail provider calls a folder.
SELECT remote_id FROM mailsync.email_folders WHERE id = :folder_id
