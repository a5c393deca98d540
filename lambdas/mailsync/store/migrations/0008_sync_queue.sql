-- migrate:up

-- When a sync last found anything in the mailbox; one that is quiet is asked less often.
alter table mailsync.email_accounts add column changed_at timestamptz not null default now();

-- When each active mailbox is asked next, in a table of its own: a tick that claims a thousand among
-- a million accounts writes a fifth of what it would write into the accounts and all their indexes.
create table mailsync.sync_queue (
  account_id uuid primary key references mailsync.email_accounts on delete cascade,
  due_at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0.02);
create index sync_queue_due on mailsync.sync_queue (due_at) include (account_id);

-- Without a policy for readers it is nobody's but the functions'.
alter table mailsync.sync_queue enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.sync_queue to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.sync_queue to mailsync_writer;
  end if;
end $$;

-- The queue follows the accounts, whoever writes them: functions of the version before, too. Only a
-- claim is known to the queue alone.
create function mailsync.queue_account() returns trigger language plpgsql as $$
begin
  if new.status = 'active' then
    insert into mailsync.sync_queue (account_id, due_at) values (new.id, new.next_sync_at)
        on conflict (account_id) do update set due_at = excluded.due_at;
  else
    delete from mailsync.sync_queue where account_id = new.id;
  end if;
  return null;
end $$;
create trigger queue_account after insert or update of next_sync_at, status
  on mailsync.email_accounts for each row execute function mailsync.queue_account();
insert into mailsync.sync_queue (account_id, due_at)
select id, next_sync_at from mailsync.email_accounts where status = 'active';

-- What changes with every sync stands in no index of the accounts any more, not even in one that
-- holds no row: otherwise each change of an account writes an entry into all of them.
drop index mailsync.email_accounts_due;
drop index mailsync.email_accounts_purging;
create index email_accounts_purging on mailsync.email_accounts (id) where status = 'purging';

-- migrate:down
drop index mailsync.email_accounts_purging;
create index email_accounts_purging on mailsync.email_accounts (updated_at)
  where status = 'purging';
create index email_accounts_due on mailsync.email_accounts (next_sync_at) where status = 'active';
drop trigger queue_account on mailsync.email_accounts;
drop function mailsync.queue_account();
drop table mailsync.sync_queue;
alter table mailsync.email_accounts drop column changed_at;
