-- Events, written with what they report and published later.

-- add_to_outbox --
-- Add an event about a run, with what the run did to the rows over all folders; it becomes true with
-- the commit of this transaction.
INSERT INTO mailsync.outbox (account_id, type, detail)
SELECT cast(:account_id AS uuid), :type,
       jsonb_build_object('eventId', gen_random_uuid()) || cast(:detail AS jsonb)
         || jsonb_build_object('counters', jsonb_build_object(
              'folders', count(*), 'failedFolders', count(*) FILTER (WHERE status = 'failed'),
              'inserted', coalesce(sum(inserted), 0), 'updated', coalesce(sum(updated), 0),
              'removed', coalesce(sum(removed), 0), 'quarantined', coalesce(sum(quarantined), 0)))
  FROM mailsync.sync_run_folders WHERE run_id = :run_id

-- claim_outbox --
-- Lock the next event of each account until it is marked. Later events of an account wait for it,
-- so that two publishers never change their order.
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
-- Mark events that the bus has accepted.
UPDATE mailsync.outbox SET published_at = now() WHERE id = ANY(cast(:ids AS bigint[]))

-- forget_published --
-- Delete events that were published long ago, a limited number at a time.
DELETE FROM mailsync.outbox
 WHERE id = ANY (ARRAY(
       SELECT id FROM mailsync.outbox
        WHERE published_at < now() - make_interval(days => cast(:days AS int))
        ORDER BY published_at
        LIMIT :limit))
