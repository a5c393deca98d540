-- Runs: enqueued, begun, finished, and the Idempotency-Keys that name them.

-- enqueue_run --
-- Add a queued run; returns no row when one is open already.
INSERT INTO mailsync.sync_runs (id, account_id, sync_type, folder_ids, trigger, idempotency_key)
VALUES (:run_id, cast(:account_id AS uuid), :sync_type, cast(:folder_ids AS jsonb), :trigger,
        :idempotency_key)
    ON CONFLICT DO NOTHING
RETURNING id

-- show_open_run --
-- Mark an account with an open run as syncing, for readers of the table. The caller holds the lock
-- of the account, so the run cannot end meanwhile.
UPDATE mailsync.email_accounts a SET sync_status = 'syncing'
 WHERE a.id = cast(:account_id AS uuid)
   AND EXISTS (SELECT 1 FROM mailsync.sync_runs r
                WHERE r.account_id = a.id AND r.status IN ('queued', 'running'))

-- lock_account_of_run --
-- Lock the account of a run; return whether it was connected again since that run began, and whether
-- a person confirmed a removal since then.
SELECT a.failures, a.status, a.connected_at > coalesce(r.started_at, r.created_at),
       coalesce(a.removal_confirmed_at > coalesce(r.started_at, r.created_at), false)
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE r.id = :run_id
   FOR UPDATE OF a

-- completed_run --
-- Return a run if it ended well.
SELECT 1 FROM mailsync.sync_runs WHERE id = :run_id AND status = 'completed'

-- foreign_run --
-- Return a run that this execution must not begin or close: it has an outcome, or another execution
-- is its current one.
SELECT 1 FROM mailsync.sync_runs
 WHERE id = :run_id
   AND (status NOT IN ('queued', 'running') OR coalesce(execution_name, id) <> :execution_name)

-- open_run --
-- Begin the run, or continue it after a retry or in a successor of its first execution.
INSERT INTO mailsync.sync_runs AS r
       (id, account_id, execution_arn, execution_name, sync_type, trigger, status, started_at,
        execution_began_at, execution_events)
VALUES (:run_id, cast(:account_id AS uuid), :execution_arn,
        nullif(cast(:execution_name AS text), :run_id), :sync_type, :trigger, 'running', now(),
        now(), :events)
    ON CONFLICT (id) DO UPDATE
   SET execution_arn = excluded.execution_arn, status = 'running', heartbeat_at = now(),
       started_at = coalesce(r.started_at, now()),
       execution_began_at = CASE WHEN r.execution_arn = excluded.execution_arn
                                 THEN r.execution_began_at ELSE now() END,
       execution_events = CASE WHEN r.execution_arn = excluded.execution_arn
                               THEN r.execution_events ELSE 0 END + excluded.execution_events

-- seconds_since_start --
-- Return how long ago a run began.
SELECT extract(epoch FROM clock_timestamp() - started_at)::float8
  FROM mailsync.sync_runs WHERE id = :run_id

-- current_execution --
-- Return the name of the current execution of an open run, and whether it has begun.
SELECT coalesce(execution_name, id), execution_arn IS NOT NULL
  FROM mailsync.sync_runs
 WHERE id = :run_id AND status IN ('queued', 'running')

-- name_successor --
-- Record the next execution of a run before it is started.
UPDATE mailsync.sync_runs
   SET execution_name = :execution_name, execution_arn = NULL, execution_events = 0,
       execution_began_at = NULL, heartbeat_at = now()
 WHERE id = :run_id

-- close_stale_run --
-- Close the open run of another execution, whose lease has just been taken.
UPDATE mailsync.sync_runs
   SET status = 'failed', error = 'LeaseLost', finished_at = now(),
       error_message = 'The execution died; another one took over.'
 WHERE account_id = cast(:account_id AS uuid) AND id <> :run_id AND status IN ('queued', 'running')
RETURNING id, error

-- find_open_run --
-- Return the open run of an account, with the age in seconds of its last heartbeat.
SELECT id, execution_arn, coalesce(execution_name, id), status,
       extract(epoch FROM now() - heartbeat_at)::float8, sync_type, folder_ids
  FROM mailsync.sync_runs
 WHERE account_id = cast(:account_id AS uuid) AND status IN ('queued', 'running')

-- lock_key --
-- Serialise the requests of an account with this Idempotency-Key until this transaction ends.
SELECT pg_advisory_xact_lock(
         hashtextextended(concat_ws(' ', cast(:account_id AS text), cast(:key AS text)), 0))

-- find_run_by_key --
-- Return the run that an earlier request with this Idempotency-Key started or joined, and what that
-- request asked for.
SELECT id, execution_arn, coalesce(execution_name, id), status,
       extract(epoch FROM now() - heartbeat_at)::float8, sync_type, folder_ids, sync_type, folder_ids
  FROM mailsync.sync_runs
 WHERE account_id = cast(:account_id AS uuid) AND idempotency_key = :key
 UNION ALL
