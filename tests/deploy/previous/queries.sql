-- Every statement of the product, with a name and a sentence. Names in it are qualified, since an
-- existing database may have tables of the same names and a transaction pooler forbids a search path.
-- Each runs inside an explicit transaction. Only double-hyphen comments: the driver takes a colon
-- with a word anywhere else for a parameter.

-- schema_version --
-- The newest migration that was applied.
SELECT max(version) FROM mailsync.schema_migrations

-- find_account --
-- One account without its secrets.
SELECT a.id::text, a.user_id, a.provider, a.email_address, a.status, a.initial_sync_completed,
       a.provider_account_id, c.organisation_id
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.email_credentials c ON c.account_id = a.id
 WHERE a.id = cast(:account_id AS uuid)

-- save_account --
-- A connected mailbox; one that was known keeps its data and becomes active again.
INSERT INTO mailsync.email_accounts AS a (user_id, provider, provider_account_id, email_address)
VALUES (:user_id, :provider, :provider_account_id, :email_address)
    ON CONFLICT (user_id, provider, provider_account_id) DO UPDATE
   SET email_address = excluded.email_address, status = 'active', failures = 0,
       last_error = NULL, last_error_message = NULL, next_sync_at = now(), updated_at = now()
RETURNING id::text

-- take_lease --
-- The lease, if it is free, expired or already ours; the epoch rises unless it was ours.
UPDATE mailsync.email_accounts
   SET lease_epoch = lease_epoch + CASE WHEN lease_owner = :owner THEN 0 ELSE 1 END,
       lease_owner = :owner, lease_until = now() + make_interval(secs => cast(:seconds AS int)),
       sync_status = 'syncing', updated_at = now()
 WHERE id = cast(:account_id AS uuid)
   AND (lease_owner IS NULL OR lease_until < now() OR lease_owner = :owner)
RETURNING lease_epoch

-- renew_lease --
-- Prolongs the lease of this epoch; no row when another execution took it.
UPDATE mailsync.email_accounts
   SET lease_until = now() + make_interval(secs => cast(:seconds AS int))
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
RETURNING 1

-- check_lease --
-- The fence: holds the epoch until this transaction ends, without barring other workers.
SELECT 1 FROM mailsync.email_accounts
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
   FOR SHARE

-- enqueue_run --
-- A run that was asked for and not yet started; nothing when one is open already.
INSERT INTO mailsync.sync_runs (id, account_id, sync_type, folder_ids, trigger, idempotency_key)
VALUES (:run_id, cast(:account_id AS uuid), :sync_type, cast(:folder_ids AS jsonb), :trigger,
        :idempotency_key)
    ON CONFLICT DO NOTHING
RETURNING id

-- lock_account --
-- The account, held until this transaction ends; who changes accounts and runs begins with it.
SELECT failures FROM mailsync.email_accounts WHERE id = cast(:account_id AS uuid) FOR UPDATE

-- lock_account_of_run --
-- The same, for the account of a run.
SELECT a.failures, a.status
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE r.id = :run_id
   FOR UPDATE OF a

-- completed_run --
-- A run that ended well.
SELECT 1 FROM mailsync.sync_runs WHERE id = :run_id AND status = 'completed'

-- ended_run --
-- A run that has its outcome.
SELECT 1 FROM mailsync.sync_runs WHERE id = :run_id AND status NOT IN ('queued', 'running')

-- open_run --
-- The run begins, or goes on after a retry.
INSERT INTO mailsync.sync_runs AS r
       (id, account_id, execution_arn, sync_type, trigger, status, started_at)
VALUES (:run_id, cast(:account_id AS uuid), :execution_arn, :sync_type, :trigger, 'running', now())
    ON CONFLICT (id) DO UPDATE
   SET execution_arn = excluded.execution_arn, status = 'running', heartbeat_at = now(),
       started_at = coalesce(r.started_at, now())

-- close_stale_run --
-- The open run of another execution, whose lease has just been taken from it.
UPDATE mailsync.sync_runs
   SET status = 'failed', error = 'LeaseLost', finished_at = now(),
       error_message = 'The execution died; another one took over.'
 WHERE account_id = cast(:account_id AS uuid) AND id <> :run_id AND status IN ('queued', 'running')
RETURNING id, error

-- find_open_run --
-- The run that works on an account now, or is about to.
SELECT id, execution_arn, status, sync_type, folder_ids, idempotency_key
  FROM mailsync.sync_runs
 WHERE account_id = cast(:account_id AS uuid) AND status IN ('queued', 'running')

-- find_run_by_key --
-- The run that an earlier request with the same Idempotency-Key started.
SELECT id, execution_arn, status, sync_type, folder_ids, idempotency_key
  FROM mailsync.sync_runs
 WHERE account_id = cast(:account_id AS uuid) AND idempotency_key = :idempotency_key

-- open_run_account --
-- The account of a run that has no outcome yet.
SELECT account_id::text FROM mailsync.sync_runs
 WHERE id = :run_id AND status IN ('queued', 'running')

