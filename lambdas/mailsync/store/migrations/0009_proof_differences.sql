-- migrate:up

-- Neither waits long for a lock, since whoever comes after it would wait as well.
set local lock_timeout = '10s';

-- What stayed different after a folder was compared id by id and mended: the provider contradicts
-- itself about these messages. At most a hundred of a folder; `differing` says how many there are.
create table mailsync.proof_differences (
  account_id uuid not null references mailsync.email_accounts on delete cascade,
  folder_id bigint not null references mailsync.email_folders on delete cascade,
  message_id text collate "C" not null,
  -- missing: listed, and gone when asked for by id. surplus: not listed, and in this folder when
  -- asked for by id. misread: read state listed otherwise than told by id.
  cause text not null check (cause in ('missing', 'surplus', 'misread')),
  found_at timestamptz not null default now(),
  primary key (folder_id, message_id)
);
create index proof_differences_of_account on mailsync.proof_differences (account_id);
alter table mailsync.email_folders add column differing int not null default 0;

alter table mailsync.proof_differences enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.proof_differences to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.proof_differences to mailsync_writer;
  end if;
  if to_regrole('mailsync_reader') is not null then
    create policy own_account on mailsync.proof_differences for select to mailsync_reader
      using (account_id = any (array(select id from mailsync.email_accounts)));
    grant select on mailsync.proof_differences to mailsync_reader;
  end if;
end $$;

-- Runs of every account from the newest on. Measured on a busy machine: 0.05 ms instead of 3 with
-- 10,000 runs and of 110 with 300,000; built in 0.2 and 0.8 s, in which no run can be written.
create index sync_runs_newest on mailsync.sync_runs (created_at desc, id desc);

-- migrate:down
drop index mailsync.sync_runs_newest;
alter table mailsync.email_folders drop column differing;
drop table mailsync.proof_differences;
