-- Checks: a mailbox under a lease, without a run until there is something to store.

-- begin_check --
-- Take the lease for a check of a mailbox, which creates no run if there is nothing new. Returns
-- its state and its credentials as `read_credentials` does; no row while another worker holds the
-- account or is about to take it. A closed account can be checked unless its grant has ended.
-- is_fully_verified: the last sync verified every folder without a difference, no message or folder
-- is due for a request by id, no mail waits for its deletion, and no failed feed is due for a
-- retry.
WITH taken AS (
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
RETURNING a.id, a.lease_epoch, a.provider, a.status, a.initial_sync_completed, a.provider_account_id,
       (SELECT c.organisation_id FROM mailsync.email_credentials c WHERE c.account_id = a.id),
       a.max_in_flight + floor(extract(epoch FROM now() - a.in_flight_at) / 3600)::int,
       greatest(0, extract(epoch FROM a.throttled_until - now()))::float8,
       a.placements_filled_to IS NULL, now(),
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
                           JOIN mailsync.change_feeds c ON c.id = f.feed_id
                          WHERE f.account_id = a.id AND c.fallback_at < now() - interval '1 day'
                            AND NOT EXISTS (SELECT 1 FROM mailsync.email_quarantine q
                                              JOIN mailsync.quarantine_placements p
                                                   USING (account_id, message_id)
                                             WHERE p.folder_id = f.id AND q.cause = 'unanswered')),
       coalesce(a.notified_at > now() - interval '1 day', false)
         AND EXISTS (SELECT 1 FROM mailsync.provider_subscriptions s
                      WHERE s.account_id = a.id AND s.expires_at > now()),
       extract(epoch FROM now() - a.changed_at)::float8,
       coalesce(extract(epoch FROM now() - a.last_sync_at), 0)::float8, a.tree_read_at,
       a.hidden_read_at, a.failures)
SELECT t.*, c.account_id IS NOT NULL, c.grant_key_id, c.grant_sealed, c.access_key_id,
       c.access_sealed, c.access_expires_at, c.organisation_id, c.access_issued_at, c.renew_after,
       c.password_key_id, c.password_sealed
  FROM taken t LEFT JOIN mailsync.email_credentials c ON c.account_id = t.id

-- end_check --
-- End a check that found nothing new: the mailbox is verified, as of now if the whole folder tree
-- was read. A notification that arrived during the check makes the mailbox due again. The first check
-- after a notification is repeated soon if it found nothing: the provider may notify before its change
-- feed has the change. The cursors move, since a provider accepts only the newest few. Returns no row
-- when another worker took the lease.
WITH ended AS (
  UPDATE mailsync.email_accounts
     SET lease_owner = NULL, lease_until = NULL, last_sync_at = now(),
         verified_at = CASE WHEN :is_whole
                                 AND NOT EXISTS (SELECT 1 FROM mailsync.pending_messages w
                                                  WHERE w.account_id = cast(:account_id AS uuid))
                            THEN now() ELSE verified_at END,
         tree_read_at = CASE WHEN :is_tree_read THEN now() ELSE tree_read_at END,
         hidden_read_at = CASE WHEN :is_thorough THEN now() ELSE hidden_read_at END,
         next_sync_at = CASE WHEN notified_at > :began_at THEN now()
                             WHEN notified_at > coalesce(last_sync_at, '-infinity')
                             THEN now() + make_interval(secs => least(cast(:next_in_s AS float8), :recheck_s))
                             ELSE now() + make_interval(secs => :next_in_s) END,
         updated_at = now()
   WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
  RETURNING 1),
moved AS (
  UPDATE mailsync.change_feeds c
     SET cursor_key_id = coalesce(n.key_id, c.cursor_key_id),
         cursor_sealed = coalesce(decode(n.cursor, 'base64'), c.cursor_sealed),
         read_at = now(), updated_at = now(), round_began_at = :began_at, complete_as_of = :began_at
    FROM json_to_recordset(cast(:cursors AS json)) AS n
         (feed_id bigint, walk int, key_id bigint, cursor text)
   WHERE c.id = n.feed_id AND c.walk = n.walk AND NOT c.walking
     AND EXISTS (SELECT 1 FROM ended)),
compared AS (
  UPDATE mailsync.email_folders f
     SET compared_at = now(), list_total = n.total, list_unread = n.unread
    FROM json_to_recordset(cast(:compared AS json)) AS n (folder_id bigint, total int, unread int)
   WHERE f.id = n.folder_id AND EXISTS (SELECT 1 FROM ended))
SELECT 1 FROM ended

-- reopen_account --
-- Activate a closed account that has an access token again; the check continues. Returns no row
-- when another worker took the lease or changed the account.
UPDATE mailsync.email_accounts
   SET status = 'active', failures = 0, last_error = NULL, last_error_message = NULL,
       next_sync_at = now(), updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
   AND status = 'reauth_required'
RETURNING 1

-- stay_closed --
-- Put off the next attempt at a closed account that still has no access token. Returns no row when
-- another worker took the lease.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL, failures = failures + 1,
       last_error_message = coalesce(:error_message, last_error_message),
       next_sync_at = now() + make_interval(secs => :next_in_s), updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
RETURNING 1

-- keep_checked --
-- Extend the lease of a check that is about to open a run, and mark the account as syncing for readers
-- of the table; returns no row when another worker took it. Updates no key column, so that a concurrent
-- request for a run does not wait.
UPDATE mailsync.email_accounts
   SET lease_until = now() + make_interval(secs => cast(:seconds AS int)), sync_status = 'syncing',
       updated_at = now()
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
RETURNING 1

-- release_check --
-- Release the lease of a check; returns no row when another worker took it.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner = :checker
RETURNING 1

-- open_check_run --
-- Turn a check that found something to store into a run, as old as the check; returns no row when
-- another run was requested meanwhile.
INSERT INTO mailsync.sync_runs
       (id, account_id, sync_type, trigger, status, created_at, started_at)
VALUES (:run_id, cast(:account_id AS uuid), :sync_type, :trigger, 'running', :began_at, :began_at)
    ON CONFLICT DO NOTHING
RETURNING id

-- hand_over_run --
-- Leave the run of a check to an execution, which has repair rounds of its own.
UPDATE mailsync.sync_runs SET repair_rounds = 0, heartbeat_at = now()
 WHERE id = :run_id AND status = 'running'

-- checked_folders --
-- Return the existing folders of an account, in the columns of `known_folders`, with our counts.
SELECT f.id, f.remote_id, f.parent_remote_id, f.display_name, f.role, f.hidden, f.selected,
       c.id, c.folder_id IS NULL, c.cursor_key_id, c.cursor_sealed, c.walk, c.walking, c.page_size,
       c.midway, c.fallback, c.read_at,
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id
                  AND (w.retry_at IS NULL OR w.retry_at < now() + interval '10 seconds')),
       f.remote_total, f.remote_unread, f.active_at, f.counts_wanted, f.total,
       f.unread, f.count_offset, f.unread_offset, f.compared_at,
       (SELECT count(*) FROM mailsync.quarantine_placements q
         WHERE q.folder_id = f.id
           AND NOT EXISTS (SELECT 1 FROM mailsync.emails m
                             JOIN mailsync.email_placements p ON p.email_id = m.id
                            WHERE m.account_id = q.account_id AND m.message_id = q.message_id
                              AND p.folder_id = f.id))
  FROM mailsync.email_folders f
  JOIN mailsync.change_feeds c ON c.id = f.feed_id
 WHERE f.account_id = cast(:account_id AS uuid) AND f.gone_at IS NULL
 ORDER BY f.id
