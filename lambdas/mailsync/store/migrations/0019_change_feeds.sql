-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- A change feed reports the changes of one folder, or (folder_id null) of the whole mailbox.
-- round_began_at: when the first page of the round was requested that is being read, or was last.
-- complete_as_of: every change up to then is stored; null: no full sync has ended. since is the date
-- limit that a later release sets; null: all mail.
alter table mailsync.folder_cursors rename to change_feeds;
alter table mailsync.change_feeds
  drop constraint folder_cursors_pkey,
  alter column folder_id drop not null,
  add column id bigint generated always as identity,
  add column account_id uuid,
  add column round_began_at timestamptz,
  add column complete_as_of timestamptz,
  add column since timestamptz;
update mailsync.change_feeds c set account_id = f.account_id
  from mailsync.email_folders f where f.id = c.folder_id;
alter table mailsync.change_feeds
  alter column account_id set not null,
  add primary key (id),
  add foreign key (account_id) references mailsync.email_accounts on delete cascade,
  add constraint feed_once_per_folder unique nulls not distinct (account_id, folder_id);
create unique index change_feeds_by_folder on mailsync.change_feeds (folder_id);

-- The feed that reports a folder's changes. remote_total and remote_unread: null: the provider does
-- not count the folder.
alter table mailsync.email_folders
  add column feed_id bigint,
  alter column remote_total drop not null, alter column remote_total drop default,
  alter column remote_unread drop not null, alter column remote_unread drop default;
update mailsync.email_folders f set feed_id = c.id
  from mailsync.change_feeds c where c.folder_id = f.id;
-- Afterwards: a check of each row would read all feeds, since an index of rows that this transaction
-- has changed serves later ones only.
alter table mailsync.email_folders add foreign key (feed_id) references mailsync.change_feeds;
create index email_folders_by_feed on mailsync.email_folders (feed_id);

-- Functions of the version before insert a feed by its folder alone. A folder is told its own feed
-- here, since the statement that inserts both cannot.
create function mailsync.name_account_of_feed() returns trigger language plpgsql as $$
begin
  if new.account_id is null then
    select account_id into new.account_id from mailsync.email_folders where id = new.folder_id;
  end if;
  return new;
end $$;
create trigger name_account before insert on mailsync.change_feeds
  for each row execute function mailsync.name_account_of_feed();
create function mailsync.name_feed_of_folder() returns trigger language plpgsql as $$
begin
  update mailsync.email_folders set feed_id = new.id where id = new.folder_id;
  return null;
end $$;
create trigger name_feed after insert on mailsync.change_feeds
  for each row when (new.folder_id is not null) execute function mailsync.name_feed_of_folder();

-- What the version before reads and writes, with the rights of whoever asks.
create view mailsync.folder_cursors with (security_invoker = true) as
  select folder_id, walk, walking, page_size, updated_at, cursor_key_id, cursor_sealed, midway,
         read_at, fallback, fallback_at
    from mailsync.change_feeds where folder_id is not null;

-- What a run did with the feed of a whole mailbox has no folder.
alter table mailsync.sync_run_folders drop constraint sync_run_folders_pkey;
alter table mailsync.sync_run_folders
  alter column folder_id drop not null,
  add constraint once_per_run_and_folder unique nulls not distinct (run_id, folder_id);

-- Messages that a feed has named and whose contents are still to be fetched, by id, in the order of
-- position. They count as neither stored nor gone.
create table mailsync.pending_messages (
  account_id uuid not null references mailsync.email_accounts on delete cascade,
  feed_id bigint not null references mailsync.change_feeds on delete cascade,
  message_id text collate "C" not null,
  position bigint generated always as identity,
  primary key (feed_id, message_id)
);
create index pending_messages_in_order on mailsync.pending_messages (feed_id, position);
create index pending_messages_of_account on mailsync.pending_messages (account_id);

-- The folders of a message that cannot be stored.
create table mailsync.quarantine_placements (
  account_id uuid not null,
  message_id text collate "C" not null,
  folder_id bigint not null references mailsync.email_folders on delete cascade,
  primary key (account_id, message_id, folder_id),
  foreign key (account_id, message_id) references mailsync.email_quarantine on delete cascade
);
create index quarantine_placements_by_folder on mailsync.quarantine_placements (folder_id);
insert into mailsync.quarantine_placements (account_id, message_id, folder_id)
select account_id, message_id, folder_id from mailsync.email_quarantine where folder_id is not null;

-- As for the messages: the version before names one folder in the row.
create function mailsync.copy_quarantine_placement() returns trigger language plpgsql as $$
begin
  delete from mailsync.quarantine_placements
   where account_id = new.account_id and message_id = new.message_id;
  insert into mailsync.quarantine_placements (account_id, message_id, folder_id)
  select new.account_id, new.message_id, new.folder_id where new.folder_id is not null;
  return null;
end $$;
create trigger copy_placement
  after insert or update of folder_id on mailsync.email_quarantine
  for each row
  when (current_setting('mailsync.writes_placements', true) is distinct from 'on')
  execute function mailsync.copy_quarantine_placement();

alter table mailsync.pending_messages enable row level security;
alter table mailsync.quarantine_placements enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.pending_messages to mailsync_writer
      using (true) with check (true);
    create policy every_account on mailsync.quarantine_placements to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete
      on mailsync.pending_messages, mailsync.quarantine_placements, mailsync.folder_cursors
      to mailsync_writer;
  end if;
  if to_regrole('mailsync_reader') is not null then
    create policy own_account on mailsync.quarantine_placements for select to mailsync_reader
      using (account_id = any (array(select id from mailsync.email_accounts)));
    grant select on mailsync.quarantine_placements to mailsync_reader;
  end if;
end $$;

-- migrate:down
drop trigger copy_placement on mailsync.email_quarantine;
drop function mailsync.copy_quarantine_placement();
drop table mailsync.quarantine_placements, mailsync.pending_messages;
delete from mailsync.sync_run_folders where folder_id is null;
alter table mailsync.sync_run_folders
  drop constraint once_per_run_and_folder, add primary key (run_id, folder_id);
drop view mailsync.folder_cursors;
drop trigger name_feed on mailsync.change_feeds;
drop trigger name_account on mailsync.change_feeds;
drop function mailsync.name_feed_of_folder();
drop function mailsync.name_account_of_feed();
update mailsync.email_folders
   set remote_total = coalesce(remote_total, 0), remote_unread = coalesce(remote_unread, 0)
 where remote_total is null or remote_unread is null;
alter table mailsync.email_folders
  drop column feed_id,
  alter column remote_total set default 0, alter column remote_total set not null,
  alter column remote_unread set default 0, alter column remote_unread set not null;
delete from mailsync.change_feeds where folder_id is null;
alter table mailsync.change_feeds
  drop constraint feed_once_per_folder, drop constraint change_feeds_pkey,
  drop column id, drop column account_id, drop column round_began_at, drop column complete_as_of,
  drop column since, add primary key (folder_id);
drop index mailsync.change_feeds_by_folder;
alter table mailsync.change_feeds rename to folder_cursors;
