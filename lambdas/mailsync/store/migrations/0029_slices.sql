-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- Pending messages that several workers fetch by the time at which they arrived. generation: the full
-- sync whose feed named the message; null: it is fetched by its id. version: that which the feed named.
-- claimed_by: number of the worker that fetches it, until retry_at.
alter table mailsync.pending_messages add column received_at timestamptz;
alter table mailsync.pending_messages add column version text;
alter table mailsync.pending_messages add column generation int;
alter table mailsync.pending_messages add column claimed_by int;
create index pending_by_time on mailsync.pending_messages (feed_id, generation, received_at desc)
  where generation is not null;

-- migrate:down
drop index mailsync.pending_by_time;
alter table mailsync.pending_messages drop column claimed_by;
alter table mailsync.pending_messages drop column generation;
alter table mailsync.pending_messages drop column version;
alter table mailsync.pending_messages drop column received_at;
