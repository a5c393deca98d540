-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- A message that left its folder is hidden (removed_at), and deleted after the provider, asked by its
-- id, has said twice that it is gone. gone_at is the first of these answers, confirm_at when the
-- provider is asked next; null: at once. version is the provider's mark of the state that is stored;
-- null: stored by a release that kept none.
alter table mailsync.emails
  add column gone_at timestamptz,
  add column confirm_at timestamptz,
  add column version text collate "C";

-- compared_at is when the ids and versions of a folder were last compared with the provider's; null:
-- they are to be compared now. count_offset and unread_offset are by how much the provider's counts
-- are wrong, as such a comparison has shown; list_total and list_unread are what it listed, where the
-- list was complete. active_at is when a change was last found in the folder.
alter table mailsync.email_folders
  add column compared_at timestamptz,
  add column count_offset int not null default 0,
  add column unread_offset int not null default 0,
  add column list_total int,
  add column list_unread int,
  add column active_at timestamptz;
-- Spread over a week, as they are from now on.
update mailsync.email_folders set compared_at = now() - random() * interval '6 days';

-- read_at is when the change feed was last read; fallback is how many of the provider's feeds have
-- failed for the folder, the last one at fallback_at.
alter table mailsync.folder_cursors
  add column read_at timestamptz,
  add column fallback int not null default 0,
  add column fallback_at timestamptz;

-- throttled_until: the provider asked for no request before. max_in_flight: how many requests at a
-- time it was found to take, as of in_flight_at; null: as many as it documents. tree_read_at and
-- hidden_read_at are the last whole and thorough readings of the folder tree. removal_confirmed_at: a
-- person confirmed that most of the mailbox is gone.
alter table mailsync.email_accounts
  add column throttled_until timestamptz,
  add column max_in_flight int check (max_in_flight >= 1),
  add column in_flight_at timestamptz,
  add column tree_read_at timestamptz,
  add column hidden_read_at timestamptz,
  add column removal_confirmed_at timestamptz;

-- What is hidden is hidden from readers.
do $$ begin
  if to_regrole('mailsync_reader') is not null then
    alter policy own_account on mailsync.emails
      using (removed_at is null
             and account_id = any (array(select id from mailsync.email_accounts)));
    alter policy own_account on mailsync.email_folders
      using (gone_at is null
             and account_id = any (array(select id from mailsync.email_accounts)));
  end if;
end $$;

-- migrate:down
do $$ begin
  if to_regrole('mailsync_reader') is not null then
    alter policy own_account on mailsync.emails
      using (account_id = any (array(select id from mailsync.email_accounts)));
    alter policy own_account on mailsync.email_folders
      using (account_id = any (array(select id from mailsync.email_accounts)));
  end if;
end $$;
alter table mailsync.email_accounts
  drop column removal_confirmed_at, drop column hidden_read_at, drop column tree_read_at,
  drop column in_flight_at, drop column max_in_flight, drop column throttled_until;
alter table mailsync.folder_cursors drop column fallback_at, drop column fallback,
  drop column read_at;
alter table mailsync.email_folders
  drop column active_at, drop column list_unread, drop column list_total,
  drop column unread_offset, drop column count_offset, drop column compared_at;
alter table mailsync.emails drop column version, drop column confirm_at, drop column gone_at;
