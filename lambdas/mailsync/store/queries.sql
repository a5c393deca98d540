-- Every statement of the product, with a name and a sentence. Names in it are qualified, since an
-- existing database may have tables of the same names and a transaction pooler forbids a search path.
-- Each runs inside an explicit transaction. Only double-hyphen comments: the driver takes a colon
-- with a word anywhere else for a parameter.

-- schema_version --
-- The newest migration that was applied.
SELECT max(version) FROM mailsync.schema_migrations

-- find_account --
-- One account without its secrets. A limit on requests in flight that was learnt grows by one an hour.
SELECT a.id::text, a.provider, a.status, a.initial_sync_completed, a.provider_account_id,
       c.organisation_id,
       a.max_in_flight + floor(extract(epoch FROM now() - a.in_flight_at) / 3600)::int,
       greatest(0, extract(epoch FROM a.throttled_until - now()))::float8
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.email_credentials c ON c.account_id = a.id
 WHERE a.id = cast(:account_id AS uuid)

-- save_account --
-- A connected mailbox; one that was known keeps its data and becomes active again.
INSERT INTO mailsync.email_accounts AS a (user_id, provider, provider_account_id, email_address)
VALUES (:user_id, :provider, :provider_account_id, :email_address)
    ON CONFLICT (user_id, provider, provider_account_id) DO UPDATE
   SET email_address = excluded.email_address, status = 'active', failures = 0,
       last_error = NULL, last_error_message = NULL, next_sync_at = now(),
       connected_at = clock_timestamp(), updated_at = now()
RETURNING id::text

-- take_lease --
-- The lease, if it is free, expired or already ours; the epoch rises unless it was ours. A check
-- without an execution gives way to the execution of its own run, and to any while it has no run.
UPDATE mailsync.email_accounts
   SET lease_epoch = lease_epoch + CASE WHEN lease_owner = :owner THEN 0 ELSE 1 END,
       lease_owner = :owner, lease_until = now() + make_interval(secs => cast(:seconds AS int)),
       sync_status = 'syncing', updated_at = now()
 WHERE id = cast(:account_id AS uuid)
   AND (lease_owner IS NULL OR lease_until < now() OR lease_owner = :owner
        OR lease_owner = :checker
           AND NOT EXISTS (SELECT 1 FROM mailsync.sync_runs r
                            WHERE r.account_id = cast(:account_id AS uuid) AND r.id <> :run_id
                              AND r.status IN ('queued', 'running')))
RETURNING lease_epoch

-- renew_lease --
-- Prolongs the lease of this epoch; no row when another execution took it.
UPDATE mailsync.email_accounts
   SET lease_until = now() + make_interval(secs => cast(:seconds AS int))
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
RETURNING 1

-- save_throttle --
-- The provider asked for no request before; the lease lasts longer than that.
UPDATE mailsync.email_accounts
   SET throttled_until = greatest(throttled_until, now() + make_interval(secs => :wait_s)),
       lease_until = greatest(lease_until, now() + make_interval(secs => :wait_s + :lease_s))
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL

-- save_in_flight --
-- How many requests at a time the provider was found to take, where that is fewer than was known.
UPDATE mailsync.email_accounts SET max_in_flight = :in_flight, in_flight_at = now()
 WHERE id = cast(:account_id AS uuid)
   AND coalesce(max_in_flight + floor(extract(epoch FROM now() - in_flight_at) / 3600) > :in_flight,
                true)

-- save_tree_reading --
-- The whole folder tree was read, thoroughly or not.
UPDATE mailsync.email_accounts
   SET tree_read_at = now(),
       hidden_read_at = CASE WHEN :is_thorough THEN now() ELSE hidden_read_at END
 WHERE id = cast(:account_id AS uuid)

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
-- The same, for the account of a run, and whether it was connected anew since that run began.
SELECT a.failures, a.status, a.connected_at > coalesce(r.started_at, r.created_at)
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
SELECT id, execution_arn, status, sync_type, folder_ids
  FROM mailsync.sync_runs
 WHERE account_id = cast(:account_id AS uuid) AND status IN ('queued', 'running')

-- lock_key --
-- One request of an account with this Idempotency-Key at a time, until this transaction ends.
SELECT pg_advisory_xact_lock(
         hashtextextended(concat_ws(' ', cast(:account_id AS text), cast(:key AS text)), 0))

-- find_run_by_key --
-- The run that an earlier request with this Idempotency-Key started or joined, and what that one
-- asked for.
SELECT id, execution_arn, status, sync_type, folder_ids, sync_type, folder_ids
  FROM mailsync.sync_runs
 WHERE account_id = cast(:account_id AS uuid) AND idempotency_key = :key
 UNION ALL
SELECT r.id, r.execution_arn, r.status, r.sync_type, r.folder_ids, k.sync_type, k.folder_ids
  FROM mailsync.joined_keys k
  JOIN mailsync.sync_runs r ON r.id = k.run_id
 WHERE k.account_id = cast(:account_id AS uuid) AND k.idempotency_key = :key

-- keep_joined_key --
-- The run that a request with this Idempotency-Key has joined, and what it asked for; some old ones
-- of the account are forgotten.
WITH forgotten AS (
  DELETE FROM mailsync.joined_keys
   WHERE (account_id, idempotency_key) IN
         (SELECT account_id, idempotency_key FROM mailsync.joined_keys
           WHERE account_id = cast(:account_id AS uuid) AND created_at < now() - interval '1 day'
           LIMIT 100 FOR UPDATE SKIP LOCKED))
INSERT INTO mailsync.joined_keys (account_id, idempotency_key, run_id, sync_type, folder_ids)
VALUES (cast(:account_id AS uuid), :key, :run_id, :sync_type, cast(:folder_ids AS jsonb))

-- forget_joined_key --
-- The run that it joined turned out to be dead, so the request is to have another one.
DELETE FROM mailsync.joined_keys
 WHERE account_id = cast(:account_id AS uuid) AND idempotency_key = :key AND run_id = :run_id

-- open_run_account --
-- The account of a run that has no outcome yet.
SELECT account_id::text FROM mailsync.sync_runs
 WHERE id = :run_id AND status IN ('queued', 'running')

