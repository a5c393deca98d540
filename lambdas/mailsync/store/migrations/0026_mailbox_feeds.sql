-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- Messages that a round of changes named come before those of a full sync.
alter table mailsync.pending_messages add column is_news boolean not null default false;
create index pending_news on mailsync.pending_messages (feed_id, position) where is_news;

-- counts_wanted: changes of the folder were stored, and the provider's counts have not verified it
-- since. has_unread_counts: the run left counts unread that no change of it concerns, so it verifies
-- the folders that changed, not the mailbox.
alter table mailsync.email_folders add column counts_wanted boolean not null default false;
alter table mailsync.sync_runs add column has_unread_counts boolean not null default false;

-- The quota of one mailbox (account_id) or of the project (null, in several slots that share it), in
-- the provider's units. paused_until: the provider has refused a request for lack of quota.
create table mailsync.quota_buckets (
  id bigint generated always as identity primary key,
  provider text not null,
  account_id uuid references mailsync.email_accounts on delete cascade,
  slot int not null default 0,
  units_per_minute int not null,
  paused_until timestamptz,
  unique nulls not distinct (provider, account_id, slot)
) with (fillfactor = 50);
create index quota_buckets_of_account on mailsync.quota_buckets (account_id);

-- How many units were taken in the seconds up to until; kept for about a minute.
create table mailsync.quota_use (
  bucket_id bigint not null references mailsync.quota_buckets on delete cascade,
  until timestamptz not null,
  units int not null,
  primary key (bucket_id, until)
) with (fillfactor = 50);

alter table mailsync.quota_buckets enable row level security;
alter table mailsync.quota_use enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.quota_buckets to mailsync_writer
      using (true) with check (true);
    create policy every_account on mailsync.quota_use to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete
      on mailsync.quota_buckets, mailsync.quota_use to mailsync_writer;
  end if;
end $$;

-- migrate:down
drop table mailsync.quota_use, mailsync.quota_buckets;
alter table mailsync.sync_runs drop column has_unread_counts;
alter table mailsync.email_folders drop column counts_wanted;
drop index mailsync.pending_news;
alter table mailsync.pending_messages drop column is_news;
