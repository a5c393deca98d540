-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- AWS ends an execution after 25,000 history events, and the workflow ends it after 24 hours, so a
-- long run has several executions, one after the other. execution_name: the current one; null: the first, whose name is the run's id.
-- execution_events, execution_began_at: how many events its history has at most, and its age.
-- waits: pauses in succession that the provider requested while the run, or the folder, got nothing.
alter table mailsync.sync_runs
  add column execution_name text,
  add column execution_events int not null default 0,
  add column execution_began_at timestamptz,
  add column waits int not null default 0;

create index sync_runs_by_successor on mailsync.sync_runs (execution_name)
  where execution_name is not null;

alter table mailsync.sync_run_folders add column waits int not null default 0;

-- migrate:down
alter table mailsync.sync_run_folders drop column waits;
alter table mailsync.sync_runs
  drop column execution_name, drop column execution_events, drop column execution_began_at,
  drop column waits;