-- stale_runs --
-- Open runs that have not been heard of for a while; their execution may be dead. One that waits until
-- its provider takes requests again is silent for long, and hundreds of them would hide the dead ones.
SELECT r.id, r.account_id::text, r.execution_arn
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE r.status IN ('queued', 'running')
   AND r.heartbeat_at < now() - make_interval(secs => cast(:seconds AS int))
   AND (a.throttled_until IS NULL OR a.throttled_until < now())
 ORDER BY r.heartbeat_at
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
-- The mailbox is up to date and verified. error is what a person should know all the same.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, sync_status = 'completed', last_sync_at = now(),
       initial_sync_completed = true, verified_at = now(),
       last_error = :error, last_error_message = :error_message, failures = 0,
       changed_at = CASE WHEN :has_changed THEN now() ELSE changed_at END,
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- lease_owner --
-- Who holds the mailbox.
SELECT lease_owner FROM mailsync.email_accounts WHERE id = cast(:account_id AS uuid)

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
-- Accounts that are due, those first that have waited longest; put off so that no other tick takes
-- them too. They are found in the index alone. What another tick has taken since is not due when it
-- is locked, and what one is taking now is passed over.
WITH found AS MATERIALIZED (
  SELECT account_id
    FROM mailsync.sync_queue
   WHERE due_at <= now()
   ORDER BY due_at
   LIMIT :limit),
due AS MATERIALIZED (
  SELECT q.account_id, q.due_at
    FROM found JOIN mailsync.sync_queue q USING (account_id)
   WHERE q.due_at <= now()
     FOR UPDATE OF q SKIP LOCKED),
claimed AS (
  UPDATE mailsync.sync_queue q
     SET due_at = now() + make_interval(secs => :next_in_s)
    FROM due WHERE q.account_id = due.account_id
  RETURNING q.account_id)
SELECT due.account_id::text FROM due JOIN claimed USING (account_id) ORDER BY due.due_at

-- release_claims --
-- Accounts that were claimed and not checked are due again at once.
UPDATE mailsync.sync_queue
   SET due_at = now()
 WHERE account_id IN (SELECT cast(each AS uuid)
                        FROM json_array_elements_text(cast(:ids AS json)) AS each)
   AND due_at > now()

-- begin_check --
-- The lease for a check of a mailbox, which leaves no run if there is nothing new; no row while another
-- worker holds the account or is about to. An account that was closed has one too, unless its grant has
-- ended. is_settled is true if the last sync verified every folder without a difference, the provider
-- need not be asked about any message or folder, no mail awaits its deletion, and no feed that failed is
-- to be tried again.
UPDATE mailsync.email_accounts a
   SET lease_epoch = lease_epoch + 1, lease_owner = :checker,
       lease_until = now() + make_interval(secs => cast(:seconds AS int))
 WHERE a.id = cast(:account_id AS uuid)
   AND (a.status = 'active'
        OR a.status = 'reauth_required'
           AND EXISTS (SELECT 1 FROM mailsync.email_credentials c
                        WHERE c.account_id = a.id AND c.refused_at IS NULL))
   AND (a.lease_owner IS NULL OR a.lease_until < now())
   AND NOT EXISTS (SELECT 1 FROM mailsync.sync_runs r
                    WHERE r.account_id = a.id AND r.status IN ('queued', 'running'))
RETURNING a.lease_epoch, a.provider, a.status, a.initial_sync_completed, a.provider_account_id,
       (SELECT c.organisation_id FROM mailsync.email_credentials c WHERE c.account_id = a.id),
       a.max_in_flight + floor(extract(epoch FROM now() - a.in_flight_at) / 3600)::int,
       greatest(0, extract(epoch FROM a.throttled_until - now()))::float8,
       now(),
       a.sync_status = 'completed' AND a.verified_at IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                          WHERE m.account_id = a.id AND m.removed_at IS NOT NULL
                            AND coalesce(m.confirm_at, m.removed_at) <= now())
         AND NOT EXISTS (SELECT 1 FROM mailsync.email_quarantine q
                          WHERE q.account_id = a.id
                            AND q.last_tried_at < now() - least(interval '1 day',
                                  interval '5 minutes' * 2 ^ least(q.attempts, 9)))
         AND NOT EXISTS (SELECT 1 FROM mailsync.email_folders f
                          WHERE f.account_id = a.id
                            AND (f.differing > 0 OR f.total > 0 AND NOT f.selected
                                 OR f.gone_at < now() - make_interval(secs =>
                                      CASE WHEN f.selected THEN cast(:confirmed_s AS float8)
                                           ELSE :choice_s END)
                                AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                                                 WHERE m.account_id = a.id AND m.folder_id = f.id)))
         AND NOT EXISTS (SELECT 1 FROM mailsync.email_folders f
                           JOIN mailsync.folder_cursors c ON c.folder_id = f.id
                          WHERE f.account_id = a.id AND c.fallback_at < now() - interval '1 day'
                            AND NOT EXISTS (SELECT 1 FROM mailsync.email_quarantine q
                                             WHERE q.folder_id = f.id AND q.cause = 'unanswered')),
       coalesce(a.notified_at > now() - interval '1 day', false)
         AND EXISTS (SELECT 1 FROM mailsync.provider_subscriptions s
                      WHERE s.account_id = a.id AND s.expires_at > now()),
       extract(epoch FROM now() - a.changed_at)::float8,
       coalesce(extract(epoch FROM now() - a.last_sync_at), 0)::float8, a.tree_read_at,
       a.hidden_read_at, a.failures

-- end_check --
-- Nothing new in the mailbox: it is as it was verified to be, and verified as of now if the whole
-- folder tree was read. What the provider notified us of meanwhile may have come too late for this
-- check. The cursors move all the same, since a provider honours the newest few only. No row when
-- another worker took the lease.
WITH ended AS (
  UPDATE mailsync.email_accounts
     SET lease_owner = NULL, lease_until = NULL, last_sync_at = now(),
         verified_at = CASE WHEN :is_whole THEN now() ELSE verified_at END,
         tree_read_at = CASE WHEN :is_tree_read THEN now() ELSE tree_read_at END,
         hidden_read_at = CASE WHEN :is_thorough THEN now() ELSE hidden_read_at END,
         next_sync_at = CASE WHEN notified_at > :began_at THEN now()
                             ELSE now() + make_interval(secs => :next_in_s) END,
         updated_at = now()
   WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
  RETURNING 1),
moved AS (
  UPDATE mailsync.folder_cursors c
     SET cursor_key_id = coalesce(n.key_id, c.cursor_key_id),
         cursor_sealed = coalesce(decode(n.cursor, 'base64'), c.cursor_sealed),
         read_at = now(), updated_at = now()
    FROM json_to_recordset(cast(:cursors AS json)) AS n
         (folder_id bigint, walk int, key_id bigint, cursor text)
   WHERE c.folder_id = n.folder_id AND c.walk = n.walk AND NOT c.walking
     AND EXISTS (SELECT 1 FROM ended)),