-- quiet_runs --
-- Open runs that have not been heard of for a while; their execution may be dead.
SELECT id, account_id::text, execution_arn
  FROM mailsync.sync_runs
 WHERE status IN ('queued', 'running')
   AND heartbeat_at < now() - make_interval(secs => cast(:seconds AS int))
 ORDER BY heartbeat_at
 LIMIT :limit

-- run_settings --
-- What the run was asked to do.
SELECT sync_type, repair_rounds, folder_ids FROM mailsync.sync_runs WHERE id = :run_id

-- count_repair_round --
-- One more round of repairs in this run.
UPDATE mailsync.sync_runs SET repair_rounds = repair_rounds + 1 WHERE id = :run_id

-- run_heartbeat --
-- A sign of life, with the requests that were sent since the last one.
UPDATE mailsync.sync_runs
   SET heartbeat_at = now(), requests = requests + :requests
 WHERE id = :run_id

-- finish_run --
-- The outcome of a run; what has an outcome keeps it.
UPDATE mailsync.sync_runs
   SET status = :status, error = :error, error_message = :error_message, finished_at = now()
 WHERE id = :run_id AND status IN ('queued', 'running')
RETURNING account_id::text

-- finish_run_folders --
-- Folders that were still marked as running when the run ended.
UPDATE mailsync.sync_run_folders
   SET status = :status, finished_at = now()
 WHERE run_id = :run_id AND status = 'running'

-- account_completed --
-- The mailbox is up to date; proven is whether every folder was.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, sync_status = 'completed', last_sync_at = now(),
       initial_sync_completed = initial_sync_completed OR :proven,
       verified_at = CASE WHEN :proven THEN now() ELSE verified_at END,
       last_error = NULL, last_error_message = NULL, failures = 0,
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- account_failed --
-- The mailbox could not be synced; the data stays, the next run goes on from the cursors.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, sync_status = 'failed',
       status = CASE WHEN :needs_person AND status = 'active' THEN 'reauth_required' ELSE status END,
       last_error = :error, last_error_message = :error_message, failures = failures + 1,
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND (lease_owner IS NULL OR lease_owner = :owner)
RETURNING failures

-- run_counters --
-- What a run did to the rows, over all its folders.
SELECT jsonb_build_object(
         'folders', count(*), 'failedFolders', count(*) FILTER (WHERE status = 'failed'),
         'inserted', coalesce(sum(inserted), 0), 'updated', coalesce(sum(updated), 0),
         'removed', coalesce(sum(removed), 0), 'quarantined', coalesce(sum(quarantined), 0))
  FROM mailsync.sync_run_folders WHERE run_id = :run_id

-- add_to_outbox --
-- An event that is to be published; it is true from the moment this transaction commits.
INSERT INTO mailsync.outbox (account_id, type, detail)
VALUES (cast(:account_id AS uuid), :type,
        jsonb_build_object('eventId', gen_random_uuid()) || cast(:detail AS jsonb))

-- claim_outbox --
-- The next waiting event of each account, locked until it is marked; a later one of the same
-- account waits for it, so that two publishers never turn their order round.
SELECT o.id, o.type, o.detail, o.created_at
  FROM mailsync.outbox o
 WHERE o.published_at IS NULL AND o.id > :after
   AND NOT EXISTS (SELECT FROM mailsync.outbox earlier
                    WHERE earlier.account_id = o.account_id AND earlier.published_at IS NULL
                      AND earlier.id < o.id)
 ORDER BY o.id
 LIMIT :limit
   FOR UPDATE OF o SKIP LOCKED

-- mark_published --
-- Events that the bus has taken.
UPDATE mailsync.outbox SET published_at = now() WHERE id = ANY(cast(:ids AS bigint[]))

-- forget_published --
-- Events that were published long ago, some at a time.
DELETE FROM mailsync.outbox
 WHERE id IN (SELECT id FROM mailsync.outbox
               WHERE published_at < now() - make_interval(days => cast(:days AS int))
               ORDER BY published_at
               LIMIT :limit)

-- claim_due_accounts --
-- Accounts that are due, put off so that no other tick takes them too.
UPDATE mailsync.email_accounts
   SET next_sync_at = now() + make_interval(secs => :next_in_s)
 WHERE id IN (SELECT id FROM mailsync.email_accounts
               WHERE status = 'active' AND next_sync_at <= now()
               ORDER BY next_sync_at
                 FOR UPDATE SKIP LOCKED
               LIMIT :limit)
RETURNING id::text

-- known_folders --
-- The folders of an account that exist, each with the position of the sync in it.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       f.total, c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id

-- find_folder --
-- One folder of an account with its position.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       f.total, c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.id = :folder_id

-- save_folders --
-- New and changed folders; each has a cursor row from its first moment.
WITH remote AS (
  SELECT * FROM json_to_recordset(cast(:folders AS json)) AS r
         (remote_id text, parent_remote_id text, display_name text, role text, hidden boolean)),
