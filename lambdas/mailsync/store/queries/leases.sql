-- The lease of a mailbox, and what each worker learns about the provider's limits.

-- take_lease --
-- Take the lease if it is free, expired or already ours; the epoch rises unless it was ours. A
-- check without a run yields to any execution, and one with a run to the run's own execution.
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
-- Extend the lease of this epoch; returns no row when another execution took it.
UPDATE mailsync.email_accounts
   SET lease_until = now() + make_interval(secs => cast(:seconds AS int))
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
RETURNING 1

-- hand_over_lease --
-- Give the lease of this epoch to a successor; returns no row when another execution took it. The
-- epoch rises, so that workers of the execution before can write nothing more.
UPDATE mailsync.email_accounts
   SET lease_epoch = lease_epoch + 1, lease_owner = :owner,
       lease_until = now() + make_interval(secs => cast(:seconds AS int))
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
RETURNING 1

-- save_throttle --
-- Record the pause that the provider asked for; the lease outlasts it.
UPDATE mailsync.email_accounts
   SET throttled_until = greatest(throttled_until, now() + make_interval(secs => :wait_s)),
       lease_until = greatest(lease_until, now() + make_interval(secs => :wait_s + :lease_s))
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL

-- save_in_flight --
-- Store the number of concurrent requests that the provider accepts, if it is lower than the known
-- one.
UPDATE mailsync.email_accounts SET max_in_flight = :in_flight, in_flight_at = now()
 WHERE id = cast(:account_id AS uuid)
   AND coalesce(max_in_flight + floor(extract(epoch FROM now() - in_flight_at) / 3600) > :in_flight,
                true)

-- check_lease --
-- The fence: lock the epoch until this transaction ends, without blocking other workers of the run.
SELECT 1 FROM mailsync.email_accounts
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
   FOR SHARE

-- check_lease_alone --
-- The fence that also keeps other workers of the run out until this transaction ends.
SELECT 1 FROM mailsync.email_accounts
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
   FOR NO KEY UPDATE

-- lease_owner --
-- Return the owner of the lease.
SELECT lease_owner FROM mailsync.email_accounts WHERE id = cast(:account_id AS uuid)

-- break_check --
-- End a check without a run before the account is changed; the check can write nothing more.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL
 WHERE id = cast(:account_id AS uuid) AND lease_owner = :checker