compared AS (
  UPDATE mailsync.email_folders f
     SET compared_at = now(), list_total = n.total, list_unread = n.unread
    FROM json_to_recordset(cast(:compared AS json)) AS n (folder_id bigint, total int, unread int)
   WHERE f.id = n.folder_id AND EXISTS (SELECT 1 FROM ended))
SELECT 1 FROM ended

-- reopen_account --
-- The identity platform gives a closed account an access token again; the check goes on. No row when
-- another one took the lease or changed the account.
UPDATE mailsync.email_accounts
   SET status = 'active', failures = 0, last_error = NULL, last_error_message = NULL,
       next_sync_at = now(), updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
   AND status = 'reauth_required'
RETURNING 1

-- stay_closed --
-- There is still no access token for a closed account; it is tried again later. No row when another
-- one took the lease.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, failures = failures + 1,
       last_error_message = coalesce(:error_message, last_error_message),
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
RETURNING 1

-- keep_checked --
-- The check goes on with its lease; no row when another one took it. An update of no key, so that
-- whoever asks for a run at this moment does not wait.
UPDATE mailsync.email_accounts
   SET lease_until = now() + make_interval(secs => cast(:seconds AS int)),
       updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
RETURNING 1

-- show_syncing --
-- From now on there is something that the next verification must see.
UPDATE mailsync.email_accounts SET sync_status = 'syncing' WHERE id = cast(:account_id AS uuid)

-- release_check --
-- The lease of a check goes back; no row when another one took it.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
RETURNING 1

-- break_check --
-- Whoever changes the account ends a check that has no run; it can write nothing from now on.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL
 WHERE id = cast(:account_id AS uuid) AND lease_owner = :checker

-- open_check_run --
-- A check that found something to store becomes a run, as old as the check; nothing when another run
-- was asked for meanwhile.
INSERT INTO mailsync.sync_runs
       (id, account_id, sync_type, trigger, status, created_at, started_at)
VALUES (:run_id, cast(:account_id AS uuid), :sync_type, :trigger, 'running', :began_at, :began_at)
    ON CONFLICT DO NOTHING
RETURNING id

-- hand_over_run --
-- What a check has begun is left to an execution, which has its own rounds of repairs.
UPDATE mailsync.sync_runs SET repair_rounds = 0, heartbeat_at = now()
 WHERE id = :run_id AND status = 'running'

-- checked_folders --
-- The folders of an account that exist, in the columns of `known_folders`, with our counts.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size, c.midway, c.fallback,
       f.remote_total, f.remote_unread, f.active_at, c.read_at, f.total, f.unread, f.count_offset,
       f.unread_offset, f.compared_at,
       (SELECT count(*) FROM mailsync.email_quarantine q
         WHERE q.folder_id = f.id
           AND f.id IS DISTINCT FROM (SELECT m.folder_id FROM mailsync.emails m
                                       WHERE m.account_id = q.account_id
                                         AND m.message_id = q.message_id
                                         AND m.removed_at IS NULL))
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id

-- known_folders --
-- The folders of an account that exist, each with the position of the sync in it.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size, c.midway, c.fallback,
       f.remote_total, f.remote_unread, f.active_at, c.read_at
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id

-- hidden_folders --
-- Folders of which the provider said that they are gone, and which it is to be asked about again.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size, c.midway, c.fallback,
       f.remote_total, f.remote_unread, f.active_at, c.read_at
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid)
   AND f.gone_at < now() - make_interval(secs => CASE WHEN f.selected THEN cast(:confirmed_s AS float8)
                                                      ELSE :choice_s END)
 ORDER BY f.id

-- find_folder --
-- One folder of an account with its position.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size, c.midway, c.fallback,
       f.remote_total, f.remote_unread, f.active_at, c.read_at
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.id = :folder_id

-- save_folders --
-- New and changed folders; each has a cursor row from its first moment. One that was hidden comes back
-- with its cursor, and a comparison by ids shows its mail again.
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
         role = excluded.role, hidden = excluded.hidden, gone_at = NULL,
         compared_at = CASE WHEN f.gone_at IS NULL THEN f.compared_at END,
         verified_at = CASE WHEN f.gone_at IS NULL THEN f.verified_at END
  RETURNING id)
INSERT INTO mailsync.folder_cursors (folder_id) SELECT id FROM saved
    ON CONFLICT DO NOTHING

-- save_remote_counts --
-- What the provider counts in each folder.
UPDATE mailsync.email_folders f
   SET remote_total = r.total, remote_unread = r.unread
  FROM json_to_recordset(cast(:folders AS json)) AS r (remote_id text, total int, unread int)
 WHERE f.account_id = cast(:account_id AS uuid) AND f.remote_id = r.remote_id
   AND r.total IS NOT NULL AND r.unread IS NOT NULL
   AND (f.remote_total, f.remote_unread) IS DISTINCT FROM (r.total, r.unread)

-- hide_folders --
-- Folders of which the provider says that they are gone: hidden with their mail, and kept until it has
-- said so again.
WITH gone AS (
  UPDATE mailsync.email_folders SET gone_at = now()
   WHERE account_id = cast(:account_id AS uuid) AND gone_at IS NULL
     AND id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)
  RETURNING id)
UPDATE mailsync.emails SET removed_at = now(), gone_at = NULL, confirm_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND folder_id IN (SELECT id FROM gone)
   AND removed_at IS NULL

-- drop_gone_folders --
-- Folders that are gone for the second time of asking, and hold nothing any more. The choice not to
-- mirror one is kept for longer, should the folder come back.
DELETE FROM mailsync.email_folders f
 WHERE account_id = cast(:account_id AS uuid)
   AND gone_at < now() - make_interval(secs => CASE WHEN selected THEN cast(:confirmed_s AS float8)
                                                    ELSE :choice_s END)
   AND remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))
   AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                    WHERE m.account_id = f.account_id AND m.folder_id = f.id)

-- restart_walk --
-- Forgets the cursor and numbers a new walk; rows stay until its last page sweeps. fallback: another
-- feed of the provider has failed.
UPDATE mailsync.folder_cursors
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true, page_size = NULL,
       fallback = coalesce(cast(:fallback AS int), fallback),
       fallback_at = CASE WHEN cast(:fallback AS int) IS NULL THEN fallback_at ELSE now() END,
       updated_at = now()
 WHERE folder_id = :folder_id

-- retry_feeds --
-- Folders whose feed failed a day ago begin it anew, unless a message is known that it cannot get past.
UPDATE mailsync.folder_cursors c
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true, page_size = NULL,
       fallback = 0, fallback_at = NULL, updated_at = now()
  FROM mailsync.email_folders f
 WHERE f.id = c.folder_id AND f.account_id = cast(:account_id AS uuid)
   AND c.fallback_at < now() - interval '1 day' AND NOT c.midway
   AND NOT EXISTS (SELECT 1 FROM mailsync.email_quarantine q
                    WHERE q.folder_id = c.folder_id AND q.cause = 'unanswered')