saved AS (
  INSERT INTO mailsync.email_folders AS f
         (account_id, remote_id, parent_remote_id, display_name, role, hidden)
  SELECT cast(:account_id AS uuid), remote_id, parent_remote_id, display_name, role, hidden
    FROM remote ORDER BY remote_id
      ON CONFLICT (account_id, remote_id) DO UPDATE
     SET parent_remote_id = excluded.parent_remote_id, display_name = excluded.display_name,
         role = excluded.role, hidden = excluded.hidden, gone_at = NULL
  RETURNING id)
INSERT INTO mailsync.folder_cursors (folder_id) SELECT id FROM saved
    ON CONFLICT DO NOTHING

-- save_remote_counts --
-- What the provider counts in each folder.
UPDATE mailsync.email_folders f
   SET remote_total = r.total, remote_unread = r.unread
  FROM json_to_recordset(cast(:folders AS json)) AS r (remote_id text, total int, unread int)
 WHERE f.account_id = cast(:account_id AS uuid) AND f.remote_id = r.remote_id
   AND (f.remote_total, f.remote_unread) IS DISTINCT FROM (r.total, r.unread)

-- forget_folders --
-- Deleted folders: their mail is suspect until the provider says where it is, their walk is over.
WITH gone AS (
  UPDATE mailsync.email_folders SET gone_at = now()
   WHERE account_id = cast(:account_id AS uuid) AND gone_at IS NULL
     AND id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)
  RETURNING id),
restart AS (
  UPDATE mailsync.folder_cursors
     SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true
   WHERE folder_id IN (SELECT id FROM gone))
UPDATE mailsync.emails SET removed_at = now()
 WHERE folder_id IN (SELECT id FROM gone) AND removed_at IS NULL

-- drop_gone_folders --
-- Deleted folders that hold nothing any more.
DELETE FROM mailsync.email_folders f
 WHERE account_id = cast(:account_id AS uuid) AND gone_at IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                    WHERE m.account_id = f.account_id AND m.folder_id = f.id)

-- restart_full_sync --
-- Forgets the cursor and numbers a new walk; rows stay until its last page sweeps.
UPDATE mailsync.folder_cursors
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
       updated_at = now()
 WHERE folder_id = :folder_id

-- restart_full_syncs --
-- A full resync: every folder is walked again, or those that were named.
UPDATE mailsync.folder_cursors c
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
       updated_at = now()
  FROM mailsync.email_folders f
 WHERE f.id = c.folder_id AND f.account_id = cast(:account_id AS uuid)
   AND c.cursor_sealed IS NOT NULL
   AND (cast(:ids AS json) IS NULL
        OR f.id IN (SELECT cast(each AS bigint)
                      FROM json_array_elements_text(cast(:ids AS json)) AS each))

-- drop_unselected --
-- Mail of folders that are not mirrored, at most so many.
DELETE FROM mailsync.emails
 WHERE id IN (SELECT m.id
                FROM mailsync.email_folders f
                JOIN mailsync.emails m ON m.account_id = f.account_id AND m.folder_id = f.id
               WHERE f.account_id = cast(:account_id AS uuid) AND NOT f.selected
               LIMIT :limit)

-- advance_cursor --
-- Moves the position from where the page was asked; no row when another worker was quicker.
UPDATE mailsync.folder_cursors
   SET cursor_key_id = :next_key_id, cursor_sealed = :next_cursor,
       walking = walking AND :has_more, updated_at = now()
 WHERE folder_id = :folder_id AND walk = :walk AND cursor_sealed IS NOT DISTINCT FROM :cursor
RETURNING 1

-- save_page_size --
-- The page size that was last found to work.
UPDATE mailsync.folder_cursors SET page_size = :page_size WHERE folder_id = :folder_id

-- known_emails --
-- What is stored of the messages of a page: whether row and body are the same as those sent.
SELECT m.message_id,
       m.row_hash = k.row_hash AND m.removed_at IS NULL
         AND m.folder_id = coalesce(f.id, :folder_id) AS same_row,
       b.body_hash IS NOT DISTINCT FROM k.body_hash AS same_body
  FROM json_to_recordset(cast(:keys AS json)) AS k
       (message_id text, folder_remote_id text, row_hash uuid, body_hash uuid)
  JOIN mailsync.emails m ON m.account_id = cast(:account_id AS uuid) AND m.message_id = k.message_id
  LEFT JOIN mailsync.email_folders f
    ON f.account_id = m.account_id AND f.remote_id = k.folder_remote_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id

