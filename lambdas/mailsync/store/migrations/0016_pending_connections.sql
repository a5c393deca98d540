-- migrate:up

-- Whoever comes after it would wait as well.
set local lock_timeout = '10s';

-- A mailbox that was signed in to and waits for the word of the user who began, where the stage asks
-- for it (CONFIRM_CONNECTIONS). Kept for ten minutes; taken once.
create table mailsync.pending_connections (
  token_hash bytea primary key,
  user_id text not null,
  connection_key_id bigint not null references mailsync.data_keys,
  connection_sealed bytea not null,
  expires_at timestamptz not null
);

-- Without a policy for readers it is nobody's but the functions'.
alter table mailsync.pending_connections enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.pending_connections to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.pending_connections to mailsync_writer;
  end if;
end $$;

-- migrate:down
drop table mailsync.pending_connections;
