-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- How often a user may call what starts work or writes rows. whole_at is when the allowance of an
-- hour is whole again; each call moves it on by its share of the hour, and none may move it beyond
-- an hour from now. A row whose time is past says nothing, and is deleted by purge-accounts.
create table mailsync.call_limits (
  user_id text not null,
  kind text not null,
  whole_at timestamptz not null,
  primary key (user_id, kind)
) with (fillfactor = 70);

-- Without a policy for readers it is nobody's but the functions'.
alter table mailsync.call_limits enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.call_limits to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.call_limits to mailsync_writer;
  end if;
end $$;

-- migrate:down
drop table mailsync.call_limits;
