-- The provider's quota: units that were taken in the last minute, per mailbox and per project.

-- lock_quota --
-- Lock a bucket until this transaction ends; return its id, and for how many seconds it is paused.
INSERT INTO mailsync.quota_buckets AS b (provider, account_id, slot, units_per_minute)
VALUES (:provider, cast(:account_id AS uuid), :slot, :units_per_minute)
    ON CONFLICT (provider, account_id, slot) DO UPDATE SET units_per_minute = excluded.units_per_minute
RETURNING b.id,
          greatest(0, extract(epoch FROM b.paused_until - clock_timestamp()))::float8

-- take_quota --
-- Take units from a locked bucket: a statement of its own, so that it sees what was taken before the
-- lock. Returns the granted units, at least `units` or none, the time until which they may be used,
-- and if none were granted the seconds until `awaited` units are free. Units count for window_s after
-- that time, so no minute sees more than the limit.
WITH clock AS MATERIALIZED (SELECT clock_timestamp() AS now),
recent AS MATERIALIZED (
  SELECT u.until, sum(u.units) OVER (ORDER BY u.until) AS up_to, u.units
    FROM mailsync.quota_use u, clock
   WHERE u.bucket_id = :bucket_id AND u.until > clock.now - make_interval(secs => :window_s)),
state AS MATERIALIZED (SELECT cast(:limit AS int) - coalesce(sum(units), 0)::int AS free FROM recent),
granted AS MATERIALIZED (
  SELECT CASE WHEN free >= cast(:units AS int) THEN least(greatest(:units, :block), free) ELSE 0 END
           AS units,
         date_bin(make_interval(secs => :hold_s), clock.now, '2000-01-01 00:00:00+00')
           + make_interval(secs => 2 * cast(:hold_s AS float8)) AS until
    FROM state, clock),
old AS (
  DELETE FROM mailsync.quota_use u USING clock
   WHERE u.bucket_id = :bucket_id AND u.until <= clock.now - make_interval(secs => :window_s)),
saved AS (
  INSERT INTO mailsync.quota_use AS u (bucket_id, until, units)
  SELECT :bucket_id, until, units FROM granted WHERE units > 0
      ON CONFLICT (bucket_id, until) DO UPDATE SET units = u.units + excluded.units)
SELECT granted.units, granted.until, extract(epoch FROM granted.until - clock.now)::float8,
       greatest(0, extract(epoch FROM coalesce(
         (SELECT min(r.until) FROM recent r WHERE state.free + r.up_to >= cast(:awaited AS int)),
         (SELECT max(r.until) FROM recent r), clock.now)
         + make_interval(secs => :window_s) - clock.now))::float8
  FROM granted, state, clock

-- return_quota --
-- Give units back that were taken and not used.
UPDATE mailsync.quota_use SET units = greatest(0, units - cast(:units AS int))
 WHERE bucket_id = :bucket_id AND until = cast(:until AS timestamptz)

-- pause_quota --
-- Store that the provider refused a request for lack of quota, in every slot.
INSERT INTO mailsync.quota_buckets AS b (provider, account_id, slot, units_per_minute, paused_until)
SELECT :provider, cast(:account_id AS uuid), slot, :units_per_minute,
       clock_timestamp() + make_interval(secs => :pause_s)
  FROM generate_series(0, cast(:slots AS int) - 1) AS slot
    ON CONFLICT (provider, account_id, slot) DO UPDATE
   SET paused_until = greatest(b.paused_until, excluded.paused_until)

-- quotas --
-- Return the quotas of mailboxes: the limit of units per minute, the units that were taken in the last
-- minute, until when the mailbox or its project is paused, the number of pending messages, and the
-- units that the open run has used for its pages.
SELECT b.account_id::text, b.units_per_minute,
       (SELECT coalesce(sum(u.units), 0) FROM mailsync.quota_use u
         WHERE u.bucket_id = b.id AND u.until > now() - interval '1 minute')::int,
       (SELECT max(p.paused_until) FROM mailsync.quota_buckets p
         WHERE p.provider = b.provider AND (p.account_id = b.account_id OR p.account_id IS NULL)
           AND p.paused_until > now()),
       (SELECT count(*) FROM mailsync.pending_messages w WHERE w.account_id = b.account_id)::int,
       (SELECT coalesce(sum(f.requests), 0)
          FROM mailsync.sync_runs r JOIN mailsync.sync_run_folders f ON f.run_id = r.id
         WHERE r.account_id = b.account_id AND r.status IN ('queued', 'running'))::int
  FROM mailsync.quota_buckets b
 WHERE b.account_id IN (SELECT cast(each AS uuid)
                          FROM json_array_elements_text(cast(:account_ids AS json)) AS each)
