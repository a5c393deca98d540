-- migrate:up

-- Whoever comes after it would wait as well.
set local lock_timeout = '10s';

-- When the owner last signed in: a grant that was found withdrawn by a run from before then is not
-- the one that the account has now.
alter table mailsync.email_accounts add column connected_at timestamptz not null default now();

-- migrate:down
alter table mailsync.email_accounts drop column connected_at;