-- restart_walks --
-- A full resync: every folder is walked again, or those that were named. One that was in this run
-- already is not: its steps may be repeated.
UPDATE mailsync.folder_cursors c
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
       fallback = 0, fallback_at = NULL, updated_at = now()
  FROM mailsync.email_folders f, mailsync.sync_runs r
 WHERE f.id = c.folder_id AND f.account_id = cast(:account_id AS uuid) AND r.id = :run_id
   AND c.cursor_sealed IS NOT NULL AND c.updated_at < r.started_at
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
       walking = walking AND :has_more, midway = :has_more, read_at = now(), updated_at = now()
 WHERE folder_id = :folder_id AND walk = :walk AND cursor_sealed IS NOT DISTINCT FROM :cursor
RETURNING 1

-- save_page_size --
-- The page size that was last found to work.
UPDATE mailsync.folder_cursors SET page_size = :page_size WHERE folder_id = :folder_id

-- known_emails --
-- What is stored of the messages of a page: whether row and body are the same as those sent.
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
-- Messages as the provider shows them now; sent again, they change nothing.
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
healed AS (
  DELETE FROM mailsync.email_quarantine q USING page
   WHERE q.account_id = cast(:account_id AS uuid) AND q.message_id = page.message_id)
SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM saved

-- stamp_walk --
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
UPDATE mailsync.emails SET removed_at = now(), gone_at = NULL, confirm_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id AND removed_at IS NULL
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- hide_messages --
-- Messages that left the folders that are mirrored.
UPDATE mailsync.emails SET removed_at = now(), gone_at = NULL, confirm_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NULL
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- unselected_folders --
-- Those of these folders that are known and not mirrored.
SELECT remote_id FROM mailsync.email_folders
 WHERE account_id = cast(:account_id AS uuid) AND NOT selected
   AND remote_id IN (SELECT json_array_elements_text(cast(:remote_ids AS json)))

-- full_sync_ended --
-- A full sync has read every message of the folder; what it did not show is doubted or not. The next
-- comparison of ids waits as long as after another one, but this was none of this run.
UPDATE mailsync.email_folders f
   SET compared_at = CASE WHEN NOT :is_doubtful
                          THEN coalesce(f.compared_at, r.started_at - interval '1 second') END
  FROM mailsync.sync_runs r
 WHERE f.id = :folder_id AND r.id = :run_id

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
  LEFT JOIN mailsync.emails m
    ON m.account_id = f.account_id AND m.folder_id = f.id AND m.removed_at IS NULL
 WHERE f.id = :folder_id
 GROUP BY f.remote_total

-- sweep_folder --
-- The end of a walk: what it has not seen left the folder.
UPDATE mailsync.emails SET removed_at = now(), gone_at = NULL, confirm_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id
   AND removed_at IS NULL AND walk < :walk

-- add_progress --
-- What a page added, for those who watch; the recount at the end of the run is the truth. is_active:
-- the page reported changes, not what a full sync finds.
UPDATE mailsync.email_folders
   SET total = greatest(0, total + :added),
       active_at = CASE WHEN :is_active THEN now() ELSE active_at END
 WHERE id = :folder_id

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
-- The folders that failed in a run, and exist.
SELECT p.folder_id
  FROM mailsync.sync_run_folders p
  JOIN mailsync.email_folders f ON f.id = p.folder_id AND f.gone_at IS NULL
 WHERE p.run_id = :run_id AND p.status = 'failed'

-- removed_ids --
-- Hidden messages about which the provider is to be asked now.
SELECT message_id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NOT NULL
   AND coalesce(confirm_at, removed_at) <= now() AND message_id > :after
 ORDER BY message_id
 LIMIT :limit

-- removals --
-- What is hidden in these accounts: messages; those of which the provider has said that they are gone,
-- how many of these no person has confirmed, since when, and the last confirmation; mirrored folders.
-- stored are all messages, hidden ones included, counted where so many are gone that it matters.
SELECT a.id::text, h.hidden, h.gone, h.unconfirmed,
       CASE WHEN h.gone < :smallest THEN 0
            ELSE (SELECT count(*) FROM mailsync.emails m WHERE m.account_id = a.id) END,
       h.gone_since,
       CASE WHEN a.removal_confirmed_at >= h.gone_since THEN a.removal_confirmed_at END,
       (SELECT count(*) FROM mailsync.email_folders f
         WHERE f.account_id = a.id AND f.selected AND f.gone_at IS NOT NULL)
  FROM mailsync.email_accounts a
 CROSS JOIN LATERAL (
       SELECT count(*) AS hidden, count(m.gone_at) AS gone, min(m.gone_at) AS gone_since,
              count(*) FILTER (WHERE m.gone_at > coalesce(a.removal_confirmed_at, '-infinity'))
                AS unconfirmed
         FROM mailsync.emails m
        WHERE m.account_id = a.id AND m.removed_at IS NOT NULL) h
 WHERE a.id IN (SELECT cast(each AS uuid)
                  FROM json_array_elements_text(cast(:account_ids AS json)) AS each)

-- schedule_removal --
-- When messages that are gone are requested by id again: `wait_s` after the first answer.
UPDATE mailsync.emails SET confirm_at = gone_at + make_interval(secs => :wait_s)
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NOT NULL
   AND gone_at IS NOT NULL AND confirm_at IS DISTINCT FROM gone_at + make_interval(secs => :wait_s)

-- confirm_gone --
-- Hidden messages of which the provider just said that they are gone: deleted where it had said so
-- before, at least so long ago.
WITH asked AS MATERIALIZED (
  SELECT m.id, m.gone_at <= now() - make_interval(secs => :wait_s) AS is_confirmed
    FROM mailsync.emails m
   WHERE m.account_id = cast(:account_id AS uuid) AND m.removed_at IS NOT NULL
     AND m.message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))),
noted AS (
  UPDATE mailsync.emails m
     SET gone_at = coalesce(m.gone_at, now()),
         confirm_at = coalesce(m.gone_at, now()) + make_interval(secs => :wait_s)
    FROM asked WHERE asked.id = m.id AND asked.is_confirmed IS NOT TRUE)
DELETE FROM mailsync.emails m USING asked WHERE asked.id = m.id AND asked.is_confirmed

-- confirm_removal --
-- A person confirms that most of the mailbox may be deleted.
UPDATE mailsync.email_accounts
   SET removal_confirmed_at = now(), next_sync_at = now(), updated_at = now(),
       last_error = CASE WHEN last_error <> :error THEN last_error END,
       last_error_message = CASE WHEN last_error <> :error THEN last_error_message END
 WHERE id = cast(:account_id AS uuid)