SELECT r.id, r.execution_arn, coalesce(r.execution_name, r.id), r.status,
       extract(epoch FROM now() - r.heartbeat_at)::float8, r.sync_type, r.folder_ids, k.sync_type,
       k.folder_ids
  FROM mailsync.joined_keys k
  JOIN mailsync.sync_runs r ON r.id = k.run_id
 WHERE k.account_id = cast(:account_id AS uuid) AND k.idempotency_key = :key

-- keep_joined_key --
-- Record that a request with this Idempotency-Key joined a run, and what it asked for; delete some
-- old records of the account.
WITH old AS MATERIALIZED (
  SELECT account_id, idempotency_key FROM mailsync.joined_keys
   WHERE account_id = cast(:account_id AS uuid) AND created_at < now() - interval '1 day'
   LIMIT 100 FOR UPDATE SKIP LOCKED),
forgotten AS (
  DELETE FROM mailsync.joined_keys j USING old
   WHERE (j.account_id, j.idempotency_key) = (old.account_id, old.idempotency_key))
INSERT INTO mailsync.joined_keys (account_id, idempotency_key, run_id, sync_type, folder_ids)
VALUES (cast(:account_id AS uuid), :key, :run_id, :sync_type, cast(:folder_ids AS jsonb))

-- forget_joined_key --
-- Delete the record of a joined run that turned out to be dead, so that the request gets another
-- run.
DELETE FROM mailsync.joined_keys
 WHERE account_id = cast(:account_id AS uuid) AND idempotency_key = :key AND run_id = :run_id

-- open_run_of_execution --
-- Return the run without an outcome whose current execution has this name.
SELECT id, account_id::text FROM mailsync.sync_runs
 WHERE (id = :name AND execution_name IS NULL OR execution_name = :name)
   AND status IN ('queued', 'running')

-- execution_of_run --
-- Return the name of the current execution of a run.
SELECT coalesce(execution_name, id) FROM mailsync.sync_runs WHERE id = :run_id

-- stale_runs --
-- Return open runs without a recent heartbeat; their execution may be dead. A run that waits for
-- its provider has no heartbeat for long, and is left out.
SELECT r.id, r.account_id::text, r.execution_arn, coalesce(r.execution_name, r.id)
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE r.status IN ('queued', 'running')
   AND r.heartbeat_at < now() - make_interval(secs => cast(:seconds AS int))
   AND (a.throttled_until IS NULL OR a.throttled_until < now())
 ORDER BY r.heartbeat_at
 LIMIT :limit

-- run_settings --
-- Return what the run syncs, and its repair rounds.
SELECT sync_type, repair_rounds, folder_ids FROM mailsync.sync_runs WHERE id = :run_id

-- count_repair_round --
-- Count a repair round of this run.
UPDATE mailsync.sync_runs SET repair_rounds = repair_rounds + 1 WHERE id = :run_id

-- run_heartbeat --
-- Record a heartbeat, the requests since the last one, and the history events of a visit; return
-- whether the current execution must hand over the run. Requests end a visit that had no pause.
UPDATE mailsync.sync_runs
   SET heartbeat_at = now(), requests = requests + :requests,
       waits = CASE WHEN cast(:requests AS int) > 0 THEN 0 ELSE waits END,
       execution_events = execution_events + :events
 WHERE id = :run_id
RETURNING execution_events > cast(:max_events AS int)
          OR coalesce(execution_began_at < now() - make_interval(secs => :max_age_s), false)

-- count_events --
-- Add history events to those of the current execution.
UPDATE mailsync.sync_runs SET execution_events = execution_events + :events WHERE id = :run_id

-- count_wait --
-- Count a pause that the provider requested; return how many there were since a state did its work.
UPDATE mailsync.sync_runs SET waits = waits + 1 WHERE id = :run_id RETURNING waits

-- finish_run --
-- Give a run its outcome, and finish its folders that were still marked as running; an existing outcome
-- stays. requests: those since the last heartbeat.
WITH finished AS (
  UPDATE mailsync.sync_runs
     SET status = :status, error = :error, error_message = :error_message, finished_at = now(),
         requests = requests + :requests
   WHERE id = :run_id AND status IN ('queued', 'running')
  RETURNING id, account_id),
folders AS (
  UPDATE mailsync.sync_run_folders f SET status = :status, finished_at = now()
    FROM finished WHERE f.run_id = finished.id AND f.status = 'running')
SELECT account_id::text FROM finished

