-- migrate:up

-- Whoever comes after it would wait as well.
set local lock_timeout = '10s';

-- The cursor stands between two pages of one round: a walk, or the changes since the one before.
-- What the provider tells until the round's end was fixed when the round began.
alter table mailsync.folder_cursors add column midway boolean not null default false;

-- migrate:down
alter table mailsync.folder_cursors drop column midway;
