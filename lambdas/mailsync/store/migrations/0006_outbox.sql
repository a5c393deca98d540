-- migrate:up

-- Publishers look for what waits, the oldest of each account first; what is published is only
-- looked at to be forgotten.
create index outbox_waiting on mailsync.outbox (account_id, id) where published_at is null;
create index outbox_published on mailsync.outbox (published_at) where published_at is not null;

-- Every event has an id of its own, by which whoever receives it twice can tell.
update mailsync.outbox set detail = detail || jsonb_build_object('eventId', gen_random_uuid())
 where not detail ? 'eventId';

-- migrate:down
drop index mailsync.outbox_published;
drop index mailsync.outbox_waiting;
