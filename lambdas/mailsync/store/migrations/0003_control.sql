-- migrate:up

-- What a run was asked for beside its type: the folders that are walked again; null: no particular.
alter table mailsync.sync_runs add column folder_ids jsonb;

-- A folder whose run was stopped neither failed nor finished.
alter table mailsync.sync_run_folders drop constraint sync_run_folders_status_check;
alter table mailsync.sync_run_folders add constraint sync_run_folders_status_check
  check (status in ('running', 'completed', 'failed', 'cancelled'));

-- An account that is being purged belongs to nobody and is deleted piece by piece.
alter table mailsync.email_accounts drop constraint email_accounts_status_check;
alter table mailsync.email_accounts add constraint email_accounts_status_check
  check (status in ('active', 'paused', 'reauth_required', 'disconnected', 'purging'));
create index email_accounts_purging on mailsync.email_accounts (updated_at)
  where status = 'purging';
create index email_accounts_list on mailsync.email_accounts (user_id, created_at, id);

-- A folder that is deleted asks by whom it is still named: by these indexes, not by reading tables.
alter table mailsync.email_folders add constraint folder_of_account unique (account_id, id);
alter table mailsync.emails drop constraint emails_folder_id_fkey;
alter table mailsync.emails add constraint emails_folder_of_account
  foreign key (account_id, folder_id) references mailsync.email_folders (account_id, id);
create index sync_run_folders_by_folder on mailsync.sync_run_folders (folder_id);
create index email_quarantine_by_folder on mailsync.email_quarantine (folder_id);

drop index mailsync.sync_runs_history;
create index sync_runs_history on mailsync.sync_runs (account_id, created_at desc, id desc);

-- migrate:down
drop index mailsync.email_accounts_list;
drop index mailsync.email_accounts_purging;
drop index mailsync.email_quarantine_by_folder;
drop index mailsync.sync_run_folders_by_folder;
alter table mailsync.sync_runs drop column folder_ids;