-- recount --
-- Counts of every folder from the rows themselves.
UPDATE mailsync.email_folders f
   SET total = s.total, unread = s.unread
  FROM (SELECT f.id, count(m.id) AS total, count(m.id) FILTER (WHERE NOT m.is_read) AS unread
          FROM mailsync.email_folders f
          LEFT JOIN mailsync.emails m
            ON m.account_id = f.account_id AND m.folder_id = f.id AND m.removed_at IS NULL
         WHERE f.account_id = cast(:account_id AS uuid)
         GROUP BY f.id) s
 WHERE s.id = f.id AND (f.total, f.unread) IS DISTINCT FROM (s.total, s.unread)

-- folder_counts --
-- Each selected folder's counts, ours and the provider's, and how many are in quarantine and not
-- stored. Each of those is looked up by its own id: with the folder in the condition, the planner
-- reads the whole folder for each.
SELECT f.id, f.remote_total, f.total, f.remote_unread, f.unread,
       (SELECT count(*) FROM mailsync.email_quarantine q
         WHERE q.folder_id = f.id
           AND f.id IS DISTINCT FROM (SELECT m.folder_id FROM mailsync.emails m
                                       WHERE m.account_id = q.account_id
                                         AND m.message_id = q.message_id
                                         AND m.removed_at IS NULL)),
       f.count_offset, f.unread_offset, f.compared_at, c.walking, f.list_total, f.list_unread
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.selected AND f.gone_at IS NULL
 ORDER BY f.id

-- mark_verified --
-- Folders of which it was just shown that nothing is missing, or different any more.
WITH verified AS (
  SELECT cast(each AS bigint) AS id FROM json_array_elements_text(cast(:ids AS json)) AS each),
settled AS (
  DELETE FROM mailsync.proof_differences WHERE folder_id IN (SELECT id FROM verified))
UPDATE mailsync.email_folders
   SET verified_at = now(), differing = 0, error = NULL, error_message = NULL
 WHERE id IN (SELECT id FROM verified)

-- mark_compared --
-- The ids of a folder were just compared; what was different before is so no longer. What the provider
-- listed is kept where the list was complete. The folder is verified once its counts are explained, too.
WITH settled AS (DELETE FROM mailsync.proof_differences WHERE folder_id = :folder_id)
UPDATE mailsync.email_folders
   SET compared_at = now(), list_total = :total, list_unread = :unread, differing = 0, error = NULL,
       error_message = NULL
 WHERE id = :folder_id

-- save_verified --
-- Folders that were compared, and of whose counts every difference is explained.
UPDATE mailsync.email_folders SET verified_at = now()
 WHERE id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- compare_soon --
-- Folders whose counts moved without a reported change.
UPDATE mailsync.email_folders SET compared_at = NULL
 WHERE id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- compare_later --
-- Folders that are about to be compared since they are due, should that fail; those that must be compared
-- are left so. The time is no longer that of a comparison, so what the last one listed goes with it.
UPDATE mailsync.email_folders
   SET compared_at = now() - make_interval(secs => :ago_s), list_total = NULL, list_unread = NULL
 WHERE compared_at IS NOT NULL
   AND id IN (SELECT cast(each AS bigint) FROM json_array_elements_text(cast(:ids AS json)) AS each)

-- save_offsets --
-- By how much the provider's counts of these folders are wrong.
UPDATE mailsync.email_folders f SET count_offset = o.total, unread_offset = o.unread
  FROM json_to_recordset(cast(:offsets AS json)) AS o (folder_id bigint, total int, unread int)
 WHERE f.id = o.folder_id AND (f.count_offset, f.unread_offset) IS DISTINCT FROM (o.total, o.unread)

-- save_differences --
-- What stays different in a folder: how many messages, and which, as far as their ids are kept.
WITH saved AS (
  INSERT INTO mailsync.proof_differences (account_id, folder_id, message_id, cause)
  SELECT cast(:account_id AS uuid), :folder_id, message_id, cause
    FROM json_to_recordset(cast(:differences AS json)) AS d (message_id text, cause text))
UPDATE mailsync.email_folders SET differing = :number WHERE id = :folder_id

-- proof_differences --
-- The messages about which the provider contradicts itself, a hundred of each folder at most.
SELECT d.folder_id, d.message_id, d.cause, d.found_at
  FROM mailsync.proof_differences d
  JOIN mailsync.email_folders f ON f.id = d.folder_id AND f.selected AND f.gone_at IS NULL
 WHERE d.account_id = cast(:account_id AS uuid)
 ORDER BY d.folder_id, d.message_id
 LIMIT 1000

-- equal_folders --
-- The folders of which this run has shown that nothing is missing, by their counts or by their ids.
SELECT f.id
  FROM mailsync.email_folders f
  JOIN mailsync.sync_runs r ON r.account_id = f.account_id
 WHERE r.id = :run_id AND greatest(f.verified_at, f.compared_at) >= r.started_at

-- unproven_folders --
-- The number of selected folders that were not verified in this run, or are in the middle of a full sync.
-- One while no folder is known: every mailbox has some, so its tree was not read.
SELECT count(f.id) FILTER (WHERE f.selected AND f.gone_at IS NULL
                             AND (c.walking OR f.verified_at IS NULL OR f.verified_at < r.started_at))
       + CASE WHEN count(f.id) = 0 THEN 1 ELSE 0 END
  FROM mailsync.sync_runs r
  LEFT JOIN mailsync.email_folders f ON f.account_id = r.account_id
  LEFT JOIN mailsync.folder_cursors c ON c.folder_id = f.id
 WHERE r.id = :run_id

-- folder_entries --
-- Every message of a folder, hidden ones too, for the comparison by id.
SELECT message_id, is_read, version, modified_at, removed_at IS NULL FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id

-- entries_of --
-- The same of these messages, wherever they are, and the folder of each.
SELECT message_id, is_read, version, modified_at, removed_at IS NULL, folder_id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid)
   AND message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- show_again --
-- Messages that are in this folder after all, equal to what is stored.
UPDATE mailsync.emails m
   SET folder_id = c.folder_id, walk = c.walk, removed_at = NULL, gone_at = NULL, confirm_at = NULL,
       updated_at = now()
  FROM mailsync.folder_cursors c
 WHERE c.folder_id = :folder_id AND m.account_id = cast(:account_id AS uuid)
   AND m.message_id IN (SELECT json_array_elements_text(cast(:ids AS json)))

