-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- Messages with the same group_id cost less if they are fetched together. Null: no such group.
alter table mailsync.pending_messages add column group_id text collate "C";
create index pending_of_group on mailsync.pending_messages (feed_id, group_id)
  where group_id is not null;

-- migrate:down
drop index mailsync.pending_of_group;
alter table mailsync.pending_messages drop column group_id;