-- account_completed --
-- Record a verified sync. error: what a person should know nevertheless. A run that left counts unread
-- does not verify the mailbox, only the folders that changed; nor does a run that left messages pending.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, sync_status = 'completed', last_sync_at = now(),
       initial_sync_completed = true,
       verified_at = CASE WHEN (SELECT r.has_unread_counts FROM mailsync.sync_runs r
                                 WHERE r.id = :run_id)
                           OR EXISTS (SELECT 1 FROM mailsync.pending_messages w
                                       WHERE w.account_id = cast(:account_id AS uuid))
                         THEN verified_at ELSE now() END,
       last_error = :error, last_error_message = :error_message, failures = 0,
       changed_at = CASE WHEN :has_changed THEN now() ELSE changed_at END,
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid)

-- messages_are_pending --
-- Return whether a page named messages of the account whose contents were not fetched yet.
SELECT EXISTS (SELECT 1 FROM mailsync.pending_messages WHERE account_id = cast(:account_id AS uuid))

-- account_failed --
-- Record a failed sync; the data stays, and the next run continues from the cursors.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, sync_status = 'failed',
       status = CASE WHEN :needs_person AND status = 'active' THEN 'reauth_required' ELSE status END,
       last_error = :error, last_error_message = :error_message, failures = failures + 1,
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND (lease_owner IS NULL OR lease_owner = :owner)
RETURNING failures

-- forget_stopped_runs --
-- Delete runs that a person stopped more than a week ago, a limited number at a time.
DELETE FROM mailsync.sync_runs
 WHERE id = ANY (ARRAY(
       SELECT id FROM mailsync.sync_runs
        WHERE account_id = cast(:account_id AS uuid) AND status = 'cancelled'
          AND created_at < now() - interval '7 days'
        LIMIT 100 FOR UPDATE SKIP LOCKED))

-- account_runs --
-- Return the runs of a user's account, the newest first, before a position.
SELECT r.id, r.account_id::text, r.status, r.sync_type, r.trigger, r.created_at, r.started_at,
       r.finished_at, r.requests, r.repair_rounds, r.error, r.error_message, r.folder_ids
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE a.id = cast(:account_id AS uuid) AND a.user_id = :user_id
   AND (r.created_at, r.id) < (cast(:before_at AS timestamptz), :before_id)
 ORDER BY r.created_at DESC, r.id DESC
 LIMIT :limit

-- run_of_user --
-- Return one run of a user, and when its mailbox is synced next, unless a sync is running or none
-- is scheduled.
SELECT r.id, r.account_id::text, r.status, r.sync_type, r.trigger, r.created_at, r.started_at,
       r.finished_at, r.requests, r.repair_rounds, r.error, r.error_message, r.folder_ids,
       CASE WHEN a.status = 'active'
             AND NOT EXISTS (SELECT 1 FROM mailsync.sync_runs o
                              WHERE o.account_id = a.id AND o.status IN ('queued', 'running'))
            THEN a.next_sync_at END
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
 WHERE r.id = :run_id AND a.user_id = :user_id

-- forget_joined_keys --
-- Delete Idempotency-Keys of requests that joined a run more than a day ago, a limited number at a
-- time.
WITH old AS MATERIALIZED (
  SELECT account_id, idempotency_key FROM mailsync.joined_keys
   WHERE created_at < now() - interval '1 day' LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM mailsync.joined_keys j USING old
 WHERE (j.account_id, j.idempotency_key) = (old.account_id, old.idempotency_key)

-- run_end --
-- Return the number of selected folders that were not verified in a run or whose full sync is running; if
-- the run left counts unread, only of those that it changed; 1 while no folder is known: every mailbox
-- has some, so its tree was not read. Also return whether a notification or a person's confirmation of a
-- removal arrived since the run began, whether notifications arrive at all, whether the run changed any
-- row, for how long no other run did, and whether messages of the account are pending.
SELECT (SELECT count(*) FILTER (WHERE f.selected AND f.gone_at IS NULL
                                   AND (c.walking OR f.verified_at IS NULL
                                        OR f.verified_at < r.started_at
                                           AND (f.counts_wanted OR NOT r.has_unread_counts)))
               + CASE WHEN count(*) = 0 THEN 1 ELSE 0 END
          FROM mailsync.email_folders f
          JOIN mailsync.change_feeds c ON c.id = f.feed_id
         WHERE f.account_id = r.account_id),
       coalesce(greatest(a.notified_at, a.removal_confirmed_at) > r.started_at, false),
       coalesce(a.notified_at > now() - interval '1 day' AND s.expires_at > now(), false),
       EXISTS (SELECT 1 FROM mailsync.sync_run_folders p
                WHERE p.run_id = r.id AND p.inserted + p.updated + p.removed > 0),
       extract(epoch FROM now() - a.changed_at)::float8,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w WHERE w.account_id = a.id)
  FROM mailsync.sync_runs r
  JOIN mailsync.email_accounts a ON a.id = r.account_id
  LEFT JOIN mailsync.provider_subscriptions s ON s.account_id = a.id
 WHERE r.id = :run_id
