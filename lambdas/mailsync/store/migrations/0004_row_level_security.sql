-- migrate:up

-- Two group roles: mailsync_reader for the application, mailsync_writer for the functions. Roles
-- belong to the cluster, so another database of it may have made them, even at this moment.
do $$
declare wanted text;
begin
  foreach wanted in array array['mailsync_reader', 'mailsync_writer'] loop
    if to_regrole(wanted) is null then
      execute format('create role %I nologin', wanted);
    end if;
  end loop;
exception
  when duplicate_object or unique_violation then null;
  when insufficient_privilege then
    raise exception '% may not create roles; an administrator must first run "%"', current_user,
      'create role mailsync_reader nologin; create role mailsync_writer nologin';
end $$;

grant usage on schema mailsync to mailsync_reader, mailsync_writer;

-- Supabase's signed-in users read; its `anon` gets nothing.
do $$ begin
  if to_regrole('authenticated') is not null
     and not pg_has_role('authenticated', 'mailsync_reader', 'member') then
    grant mailsync_reader to authenticated;
  end if;
exception when insufficient_privilege then
  raise exception '% may not grant mailsync_reader; an administrator must first run "%"',
    current_user, 'grant mailsync_reader to authenticated';
end $$;

-- Whoever logs in as the role itself may write `emails` for `mailsync.emails`.
do $$ begin
  execute format('alter role mailsync_reader in database %I set search_path = mailsync, public',
                 current_database());
exception when insufficient_privilege then null; end $$;

-- The functions work for every account. New tables name their own grants and policies.
do $$
declare each text;
begin
  for each in select tablename from pg_tables where schemaname = 'mailsync' loop
    execute format('alter table mailsync.%I enable row level security', each);
    execute format('create policy every_account on mailsync.%I to mailsync_writer'
                   ' using (true) with check (true)', each);
    execute format('grant select, insert, update, delete on mailsync.%I to mailsync_writer', each);
  end loop;
end $$;
revoke insert, update, delete on mailsync.schema_migrations from mailsync_writer;
-- Without its wrapped key no stored token could ever be opened again.
revoke update, delete on mailsync.data_keys from mailsync_writer;

-- Who is reading: the subject of the JWT that PostgREST has verified, or else whom the application
-- names with SET LOCAL mailsync.user_id; null when nobody is named. After a transaction in which a
-- custom setting was local it is empty, not absent.
create function mailsync.current_user_id() returns text
language sql stable parallel safe
return coalesce(
  nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', ''),
  nullif(current_setting('mailsync.user_id', true), ''));

grant select (id, user_id, provider, email_address, status, sync_status, initial_sync_completed,
              last_sync_at, verified_at, last_error, last_error_message, failures, next_sync_at,
              created_at, updated_at)
  on mailsync.email_accounts to mailsync_reader;
grant select (id, account_id, sync_type, trigger, status, requests, repair_rounds, error,
              error_message, created_at, started_at, heartbeat_at, finished_at)
  on mailsync.sync_runs to mailsync_reader;
grant select on mailsync.email_folders, mailsync.emails, mailsync.email_bodies,
                mailsync.email_quarantine, mailsync.sync_run_folders
  to mailsync_reader;

-- The sub-selects are asked once per statement, not once per row, and are themselves under the
-- policy of the table that they ask.
create policy own_account on mailsync.email_accounts for select to mailsync_reader
  using (user_id = (select mailsync.current_user_id()));
create policy own_account on mailsync.email_folders for select to mailsync_reader
  using (account_id = any (array(select id from mailsync.email_accounts)));
create policy own_account on mailsync.emails for select to mailsync_reader
  using (account_id = any (array(select id from mailsync.email_accounts)));
create policy own_account on mailsync.email_quarantine for select to mailsync_reader
  using (account_id = any (array(select id from mailsync.email_accounts)));
create policy own_account on mailsync.sync_runs for select to mailsync_reader
  using (account_id = any (array(select id from mailsync.email_accounts)));
-- These two have no account of their own; they are found by the key of the row that has.
create policy own_account on mailsync.email_bodies for select to mailsync_reader
  using (exists (select from mailsync.emails m where m.id = email_id));
create policy own_account on mailsync.sync_run_folders for select to mailsync_reader
  using (exists (select from mailsync.sync_runs r where r.id = run_id));

-- A folder tells its account. Without knowing that, the planner takes the mails of a folder for a
-- few, and reads and sorts them all for a list of fifty: 2 ms instead of 0.1 among 100,000 mails.
create statistics mailsync.emails_account_of_folder (dependencies)
  on account_id, folder_id from mailsync.emails;

-- migrate:down
-- The roles stay: other databases of the cluster may use them.
do $$
declare each record;
begin
  for each in select tablename, policyname from pg_policies where schemaname = 'mailsync' loop
    execute format('drop policy %I on mailsync.%I', each.policyname, each.tablename);
    execute format('alter table mailsync.%I disable row level security', each.tablename);
  end loop;
end $$;
revoke all on all tables in schema mailsync from mailsync_reader, mailsync_writer;
revoke usage on schema mailsync from mailsync_reader, mailsync_writer;
drop function mailsync.current_user_id();
drop statistics mailsync.emails_account_of_folder;
