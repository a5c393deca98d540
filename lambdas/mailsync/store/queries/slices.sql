-- Slices: spans of time in which several workers fetch the pending messages of a large folder.

-- sliced_feeds --
-- Return the feeds of an account with pending messages that slices fetch.
SELECT c.id FROM mailsync.change_feeds c
 WHERE c.account_id = cast(:account_id AS uuid)
   AND EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id AND w.generation = c.walk)

-- slices_left --
-- Return whether messages are pending that slices fetch, whether one of them can be claimed, and
-- whether the full sync of the feed may name more of them.
SELECT EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id AND w.generation = c.walk),
       EXISTS (SELECT 1 FROM mailsync.pending_messages w
                WHERE w.feed_id = c.id AND w.generation = c.walk
                  AND (w.retry_at IS NULL OR w.retry_at <= now())),
       c.walking
  FROM mailsync.change_feeds c
 WHERE c.account_id = cast(:account_id AS uuid) AND c.id = :feed_id

-- lock_claims --
-- Let no other worker claim a slice of this feed until this transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'slices', cast(:feed_id AS text)), 0))

-- claim_slice --
-- Claim the newest pending messages of a feed that no worker has claimed; return them with their times.
-- A part of a slice is claimed only after the feed has named all messages: before, its next page
-- completes the slice. Then the last slices become smaller, a worker's share of what is left, so that
-- the workers end at about the same time. The claim of a worker that died ends after `claim_s` seconds.
WITH free AS MATERIALIZED (
  SELECT c.walking
    FROM mailsync.pending_messages w JOIN mailsync.change_feeds c ON c.id = w.feed_id
   WHERE w.feed_id = :feed_id AND w.generation = c.walk
     AND (w.retry_at IS NULL OR w.retry_at <= now())
   LIMIT cast(:limit AS int) * cast(:worker_count AS int)),
size AS MATERIALIZED (
  SELECT CASE WHEN NOT bool_or(walking)
              THEN least(:limit, greatest(:min_messages, count(*) / cast(:worker_count AS int)))
              WHEN count(*) >= cast(:limit AS int) THEN cast(:limit AS int) ELSE 0 END AS messages
    FROM free),
next AS MATERIALIZED (
  SELECT w.message_id
    FROM mailsync.pending_messages w JOIN mailsync.change_feeds c ON c.id = w.feed_id
   WHERE w.feed_id = :feed_id AND w.generation = c.walk
     AND (w.retry_at IS NULL OR w.retry_at <= now())
   ORDER BY w.received_at DESC LIMIT (SELECT messages FROM size)
     FOR UPDATE OF w SKIP LOCKED)
UPDATE mailsync.pending_messages w
   SET retry_at = now() + make_interval(secs => :claim_s), claimed_by = :worker
  FROM next WHERE w.feed_id = :feed_id AND w.message_id = next.message_id
RETURNING w.message_id, w.received_at

-- release_slices --
-- End the claims of a worker on messages of these feeds; null: of all workers.
UPDATE mailsync.pending_messages w SET retry_at = NULL, claimed_by = NULL
 WHERE w.account_id = cast(:account_id AS uuid) AND w.claimed_by IS NOT NULL
   AND w.feed_id = ANY (ARRAY(SELECT cast(each AS bigint)
                                FROM json_array_elements_text(cast(:feed_ids AS json)) AS each))
   AND (cast(:worker AS int) IS NULL OR w.claimed_by = cast(:worker AS int))

-- share_feed --
-- Let no page of the feed be stored meanwhile; return the generation of the feed.
SELECT c.walk FROM mailsync.change_feeds c
 WHERE c.account_id = cast(:account_id AS uuid) AND c.id = :feed_id FOR SHARE

-- lock_named --
-- Lock those of these messages that are pending for slices; return them with the versions that the
-- feed named.
SELECT w.message_id, w.version FROM mailsync.pending_messages w
 WHERE w.feed_id = :feed_id AND w.generation = :generation
   AND w.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))
 ORDER BY w.message_id FOR UPDATE

-- leave_slices --
-- Leave these pending messages to requests by their ids.
UPDATE mailsync.pending_messages SET generation = NULL, retry_at = NULL, claimed_by = NULL
 WHERE feed_id = :feed_id AND generation IS NOT NULL
   AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))

-- drop_all_pending --
-- Forget the pending messages of a feed.
DELETE FROM mailsync.pending_messages
 WHERE account_id = cast(:account_id AS uuid) AND feed_id = :feed_id

-- release_slice --
-- End the claim on these pending messages.
UPDATE mailsync.pending_messages SET retry_at = NULL, claimed_by = NULL
 WHERE feed_id = :feed_id AND generation IS NOT NULL
   AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))
