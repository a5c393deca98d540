-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- Pending messages that the provider, asked by their ids, reported as not existing, which can be wrong
-- for messages that have just arrived. missing_since: the first such report. retry_at: when the message
-- is requested again; null: now. is_removed: the change feed reports the
-- removal, or no page of the last list of all messages has named the message.
alter table mailsync.pending_messages add column missing_since timestamptz;
alter table mailsync.pending_messages add column retry_at timestamptz;
alter table mailsync.pending_messages add column is_removed boolean not null default false;

-- migrate:down
alter table mailsync.pending_messages drop column is_removed;
alter table mailsync.pending_messages drop column retry_at;
alter table mailsync.pending_messages drop column missing_since;
