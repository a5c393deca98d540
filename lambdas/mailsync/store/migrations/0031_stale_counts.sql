-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- Whether total and unread may differ from the rows: a message of the folder has come, gone, or
-- changed its read state since they were counted. So a check without news counts nothing.
alter table mailsync.email_folders add column counts_stale boolean not null default true;

create function mailsync.note_placement() returns trigger language plpgsql as $$
begin
  update mailsync.email_folders set counts_stale = true
   where id = coalesce(new.folder_id, old.folder_id) and not counts_stale;
  return null;
end $$;
create trigger note_placement after insert or delete on mailsync.email_placements
  for each row execute function mailsync.note_placement();

create function mailsync.note_read_state() returns trigger language plpgsql as $$
begin
  update mailsync.email_folders set counts_stale = true
   where not counts_stale
     and id in (select folder_id from mailsync.email_placements where email_id = new.id);
  return null;
end $$;
create trigger note_read_state after update of is_read on mailsync.emails
  for each row when (new.is_read <> old.is_read) execute function mailsync.note_read_state();

-- migrate:down
drop trigger note_read_state on mailsync.emails;
drop function mailsync.note_read_state();
drop trigger note_placement on mailsync.email_placements;
drop function mailsync.note_placement();
alter table mailsync.email_folders drop column counts_stale;