-- save_versions --
-- The provider's version of messages that were stored without one and are equal to what it lists.
UPDATE mailsync.emails m SET version = v.version
  FROM json_to_recordset(cast(:versions AS json)) AS v (message_id text, version text)
 WHERE m.account_id = cast(:account_id AS uuid) AND m.message_id = v.message_id
   AND m.version IS NULL

-- quarantined_ids --
-- The messages of a folder that exist and cannot be stored.
SELECT message_id FROM mailsync.email_quarantine
 WHERE account_id = cast(:account_id AS uuid) AND folder_id = :folder_id

-- account_status --
-- What the status shows of an account, for its owner only.
SELECT a.id::text, a.email_address, a.provider, a.status, a.sync_status, a.last_sync_at,
       a.initial_sync_completed, a.verified_at, a.last_error, a.last_error_message, a.next_sync_at,
       a.failures, r.id, r.started_at,
       (SELECT coalesce(sum(p.inserted), 0)::int FROM mailsync.sync_run_folders p
         WHERE p.run_id = r.id)
  FROM mailsync.email_accounts a
  LEFT JOIN mailsync.sync_runs r ON r.account_id = a.id AND r.status IN ('queued', 'running')
 WHERE a.id = cast(:account_id AS uuid) AND a.user_id = :user_id

-- folder_status --
-- What the status shows of each folder, counted as the verification does. A check that finds nothing
-- new verifies all of them at once and says so on the account alone. compared_at says when a folder is
-- due for a comparison; it is the time of one only where what the provider listed is known.
SELECT f.id, f.display_name, f.role, f.total, f.unread, f.remote_total, f.count_offset,
       f.unread_offset,
       greatest(f.verified_at, CASE WHEN f.verified_at IS NOT NULL THEN a.verified_at END),
       CASE WHEN f.list_total IS NOT NULL THEN f.compared_at END,
       f.error, f.error_message, c.walking,
       (SELECT count(*) FROM mailsync.email_quarantine q
         WHERE q.folder_id = f.id
           AND f.id IS DISTINCT FROM (SELECT m.folder_id FROM mailsync.emails m
                                       WHERE m.account_id = q.account_id
                                         AND m.message_id = q.message_id
                                         AND m.removed_at IS NULL)),
       f.differing
  FROM mailsync.email_folders f
  JOIN mailsync.folder_cursors c ON c.folder_id = f.id
  JOIN mailsync.email_accounts a ON a.id = f.account_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.selected AND f.gone_at IS NULL
 ORDER BY f.id

-- lock_own_account --
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
-- Which folders are mirrored; where that changes, the next walk begins anew, and what was different
-- is no question any more.
WITH changed AS (
  UPDATE mailsync.email_folders f SET selected = c.selected, verified_at = NULL, differing = 0
    FROM json_to_recordset(cast(:choices AS json)) AS c (id bigint, selected boolean)
   WHERE f.account_id = cast(:account_id AS uuid) AND f.id = c.id AND f.selected <> c.selected
  RETURNING f.id),
settled AS (
  DELETE FROM mailsync.proof_differences WHERE folder_id IN (SELECT id FROM changed))
UPDATE mailsync.folder_cursors
   SET cursor_key_id = NULL, cursor_sealed = NULL, walk = walk + 1, walking = true,
       fallback = 0, fallback_at = NULL, updated_at = now()
 WHERE folder_id IN (SELECT id FROM changed)
RETURNING folder_id

-- forget_credentials --
-- What the account signs in with, gone for good, unless it is being renewed at this moment: whoever
-- does that waits for the provider, and nobody is to wait for them.
DELETE FROM mailsync.email_credentials
 WHERE account_id IN (SELECT account_id FROM mailsync.email_credentials
                       WHERE account_id = cast(:account_id AS uuid)
                         FOR UPDATE SKIP LOCKED)

-- forget_left_credentials --
-- The same, of all accounts that have no use for it any more. The account is held too: one that is
-- connected anew meanwhile keeps it.
DELETE FROM mailsync.email_credentials
 WHERE account_id IN (SELECT c.account_id
                        FROM mailsync.email_credentials c
                        JOIN mailsync.email_accounts a ON a.id = c.account_id
                       WHERE a.status IN ('disconnected', 'purging')
                         FOR UPDATE OF c, a SKIP LOCKED)

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

-- forget_stopped_runs --
-- Runs of an account that a person stopped more than a week ago, some at once.
DELETE FROM mailsync.sync_runs
 WHERE id IN (SELECT id FROM mailsync.sync_runs
               WHERE account_id = cast(:account_id AS uuid) AND status = 'cancelled'
                 AND created_at < now() - interval '7 days'
               LIMIT 100 FOR UPDATE SKIP LOCKED)

-- purge_account --
-- The account itself with all that is left of it, once its mail and what it signs in with are gone.
-- It is held already: an event that was put into the outbox meanwhile would not be seen.
WITH gone AS (
  DELETE FROM mailsync.email_accounts a
   WHERE id = cast(:account_id AS uuid) AND status = 'purging'
     AND NOT EXISTS (SELECT 1 FROM mailsync.emails m WHERE m.account_id = a.id)
     AND NOT EXISTS (SELECT 1 FROM mailsync.email_credentials c WHERE c.account_id = a.id)
  RETURNING id),
events AS (
  DELETE FROM mailsync.outbox WHERE account_id IN (SELECT id FROM gone))
SELECT 1 FROM gone

-- own_accounts --
-- The accounts of a user in the order in which they were connected, after a position, or one of them.
-- compared_at is that of the folder that was compared first, as in `folder_status`.
SELECT a.id::text, a.email_address, a.provider, a.status, a.sync_status, a.last_sync_at,
       a.initial_sync_completed, a.verified_at,
       (SELECT CASE WHEN bool_and(f.compared_at IS NOT NULL AND f.list_total IS NOT NULL)
                    THEN min(f.compared_at) END
          FROM mailsync.email_folders f
         WHERE f.account_id = a.id AND f.selected AND f.gone_at IS NULL),
       a.last_error, a.last_error_message, a.next_sync_at, a.created_at
  FROM mailsync.email_accounts a
 WHERE a.user_id = :user_id
   AND (cast(:account_id AS uuid) IS NULL OR a.id = cast(:account_id AS uuid))
   AND (a.created_at, a.id) > (cast(:after_at AS timestamptz), cast(:after_id AS uuid))
 ORDER BY a.created_at, a.id
 LIMIT :limit