-- upsert_emails --
-- Messages as the provider shows them now; sent again, they change nothing.
WITH page AS MATERIALIZED (
  SELECT p.*, coalesce(f.id, :folder_id) AS folder_id, coalesce(c.walk, 1) AS walk
    FROM json_to_recordset(cast(:page AS json)) AS p (
         message_id text, folder_remote_id text, internet_message_id text, conversation_id text,
         subject text, from_name text, from_address text, to_recipients jsonb, cc_recipients jsonb,
         bcc_recipients jsonb, reply_to jsonb, snippet text, is_read boolean, is_draft boolean,
         is_flagged boolean, has_attachments boolean, importance text, categories jsonb,
         received_at timestamptz, sent_at timestamptz, modified_at timestamptz, web_link text,
         kind text, row_hash uuid, body_hash uuid, html text, text text)
    LEFT JOIN mailsync.email_folders f
      ON f.account_id = cast(:account_id AS uuid) AND f.remote_id = p.folder_remote_id
    LEFT JOIN mailsync.folder_cursors c ON c.folder_id = coalesce(f.id, :folder_id)),
saved AS (
  INSERT INTO mailsync.emails AS m (
         account_id, folder_id, message_id, internet_message_id, conversation_id, subject,
         from_name, from_address, to_recipients, cc_recipients, bcc_recipients, reply_to, snippet,
         is_read, is_draft, is_flagged, has_attachments, importance, categories, received_at,
         sent_at, modified_at, web_link, kind, row_hash, walk)
  SELECT cast(:account_id AS uuid), folder_id, message_id, internet_message_id, conversation_id,
         subject, from_name, from_address, to_recipients, cc_recipients, bcc_recipients, reply_to,
         snippet, is_read, is_draft, is_flagged, has_attachments, importance, categories,
         received_at, sent_at, modified_at, web_link, kind, row_hash, walk
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
         row_hash = excluded.row_hash, walk = excluded.walk, removed_at = NULL, updated_at = now()
   WHERE m.row_hash IS DISTINCT FROM excluded.row_hash OR m.folder_id <> excluded.folder_id
      OR m.removed_at IS NOT NULL OR m.walk <> excluded.walk
  RETURNING m.id, m.message_id, (m.xmax = 0) AS inserted),
bodies AS (
  INSERT INTO mailsync.email_bodies AS b (email_id, body_hash, html, text)
  SELECT saved.id, page.body_hash, page.html, page.text
    FROM saved JOIN page USING (message_id) WHERE page.body_hash IS NOT NULL
      ON CONFLICT (email_id) DO UPDATE
     SET body_hash = excluded.body_hash, html = excluded.html, text = excluded.text
   WHERE b.body_hash IS DISTINCT FROM excluded.body_hash),
healed AS (
  DELETE FROM mailsync.email_quarantine q USING page
   WHERE q.account_id = cast(:account_id AS uuid) AND q.message_id = page.message_id)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM saved

-- stamp_generation --
-- Unchanged messages that a walk has seen; whatever put them into quarantine has been undone.
WITH healed AS (
  DELETE FROM mailsync.email_quarantine
   WHERE account_id = cast(:account_id AS uuid)
     AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json))))
UPDATE mailsync.emails m SET walk = c.walk
  FROM mailsync.folder_cursors c
 WHERE c.folder_id = m.folder_id AND m.account_id = cast(:account_id AS uuid) AND m.walk <> c.walk
   AND m.message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- mark_removed --
-- Messages that left this folder; one that another folder has already claimed is not touched.
UPDATE mailsync.emails SET removed_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id AND removed_at IS NULL
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- leave_quarantine --
-- Messages that could not be stored and are gone now, from a folder or from everywhere.
DELETE FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid)
   AND folder_id = coalesce(cast(:folder_id AS bigint), folder_id)
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- enter_quarantine --
-- Messages that exist and cannot be stored, each with its cause; seen again, the attempts rise. A
-- version that was stored before is kept, and not swept.
WITH entry AS MATERIALIZED (
  SELECT e.message_id, e.cause, e.detail, coalesce(f.id, :folder_id) AS folder_id
    FROM json_to_recordset(cast(:entries AS json)) AS e
         (message_id text, folder_remote_id text, cause text, detail text)
    LEFT JOIN mailsync.email_folders f
      ON f.account_id = cast(:account_id AS uuid) AND f.remote_id = e.folder_remote_id),
kept AS (
  UPDATE mailsync.emails m SET walk = c.walk
    FROM entry JOIN mailsync.folder_cursors c USING (folder_id)
   WHERE m.account_id = cast(:account_id AS uuid) AND m.message_id = entry.message_id
     AND m.folder_id = entry.folder_id AND m.walk <> c.walk)
INSERT INTO mailsync.email_quarantine AS q (account_id, message_id, folder_id, cause, detail)
SELECT cast(:account_id AS uuid), message_id, folder_id, cause, detail
  FROM entry ORDER BY message_id
    ON CONFLICT (account_id, message_id) DO UPDATE
   SET cause = excluded.cause, detail = excluded.detail,
       folder_id = coalesce(excluded.folder_id, q.folder_id),
       attempts = q.attempts + 1, last_tried_at = now()

-- due_in_quarantine --
-- Messages that are tried again: 10 minutes after the first attempt, doubling to a day.
SELECT message_id FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid)
   AND last_tried_at < now() - least(interval '1 day', interval '5 minutes' * 2 ^ least(attempts, 9))
 ORDER BY last_tried_at
 LIMIT :limit

