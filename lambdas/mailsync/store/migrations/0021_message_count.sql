-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- How many messages of the account were stored and shown at the last count, where a message can be in
-- several folders and the counts of the folders add up to more; null: they do not.
alter table mailsync.email_accounts add column message_count int;

-- migrate:down
alter table mailsync.email_accounts drop column message_count;