-- folder_choices --
-- Every folder of an account, mirrored or not; its dates as in `folder_status`.
SELECT f.id, f.display_name, f.role, f.parent_remote_id, f.remote_id, f.selected, f.hidden, f.total,
       f.unread, f.remote_total, f.count_offset, f.unread_offset,
       CASE WHEN f.selected AND f.verified_at IS NOT NULL
            THEN greatest(f.verified_at, a.verified_at) ELSE f.verified_at END,
       CASE WHEN f.list_total IS NOT NULL THEN f.compared_at END, f.differing
  FROM mailsync.email_folders f
  JOIN mailsync.email_accounts a ON a.id = f.account_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id

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

-- own_run --
-- One run of a user, and when its mailbox is synced next, unless a sync is under way or none comes.
SELECT r.id, r.account_id::text, r.status, r.sync_type, r.trigger, r.created_at, r.started_at,
       r.finished_at, r.requests, r.repair_rounds, r.error, r.error_message, r.folder_ids,
       CASE WHEN a.status = 'active'
             AND NOT EXISTS (SELECT 1 FROM mailsync.sync_runs o
                              WHERE o.account_id = a.id AND o.status IN ('queued', 'running'))
            THEN a.next_sync_at END
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
-- The sealed grant and access token of an account, and when the next one may be asked for.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id,
       access_issued_at, renew_after
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)

-- lock_credentials --
-- The same, held until the transaction ends: one writer renews at a time.
SELECT grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at, organisation_id,
       access_issued_at, renew_after
  FROM mailsync.email_credentials
 WHERE account_id = cast(:account_id AS uuid)
   FOR UPDATE

-- save_credentials --
-- A new grant, or the organisation in its stead, and an access token.
INSERT INTO mailsync.email_credentials AS c
       (account_id, grant_key_id, grant_sealed, access_key_id, access_sealed, access_expires_at,
        organisation_id, access_issued_at)
VALUES (cast(:account_id AS uuid), :grant_key_id, :grant_sealed, :access_key_id, :access_sealed,
        :access_expires_at, :organisation_id, :access_issued_at)
    ON CONFLICT (account_id) DO UPDATE
   SET grant_key_id = excluded.grant_key_id, grant_sealed = excluded.grant_sealed,
       access_key_id = excluded.access_key_id, access_sealed = excluded.access_sealed,
       access_expires_at = excluded.access_expires_at,
       organisation_id = excluded.organisation_id,
       access_issued_at = excluded.access_issued_at,
       renew_after = NULL, refused_at = NULL, updated_at = now()

-- postpone_renewal --
-- The identity platform wants no request for this account before then.
UPDATE mailsync.email_credentials SET renew_after = :renew_after
 WHERE account_id = cast(:account_id AS uuid)

-- grant_ended --
-- The identity platform says that the grant has ended; only a new sign-in brings another one.
UPDATE mailsync.email_credentials SET refused_at = now()
 WHERE account_id = cast(:account_id AS uuid)

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
-- Expired sign-ins, a limited number at once.
DELETE FROM mailsync.sign_ins
 WHERE state_hash IN
       (SELECT state_hash FROM mailsync.sign_ins
         WHERE expires_at <= now() ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED)

-- forget_joined_keys --
-- Of requests that joined a run more than a day ago, some at once.
DELETE FROM mailsync.joined_keys
 WHERE (account_id, idempotency_key) IN
       (SELECT account_id, idempotency_key FROM mailsync.joined_keys
         WHERE created_at < now() - interval '1 day' LIMIT :limit FOR UPDATE SKIP LOCKED)

-- forget_self_tests --
-- Rows of self-tests that died before they read them, some at once.
DELETE FROM mailsync.self_tests
 WHERE id IN
       (SELECT id FROM mailsync.self_tests
         WHERE written_at < now() - interval '1 hour' LIMIT :limit FOR UPDATE SKIP LOCKED)

-- take_call --
-- One call of a user's allowance; the seconds until there is one, 0: it is taken. Each call moves
-- whole_at on by its share of an hour, and none moves it beyond an hour from now (GCRA).
WITH asked AS (SELECT make_interval(secs => 3600.0 / cast(:per_hour AS int)) AS share),
taken AS (
  INSERT INTO mailsync.call_limits AS l (user_id, kind, whole_at)
  SELECT :user_id, :kind, now() + share FROM asked
  ON CONFLICT (user_id, kind) DO UPDATE
     SET whole_at = greatest(l.whole_at, now()) + (SELECT share FROM asked)
   WHERE l.whole_at + (SELECT share FROM asked) <= now() + interval '1 hour'
  RETURNING 1)
SELECT CASE WHEN EXISTS (SELECT 1 FROM taken) THEN 0
            ELSE greatest(1, coalesce(
              (SELECT ceil(extract(epoch FROM l.whole_at + share - interval '1 hour' - now()))
                 FROM mailsync.call_limits l, asked
                WHERE l.user_id = :user_id AND l.kind = :kind), 1)) END

-- forget_whole_limits --
-- Allowances that are whole again, a limited number at once.
DELETE FROM mailsync.call_limits
 WHERE (user_id, kind) IN
       (SELECT user_id, kind FROM mailsync.call_limits
         WHERE whole_at <= now() LIMIT :limit FOR UPDATE SKIP LOCKED)

-- take_sign_in --
-- The sign-in of this state and browser; it can be taken once.
DELETE FROM mailsync.sign_ins
 WHERE state_hash = :state_hash AND cookie_hash = :cookie_hash AND expires_at > now()
RETURNING user_id, flow_key_id, flow_sealed

-- save_pending_connection --
-- A mailbox that was signed in to, until the user who began confirms it.
INSERT INTO mailsync.pending_connections
       (token_hash, user_id, connection_key_id, connection_sealed, expires_at)
VALUES (:token_hash, :user_id, :key_id, :sealed, now() + make_interval(secs => cast(:seconds AS int)))

-- take_pending_connection --
-- The mailbox that waits under this token. It can be taken once, by any user.
DELETE FROM mailsync.pending_connections
 WHERE token_hash = :token_hash AND expires_at > now()
RETURNING user_id, connection_key_id, connection_sealed

-- forget_pending_connections --
-- Mailboxes that were not confirmed in time, a thousand at once.
DELETE FROM mailsync.pending_connections
 WHERE token_hash IN
       (SELECT token_hash FROM mailsync.pending_connections
         WHERE expires_at <= now() LIMIT 1000 FOR UPDATE SKIP LOCKED)

-- write_self_test --
-- A row of the self-test.
INSERT INTO mailsync.self_tests (id) VALUES (:id) ON CONFLICT (id) DO NOTHING

-- read_self_test --
-- The row that the self-test wrote, removed again.
DELETE FROM mailsync.self_tests WHERE id = :id RETURNING id