-- sweep_size --
-- How many rows a folder holds and how many of them its finished walk has not seen.
SELECT count(*), count(*) FILTER (WHERE m.walk < :walk), f.remote_total
  FROM mailsync.email_folders f
  LEFT JOIN mailsync.emails m ON m.folder_id = f.id AND m.removed_at IS NULL
 WHERE f.id = :folder_id
 GROUP BY f.remote_total

-- sweep_folder --
-- The end of a walk: what it has not seen left the folder.
UPDATE mailsync.emails SET removed_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
   AND removed_at IS NULL AND walk < :walk

-- add_progress --
-- What a page added, for those who watch; the recount at the end of the run is the truth.
UPDATE mailsync.email_folders SET total = greatest(0, total + :added) WHERE id = :folder_id

-- begin_run_folder --
-- A folder takes part in a run, once more after each interruption.
INSERT INTO mailsync.sync_run_folders AS r (run_id, folder_id, attempts)
VALUES (:run_id, :folder_id, 1)
    ON CONFLICT (run_id, folder_id) DO UPDATE
   SET attempts = r.attempts + 1, status = 'running', finished_at = NULL

-- count_page --
-- What a page did, added to the folder's part of the run.
INSERT INTO mailsync.sync_run_folders AS r
       (run_id, folder_id, pages, requests, inserted, updated, unchanged, removed, quarantined,
        status, finished_at)
VALUES (:run_id, :folder_id, 1, :requests, :inserted, :updated, :unchanged, :removed, :quarantined,
        CASE WHEN :has_more THEN 'running' ELSE 'completed' END,
        CASE WHEN :has_more THEN NULL ELSE now() END)
    ON CONFLICT (run_id, folder_id) DO UPDATE
   SET pages = r.pages + 1, requests = r.requests + excluded.requests,
       inserted = r.inserted + excluded.inserted, updated = r.updated + excluded.updated,
       unchanged = r.unchanged + excluded.unchanged, removed = r.removed + excluded.removed,
       quarantined = r.quarantined + excluded.quarantined, status = excluded.status,
       finished_at = excluded.finished_at, error = NULL, error_message = NULL

-- count_reset --
-- A folder is walked again within this run.
UPDATE mailsync.sync_run_folders SET resets = resets + 1
 WHERE run_id = :run_id AND folder_id = :folder_id

-- fail_run_folder --
-- Why a folder could not be synced in this run.
INSERT INTO mailsync.sync_run_folders AS r
       (run_id, folder_id, status, error, error_message, finished_at)
VALUES (:run_id, :folder_id, 'failed', :error, :error_message, now())
    ON CONFLICT (run_id, folder_id) DO UPDATE
   SET status = 'failed', error = excluded.error, error_message = excluded.error_message,
       finished_at = now()

-- set_folder_error --
-- The folder's own last failure, none after it was synced.
UPDATE mailsync.email_folders SET error = :error, error_message = :error_message
 WHERE id = :folder_id

-- failed_folders --
-- The folders that failed in a run.
SELECT folder_id FROM mailsync.sync_run_folders WHERE run_id = :run_id AND status = 'failed'

-- removed_ids --
-- Messages that left a folder and are not yet known to be anywhere.
SELECT message_id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NOT NULL AND message_id > :after
 ORDER BY message_id
 LIMIT :limit

-- delete_emails --
-- Messages of which the provider said that they are gone.
DELETE FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NOT NULL
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- recount --
-- Counts of every folder from the rows themselves.
UPDATE mailsync.email_folders f
   SET total = s.total, unread = s.unread
  FROM (SELECT f.id, count(m.id) AS total, count(m.id) FILTER (WHERE NOT m.is_read) AS unread
          FROM mailsync.email_folders f
          LEFT JOIN mailsync.emails m ON m.folder_id = f.id AND m.removed_at IS NULL
         WHERE f.account_id = cast(:account_id AS uuid)
         GROUP BY f.id) s
 WHERE s.id = f.id AND (f.total, f.unread) IS DISTINCT FROM (s.total, s.unread)

-- folder_counts --
-- Each selected folder's counts, ours and the provider's, and how many are in quarantine.
SELECT f.id, f.remote_total, f.total, f.remote_unread, f.unread,
       (SELECT count(*) FROM mailsync.email_quarantine q
         WHERE q.folder_id = f.id
           AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                            WHERE m.account_id = q.account_id AND m.message_id = q.message_id
                              AND m.folder_id = f.id AND m.removed_at IS NULL))
  FROM mailsync.email_folders f
 WHERE f.account_id = cast(:account_id AS uuid) AND f.selected AND f.gone_at IS NULL
 ORDER BY f.id

-- mark_verified --
-- Folders of which it was just shown that nothing is missing.
UPDATE mailsync.email_folders SET verified_at = now(), error = NULL, error_message = NULL
 WHERE id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- verified_folders --
