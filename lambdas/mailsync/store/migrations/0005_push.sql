-- migrate:up

-- When the provider last said that something changed; on the account's own row, so that the end of
-- a sync and a notification that comes at that moment wait for each other.
alter table mailsync.email_accounts add column notified_at timestamptz;

create table mailsync.provider_subscriptions (
  account_id uuid primary key references mailsync.email_accounts on delete cascade,
  -- Null while the provider has none.
  remote_id text collate "C" unique,
  -- SHA-256 of the secret that each notification must bear.
  secret_hash bytea,
  callback_url text not null,
  expires_at timestamptz,
  next_try_at timestamptz not null default now(),
  failures int not null default 0,
  last_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint known_by_its_secret check ((remote_id is null) = (secret_hash is null))
) with (fillfactor = 70);

create index provider_subscriptions_due on mailsync.provider_subscriptions (next_try_at);

-- Without a policy for readers it is nobody's but the functions'.
alter table mailsync.provider_subscriptions enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.provider_subscriptions to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.provider_subscriptions to mailsync_writer;
  end if;
end $$;

-- migrate:down
drop table mailsync.provider_subscriptions;
alter table mailsync.email_accounts drop column notified_at;