-- add_subscriptions --
-- A row for each mailbox that is mirrored and whose provider has not been asked to notify us yet.
INSERT INTO mailsync.provider_subscriptions (account_id, callback_url)
SELECT a.id, :callback_url
  FROM mailsync.email_accounts a
 WHERE a.provider = :provider AND a.status = 'active' AND a.initial_sync_completed
   AND NOT EXISTS (SELECT 1 FROM mailsync.provider_subscriptions s WHERE s.account_id = a.id)
    ON CONFLICT DO NOTHING

-- claim_subscription --
-- One that must be made or renewed, put off so that no other tick takes it too. One that leads to
-- another address is made anew; what it led to is returned, and its id stays until another is made.
-- A mailbox that is being synced is left in peace.
WITH due AS (
  SELECT s.account_id, s.callback_url
    FROM mailsync.provider_subscriptions s
    JOIN mailsync.email_accounts a ON a.id = s.account_id
   WHERE (s.next_try_at <= now() OR s.callback_url <> :callback_url)
     AND a.provider = :provider AND a.status = 'active' AND a.initial_sync_completed
     AND (a.lease_owner IS NULL OR a.lease_until < now())
   ORDER BY s.next_try_at
     FOR UPDATE OF s SKIP LOCKED
   LIMIT 1)
UPDATE mailsync.provider_subscriptions s
   SET next_try_at = now() + make_interval(secs => cast(:next_in_s AS int)),
       callback_url = :callback_url, updated_at = now()
  FROM due
 WHERE s.account_id = due.account_id
RETURNING s.account_id::text, s.remote_id, s.next_try_at, due.callback_url, s.failures

-- subscription_made --
-- The provider notifies us from now on; nothing when the claim, known by its end, is no longer good:
-- the account was disconnected meanwhile or is about to be, or somebody else has claimed it.
UPDATE mailsync.provider_subscriptions
   SET remote_id = :remote_id, secret_hash = :secret_hash, expires_at = :expires_at,
       next_try_at = now() + make_interval(secs => :next_in_s),
       failures = 0, last_error = NULL, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND next_try_at = cast(:claimed_until AS timestamptz)

-- subscription_renewed --
-- The provider will go on notifying us; nothing when that one was removed or replaced meanwhile.
UPDATE mailsync.provider_subscriptions
   SET expires_at = :expires_at, next_try_at = now() + make_interval(secs => :next_in_s),
       failures = 0, last_error = NULL, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND remote_id = :remote_id

-- subscription_gone --
-- The provider says that there is none of this id. It counts as a failure until another is made, so
-- that the next claim looks for both if this worker dies in between.
UPDATE mailsync.provider_subscriptions
   SET failures = failures + 1, updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND next_try_at = cast(:claimed_until AS timestamptz)

-- subscription_failed --
-- It could not be made or renewed; what there is goes on until it expires. Nothing when the claim is
-- no longer good, as above: the next one must not lose its own.
UPDATE mailsync.provider_subscriptions
   SET failures = :failures, last_error = :error,
       next_try_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE account_id = cast(:account_id AS uuid) AND next_try_at = cast(:claimed_until AS timestamptz)

-- withdraw_subscription --
-- What a user's account is about to lose; put off, so that no tick renews it meanwhile, and what one
-- is making at this moment is not kept.
UPDATE mailsync.provider_subscriptions s
   SET next_try_at = now() + interval '1 minute', updated_at = now()
  FROM mailsync.email_accounts a
 WHERE a.id = s.account_id AND a.id = cast(:account_id AS uuid) AND a.user_id = :user_id
RETURNING s.account_id::text, s.remote_id, s.next_try_at, s.callback_url, s.failures

-- unheld_subscriptions --
-- Those of one mailbox that no row holds, so that no account uses them. None while a claim other than
-- the caller's may be making one for the same mailbox, which another user may have connected too:
-- such a claim ends within `claimed_for_s`, and its subscription is in no row yet.
WITH claimed AS MATERIALIZED (
  SELECT s.account_id
    FROM mailsync.provider_subscriptions s
   WHERE s.next_try_at > now()
     AND s.next_try_at <= now() + make_interval(secs => cast(:claimed_for_s AS int))
     AND NOT (s.account_id = cast(:account_id AS uuid)
              AND s.next_try_at = cast(:claimed_until AS timestamptz)))
SELECT listed.id
  FROM json_array_elements_text(cast(:remote_ids AS json)) AS listed (id)
 WHERE NOT EXISTS (
       SELECT 1 FROM mailsync.provider_subscriptions s WHERE s.remote_id = listed.id)
   AND NOT EXISTS (
       SELECT 1
         FROM claimed
         JOIN mailsync.email_accounts a ON a.id = claimed.account_id
         JOIN mailsync.email_accounts own USING (provider, provider_account_id)
        WHERE own.id = cast(:account_id AS uuid))

-- forget_subscription --
-- From now on its notifications mean nothing.
DELETE FROM mailsync.provider_subscriptions WHERE account_id = cast(:account_id AS uuid)

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
-- Whether the provider has notified us since the run began, whether it can be relied upon to, whether
-- the run changed any row, and for how long no other did.
SELECT coalesce(a.notified_at > r.started_at, false),
       coalesce(a.notified_at > now() - interval '1 day' AND s.expires_at > now(), false),
       EXISTS (SELECT 1 FROM mailsync.sync_run_folders p
                WHERE p.run_id = r.id AND p.inserted + p.updated + p.removed > 0),
       extract(epoch FROM now() - a.changed_at)::float8
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
  LEFT JOIN mailsync.provider_subscriptions s ON s.account_id = a.id
 WHERE r.id = :run_id

-- backlog --
-- How far behind we are: mailboxes that are due and on which nobody works, claimed or not, for how
-- long the oldest of them or of the runs that nobody has begun waits, the oldest event that waits,
-- messages in quarantine, those of which the provider says two things, accounts that wait for their
-- person.
WITH waiting AS MATERIALIZED (
  SELECT next_sync_at
    FROM mailsync.email_accounts
   WHERE status = 'active' AND next_sync_at <= now()
     AND (lease_owner IS NULL OR lease_until < now()))
SELECT (SELECT count(*) FROM waiting),
       (SELECT greatest(0, extract(epoch FROM now() - least(
                 (SELECT min(next_sync_at) FROM waiting),
                 (SELECT min(created_at) FROM mailsync.sync_runs WHERE status = 'queued'))))),
       (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)
          FROM mailsync.outbox WHERE published_at IS NULL),
       (SELECT count(*) FROM mailsync.email_quarantine),
       (SELECT count(*) FROM mailsync.proof_differences),
       (SELECT count(*) FROM mailsync.email_accounts WHERE status = 'reauth_required')
