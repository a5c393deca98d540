-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- notified: a notification of the mailbox has arrived since the mailbox was last claimed.
-- notified_not_before: when a notification can have the mailbox checked again. A claim moves it on,
-- so that a mailbox with many notifications is checked at a limited rate.
alter table mailsync.sync_queue
  add column notified boolean not null default false,
  add column notified_not_before timestamptz not null default '-infinity';
create index sync_queue_notified on mailsync.sync_queue (due_at) where notified;

-- The functions that check notified mailboxes at present. holder: the name that a function was given
-- when it was invoked. After held_until another function may take the slot.
create table mailsync.check_slots (
  slot int primary key,
  holder text not null unique,
  held_until timestamptz not null
);
alter table mailsync.check_slots enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.check_slots to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.check_slots to mailsync_writer;
  end if;
end $$;

-- migrate:down
drop table mailsync.check_slots;
drop index mailsync.sync_queue_notified;
alter table mailsync.sync_queue drop column notified_not_before, drop column notified;
