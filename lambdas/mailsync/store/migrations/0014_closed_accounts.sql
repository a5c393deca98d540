-- migrate:up

-- Whoever comes after it would wait as well.
set local lock_timeout = '10s';

-- When the access token was issued: Graph may refuse it minutes later, and a new one would not help.
-- Until when the identity platform wants no request for this account (its Retry-After).
-- When the identity platform said that the grant has ended: only a new sign-in helps then. An
-- account that was closed for any other reason is tried again.
alter table mailsync.email_credentials
  add column access_issued_at timestamptz,
  add column renew_after timestamptz,
  add column refused_at timestamptz;

-- The queue holds the active accounts, and the closed ones that are tried again.
create or replace function mailsync.queue_account() returns trigger language plpgsql as $$
begin
  if new.status = 'active' or new.status = 'reauth_required' and exists (
       select from mailsync.email_credentials
        where account_id = new.id and refused_at is null) then
    insert into mailsync.sync_queue (account_id, due_at) values (new.id, new.next_sync_at)
        on conflict (account_id) do update set due_at = excluded.due_at;
  else
    delete from mailsync.sync_queue where account_id = new.id;
  end if;
  return null;
end $$;

-- The version before closed accounts for outages, too. Each is tried once within the hour; where the
-- identity platform refuses the grant, the account stays closed.
insert into mailsync.sync_queue (account_id, due_at)
select a.id, now() + random() * interval '1 hour'
  from mailsync.email_accounts a
  join mailsync.email_credentials c on c.account_id = a.id
 where a.status = 'reauth_required'
    on conflict do nothing;

-- migrate:down
delete from mailsync.sync_queue q using mailsync.email_accounts a
 where a.id = q.account_id and a.status <> 'active';
create or replace function mailsync.queue_account() returns trigger language plpgsql as $$
begin
  if new.status = 'active' then
    insert into mailsync.sync_queue (account_id, due_at) values (new.id, new.next_sync_at)
        on conflict (account_id) do update set due_at = excluded.due_at;
  else
    delete from mailsync.sync_queue where account_id = new.id;
  end if;
  return null;
end $$;
alter table mailsync.email_credentials
  drop column access_issued_at, drop column renew_after, drop column refused_at;