-- The folders of which this run has shown that nothing is missing.
SELECT f.id
  FROM mailsync.email_folders f
  JOIN mailsync.sync_runs r ON r.account_id = f.account_id
 WHERE r.id = :run_id AND f.verified_at >= r.started_at

-- unverified_folders --
-- How many selected folders lack a proof from this run, or have never been walked to the end.
SELECT count(*)
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
  JOIN mailsync.sync_runs r ON r.id = :run_id
 WHERE f.account_id = r.account_id AND f.selected AND f.gone_at IS NULL
   AND (c.walking OR f.verified_at IS NULL OR f.verified_at < r.started_at)

-- folder_entries --
-- Every message of a folder, for the comparison by id.
SELECT message_id, is_read FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id AND removed_at IS NULL

-- quarantined_ids --
-- The messages of a folder that exist and cannot be stored.
SELECT message_id FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id

-- account_status --
-- The guide's nine fields and what an operator wants beside them, for the owner only.
SELECT a.id::text, a.email_address, a.provider, a.status, a.sync_status, a.last_sync_at,
       a.initial_sync_completed, a.verified_at, a.last_error, a.last_error_message, a.next_sync_at,
       a.failures, r.id, r.started_at,
       (SELECT coalesce(sum(p.inserted), 0)::int FROM mailsync.sync_run_folders p
         WHERE p.run_id = r.id)
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.sync_runs r ON r.account_id = a.id AND r.status IN ('queued', 'running')
 WHERE a.id = cast(:account_id AS uuid) AND a.user_id = :user_id

-- folder_status --
-- What the status shows of each folder.
SELECT f.id, f.display_name, f.role, f.total, f.unread, f.remote_total, f.verified_at,
       f.error, f.error_message, c.walking,
       (SELECT count(*) FROM mailsync.email_quarantine q WHERE q.folder_id = f.id)
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.selected AND f.gone_at IS NULL
 ORDER BY f.id

-- lock_caller_account --
-- An account of this user, held until this transaction ends.
SELECT status, failures
  FROM mailsync.email_accounts
 WHERE id = cast(:account_id AS uuid) AND user_id = :user_id
   FOR UPDATE

-- account_stopped --
-- A person stopped the sync: the lease is free, and the next sync comes by itself later.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, sync_status = 'idle',
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- set_account_status --
-- What a person decided about an account.
UPDATE mailsync.email_accounts SET status = :status, updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- make_due --
-- The next sync is at once.
UPDATE mailsync.email_accounts SET next_sync_at = now() WHERE id = cast(:account_id AS uuid)

-- existing_folders --
-- Those of these folders that the account has.
SELECT id FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid) AND gone_at IS NULL
   AND id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- select_folders --
-- Which folders are mirrored; where that changes, the next walk begins anew.
WITH changed AS (
  UPDATE mailsync.email_folders f SET selected = c.selected, verified_at = NULL
    FROM json_to_recordset(cast(:choices AS json)) AS c (id bigint, selected boolean)
   WHERE f.account_id = cast(:account_id AS uuid) AND f.id = c.id AND f.selected <> c.selected
  RETURNING f.id)
UPDATE mailsync.folder_cursors
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
       updated_at = now()
 WHERE folder_id IN (SELECT id FROM changed)
RETURNING folder_id

-- forget_credentials --
-- What the account signs in with, gone for good.
DELETE FROM mailsync.email_credentials WHERE account_id = cast(:account_id AS uuid)

-- disown_account --
-- Nobody's account from now on: its mailbox may be connected anew while its rows are deleted.
UPDATE mailsync.email_accounts
   SET status = 'purging', user_id = '', provider_account_id = id::text, email_address = '',
       updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- purging_accounts --
-- Accounts that are being deleted.
SELECT id::text FROM mailsync.email_accounts WHERE status = 'purging' ORDER BY updated_at

-- purge_emails --
-- A piece of the mail of an account that is being deleted.
DELETE FROM mailsync.emails
 WHERE id IN (SELECT m.id
                FROM mailsync.emails m
                JOIN mailsync.email_accounts a ON a.id = m.account_id AND a.status = 'purging'
               WHERE m.account_id = cast(:account_id AS uuid)
               LIMIT :limit
                 FOR UPDATE OF m SKIP LOCKED)

-- purge_runs --
-- A piece of its history.
DELETE FROM mailsync.sync_runs
 WHERE id IN (SELECT r.id
                FROM mailsync.sync_runs r
                JOIN mailsync.email_accounts a ON a.id = r.account_id AND a.status = 'purging'
               WHERE r.account_id = cast(:account_id AS uuid)
               LIMIT :limit
                 FOR UPDATE OF r SKIP LOCKED)

-- purge_account --
-- The account itself with all that is left of it, once its mail is gone.
WITH gone AS (
  DELETE FROM mailsync.email_accounts a
   WHERE id = cast(:account_id AS uuid) AND status = 'purging'
     AND NOT EXISTS (SELECT 1 FROM mailsync.emails m WHERE m.account_id = a.id)
  RETURNING id)
