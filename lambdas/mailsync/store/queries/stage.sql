-- What concerns the whole stage: its schema, its limits, its self-test and its backlog.

-- schema_version --
-- Return the newest applied migration.
SELECT max(version) FROM mailsync.schema_migrations

-- forget_self_tests --
-- Delete rows of self-tests that died before reading them, a limited number at a time.
DELETE FROM mailsync.self_tests
 WHERE id = ANY (ARRAY(
       SELECT id FROM mailsync.self_tests
        WHERE written_at < now() - interval '1 hour' LIMIT :limit FOR UPDATE SKIP LOCKED))

-- take_call --
-- Take one call of a user's allowance; return 0, or the seconds until the next call is allowed.
-- Each call moves whole_at by its share of an hour, at most to an hour from now (GCRA).
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
-- Delete full allowances, a limited number at a time.
WITH unused AS MATERIALIZED (
  SELECT user_id, kind FROM mailsync.call_limits
   WHERE whole_at <= now() LIMIT :limit FOR UPDATE SKIP LOCKED)
DELETE FROM mailsync.call_limits l USING unused
 WHERE (l.user_id, l.kind) = (unused.user_id, unused.kind)

-- write_self_test --
-- Write a row of the self-test.
INSERT INTO mailsync.self_tests (id) VALUES (:id) ON CONFLICT (id) DO NOTHING

-- read_self_test --
-- Delete and return the row that the self-test wrote.
DELETE FROM mailsync.self_tests WHERE id = :id RETURNING id

-- backlog --
-- Return the levels of the stage: due mailboxes without a worker, claimed or not; the longest wait
-- of one of them, or of a run without an execution; the oldest unpublished event; messages in
-- quarantine; messages about which the provider contradicts itself; accounts that wait for a
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
