-- migrate:up

-- Whoever comes after it would wait as well.
set local lock_timeout = '10s';

-- The Idempotency-Key of a request that joined a run which was under way, and what it asked for. A
-- key that has started a run stands on that run. Kept for a day at least, and deleted when the next
-- one of its account comes.
create table mailsync.joined_keys (
  account_id uuid not null references mailsync.email_accounts on delete cascade,
  idempotency_key text not null,
  run_id text not null references mailsync.sync_runs on delete cascade,
  sync_type text not null,
  folder_ids jsonb,
  created_at timestamptz not null default now(),
  primary key (account_id, idempotency_key)
);
create index joined_keys_of_run on mailsync.joined_keys (run_id);

-- Without a policy for readers it is nobody's but the functions'.
alter table mailsync.joined_keys enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.joined_keys to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.joined_keys to mailsync_writer;
  end if;
end $$;

-- migrate:down
drop table mailsync.joined_keys;
