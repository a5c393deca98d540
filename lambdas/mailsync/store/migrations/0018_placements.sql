-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- Where a message is: one row per message and folder (Gmail: label). generation is the folder's full
-- sync that last saw the message there; received_at repeats the message's, since a folder's list is
-- sorted by it; remote_key is the provider's key of the placement, where it has one.
create table mailsync.email_placements (
  account_id uuid not null,
  folder_id bigint not null,
  email_id bigint not null references mailsync.emails on delete cascade,
  generation int not null,
  received_at timestamptz,
  remote_key text collate "C",
  primary key (email_id, folder_id),
  constraint placement_in_folder_of_account
    foreign key (account_id, folder_id) references mailsync.email_folders (account_id, id)
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02);
create index placements_list
  on mailsync.email_placements (account_id, folder_id, received_at desc, email_id desc);
-- As for the messages: a folder tells its account.
create statistics mailsync.placements_account_of_folder (dependencies)
  on account_id, folder_id from mailsync.email_placements;

alter table mailsync.email_placements enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.email_placements to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.email_placements to mailsync_writer;
  end if;
  if to_regrole('mailsync_reader') is not null then
    create policy own_account on mailsync.email_placements for select to mailsync_reader
      using (account_id = any (array(select id from mailsync.email_accounts)));
    grant select on mailsync.email_placements to mailsync_reader;
  end if;
end $$;

-- The last message of the account that got its placement from its row; null: all have theirs. Until
-- then folder_id counts, and a message without a placement is not a hidden one. A new account has
-- nothing to fill.
alter table mailsync.email_accounts add column placements_filled_to bigint default 0;
alter table mailsync.email_accounts alter column placements_filled_to drop default;

-- The providers are those of the code that runs, not of the schema.
alter table mailsync.email_accounts drop constraint email_accounts_provider_check;

-- Functions of the version before write folder_id, walk and removed_at only; this keeps the
-- placements equal. This version's transactions say that they write placements themselves.
create function mailsync.copy_placement() returns trigger language plpgsql as $$
begin
  if new.removed_at is not null then
    delete from mailsync.email_placements where email_id = new.id;
    return null;
  end if;
  delete from mailsync.email_placements where email_id = new.id and folder_id <> new.folder_id;
  insert into mailsync.email_placements (account_id, folder_id, email_id, generation, received_at)
  values (new.account_id, new.folder_id, new.id, new.walk, new.received_at)
      on conflict (email_id, folder_id) do update
     set generation = excluded.generation, received_at = excluded.received_at;
  return null;
end $$;
create trigger copy_placement
  after insert or update of folder_id, walk, removed_at, received_at on mailsync.emails
  for each row
  when (current_setting('mailsync.writes_placements', true) is distinct from 'on')
  execute function mailsync.copy_placement();

-- migrate:down
alter table mailsync.email_accounts add constraint email_accounts_provider_check
  check (provider in ('microsoft', 'google', 'imap'));
drop trigger copy_placement on mailsync.emails;
drop function mailsync.copy_placement();
alter table mailsync.email_accounts drop column placements_filled_to;
drop table mailsync.email_placements;
