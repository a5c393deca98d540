-- The lease of a mailbox, and what each worker learns about the provider's limits.

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

-- check_lease --
-- The fence: holds the epoch until this transaction ends, without barring other workers.
SELECT 1 FROM mailsync.email_accounts
 WHERE id = cast(:account_id AS uuid) AND lease_epoch = :epoch AND lease_owner IS NOT NULL
   FOR SHARE

-- lease_owner --
-- Who holds the mailbox.
SELECT lease_owner FROM mailsync.email_accounts WHERE id = cast(:account_id AS uuid)

-- break_check --
-- Whoever changes the account ends a check that has no run; it can write nothing from now on.
UPDATE mailsync.email_accounts
   SET lease_owner = NULL, lease_until = NULL
 WHERE id = cast(:account_id AS uuid) AND lease_owner = :checker