DELETE FROM mailsync.outbox WHERE account_id IN (SELECT id FROM gone)

-- accounts_of_user --
-- The accounts of a user in the order in which they were connected, after a position.
SELECT id::text, email_address, provider, status, sync_status, last_sync_at,
       initial_sync_completed, verified_at, last_error, last_error_message, next_sync_at, created_at
  FROM mailsync.email_accounts
 WHERE user_id = :user_id
   AND (created_at, id) > (cast(:after_at AS timestamptz), cast(:after_id AS uuid))
 ORDER BY created_at, id
 LIMIT :limit

-- own_account --
-- One of them.
SELECT id::text, email_address, provider, status, sync_status, last_sync_at,
       initial_sync_completed, verified_at, last_error, last_error_message, next_sync_at, created_at
  FROM mailsync.email_accounts
 WHERE id = cast(:account_id AS uuid) AND user_id = :user_id

-- folder_choices --
-- Every folder of an account, mirrored or not.
SELECT id, display_name, role, parent_remote_id, remote_id, selected, hidden, total, unread,
       remote_total, verified_at
  FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid) AND gone_at IS NULL
 ORDER BY id

-- account_runs --
-- The runs of a user's account, the newest first, before a position.
SELECT r.id, r.account_id::text, r.status, r.sync_type, r.trigger, r.created_at, r.started_at,
       r.finished_at, r.requests, r.repair_rounds, r.error, r.error_message, r.folder_ids
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE a.id = cast(:account_id AS uuid) AND a.user_id = :user_id
   AND (r.created_at, r.id) < (cast(:before_at AS timestamptz), :before_id)
 ORDER BY r.created_at DESC, r.id DESC
 LIMIT :limit

-- run_of_user --
-- One run of a user.
SELECT r.id, r.account_id::text, r.status, r.sync_type, r.trigger, r.created_at, r.started_at,
       r.finished_at, r.requests, r.repair_rounds, r.error, r.error_message, r.folder_ids
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE r.id = :run_id AND a.user_id = :user_id

-- run_steps --
-- What each folder did in a run.
SELECT p.folder_id, f.display_name, f.role, p.status, p.attempts, p.pages, p.requests, p.inserted,
       p.updated, p.unchanged, p.removed, p.quarantined, p.resets, p.error, p.error_message,
       p.started_at, p.finished_at
  FROM mailsync.sync_run_folders p
  JOIN mailsync.email_folders f ON f.id = p.folder_id
 WHERE p.run_id = :run_id
 ORDER BY p.started_at, p.folder_id

-- find_credentials --
-- The sealed grant and access token of an account.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)

-- lock_credentials --
-- The same, held until the transaction ends: one writer renews at a time.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)
   FOR UPDATE

-- save_credentials --
-- A new grant, or the organisation in its stead, and an access token.
INSERT INTO mailsync.email_credentials AS c
       (account_id, grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at,
        organisation_id)
VALUES (cast(:account_id AS uuid), :grant_key_id, :grant_sealed, :access_key_id, :access_sealed,
        :access_expires_at, :organisation_id)
    ON CONFLICT (account_id) DO UPDATE
   SET grant_key_id = excluded.grant_key_id, grant_sealed = excluded.grant_sealed,
       access_key_id = excluded.access_key_id, access_sealed = excluded.access_sealed,
       access_expires_at = excluded.access_expires_at,
       organisation_id = excluded.organisation_id, updated_at = now()

-- newest_data_key --
-- The wrapped key under which new secrets are sealed.
SELECT id, wrapped, created_at FROM mailsync.data_keys ORDER BY id DESC LIMIT 1

-- find_data_key --
-- The wrapped key of something that was sealed earlier.
SELECT id, wrapped, created_at FROM mailsync.data_keys WHERE id = :key_id

-- add_data_key --
-- A new wrapped key.
INSERT INTO mailsync.data_keys (wrapped) VALUES (:wrapped) RETURNING id, wrapped, created_at

-- save_sign_in --
-- A sign-in that was begun, bound to the user and to the browser.
INSERT INTO mailsync.sign_ins
       (state_hash, user_id, cookie_hash, flow_key_id, flow_sealed, expires_at)
VALUES (:state_hash, :user_id, :cookie_hash, :flow_key_id, :flow_sealed,
        now() + make_interval(secs => cast(:seconds AS int)))

-- forget_sign_ins --
-- Sign-ins that nobody finished in time, a hundred at once.
DELETE FROM mailsync.sign_ins
 WHERE state_hash IN
       (SELECT state_hash FROM mailsync.sign_ins
         WHERE expires_at <= now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)

-- take_sign_in --
-- The sign-in of this state and browser; it can be taken once.
DELETE FROM mailsync.sign_ins
 WHERE state_hash = :state_hash AND cookie_hash = :cookie_hash AND expires_at > now()
RETURNING user_id, flow_key_id, flow_sealed

-- write_self_test --
-- A row of the self-test.
INSERT INTO mailsync.self_tests (id) VALUES (:id) ON CONFLICT (id) DO NOTHING

