-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- The provider's present id of a message, for providers whose ids change when a message moves: such a
-- message keeps its emails.message_id. fingerprint: what the message keeps when it moves, and shares
-- with its copies; null: nothing.
create table mailsync.message_keys (
  email_id bigint primary key references mailsync.emails on delete cascade,
  account_id uuid not null,
  remote_key text collate "C" not null,
  fingerprint uuid,
  unique (account_id, remote_key)
);
create index message_keys_fingerprint on mailsync.message_keys (account_id, fingerprint);

alter table mailsync.message_keys enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.message_keys to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.message_keys to mailsync_writer;
  end if;
end $$;

-- migrate:down
drop table mailsync.message_keys;