-- read_self_test --
-- The row that the self-test wrote, removed again.
DELETE FROM mailsync.self_tests WHERE id = :id RETURNING id

-- add_subscriptions --
-- A row for each mailbox that is mirrored and whose provider has not been asked to notify us yet.
-- Those that are read in the name of an organisation have nobody who could ask for it.
INSERT INTO mailsync.provider_subscriptions (account_id, callback_url)
SELECT a.id, :callback_url
  FROM mailsync.email_accounts a
 WHERE a.provider = :provider AND a.status = 'active' AND a.initial_sync_completed
   AND NOT EXISTS (SELECT 1 FROM mailsync.provider_subscriptions s WHERE s.account_id = a.id)
   AND NOT EXISTS (SELECT 1 FROM mailsync.email_credentials c
                    WHERE c.account_id = a.id AND c.organisation_id IS NOT NULL)
    ON CONFLICT DO NOTHING

-- claim_subscription --
-- One that must be made or renewed, put off so that no other tick takes it too. One that leads to
-- another address is made anew. A mailbox that is being synced is left in peace.
UPDATE mailsync.provider_subscriptions
   SET next_try_at = now() + make_interval(secs => cast(:next_in_s AS int)),
       remote_id = CASE WHEN callback_url = :callback_url THEN remote_id END,
       secret_hash = CASE WHEN callback_url = :callback_url THEN secret_hash END,
       callback_url = :callback_url, updated_at = now()
 WHERE account_id = (
       SELECT s.account_id
         FROM mailsync.provider_subscriptions s
         JOIN mailsync.email_accounts a ON a.id = s.account_id
        WHERE (s.next_try_at <= now() OR s.callback_url <> :callback_url)
          AND a.provider = :provider AND a.status = 'active' AND a.initial_sync_completed
          AND (a.lease_owner IS NULL OR a.lease_until < now())
        ORDER BY s.next_try_at
          FOR UPDATE OF s SKIP LOCKED
        LIMIT 1)
RETURNING account_id::text, remote_id

-- subscription_made --
-- The provider notifies us from now on.
UPDATE mailsync.provider_subscriptions
   SET remote_id = :remote_id, secret_hash = :secret_hash, expires_at = :expires_at,
       next_try_at = now() + make_interval(secs => :next_in_s),
       failures = 0, last_error = NULL, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid)

-- subscription_renewed --
-- The provider will go on notifying us; nothing when that one was removed or replaced meanwhile.
UPDATE mailsync.provider_subscriptions
   SET expires_at = :expires_at, next_try_at = now() + make_interval(secs => :next_in_s),
       failures = 0, last_error = NULL, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND remote_id = :remote_id

-- subscription_failures --
-- How often in a row it could not be made or renewed.
SELECT failures FROM mailsync.provider_subscriptions WHERE account_id = cast(:account_id AS uuid)

-- subscription_failed --
-- It could not be made or renewed; what there is goes on until it expires.
UPDATE mailsync.provider_subscriptions
   SET failures = failures + 1, last_error = :error,
       next_try_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE account_id = cast(:account_id AS uuid)

-- forget_subscription --
-- From now on its notifications mean nothing.
DELETE FROM mailsync.provider_subscriptions
 WHERE account_id = cast(:account_id AS uuid)
RETURNING remote_id

-- find_subscriptions --
-- Whose subscriptions these are, and how their notifications are told from forged ones.
SELECT remote_id, account_id::text, secret_hash
  FROM mailsync.provider_subscriptions
 WHERE remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- renew_subscriptions_now --
-- These are about to lapse.
UPDATE mailsync.provider_subscriptions SET next_try_at = now()
 WHERE remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- subscriptions_removed --
-- The provider has removed these; they are to be made anew.
UPDATE mailsync.provider_subscriptions
   SET remote_id = NULL, secret_hash = NULL, expires_at = NULL, next_try_at = now(),
       updated_at = now()
 WHERE remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- notify_accounts --
-- Something changed in these mailboxes: they are due, unless somebody paused them. One that fails
-- is not asked every minute, whatever arrives. Locked in order, since several are told at once.
UPDATE mailsync.email_accounts
   SET notified_at = now(),
       next_sync_at = least(next_sync_at, now() + make_interval(mins => least(failures, 10)))
 WHERE id IN (SELECT id FROM mailsync.email_accounts
               WHERE id IN (SELECT cast(each AS uuid)
                              FROM json_array_elements_text(cast(:account_ids AS json)) AS each)
                 AND status = 'active'
               ORDER BY id
                 FOR NO KEY UPDATE)

-- news_of_run --
-- Whether the provider has notified us since the run began, and whether it can be relied upon to.
SELECT coalesce(a.notified_at > r.started_at, false),
       coalesce(a.notified_at > now() - interval '1 day' AND s.expires_at > now(), false)
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
  LEFT JOIN mailsync.provider_subscriptions s ON s.account_id = a.id
 WHERE r.id = :run_id
