-- migrate:up

-- A session that waits for a lock bars all that come after it.
set local lock_timeout = '10s';

-- Where the provider names no conversations: which message ids belong to which conversation. key: hash
-- of a message id, also of one that only References name. conversation_id: as in emails, where it is
-- text; a smaller number was given earlier.
create sequence mailsync.conversation_ids;
create table mailsync.conversation_keys (
  account_id uuid not null references mailsync.email_accounts on delete cascade,
  key uuid not null,
  conversation_id bigint not null,
  primary key (account_id, key)
) with (fillfactor = 90);
create index conversation_keys_conversation on mailsync.conversation_keys (conversation_id);

-- The messages of a conversation, for the day when it becomes part of another one. Null: the provider
-- names the conversation.
alter table mailsync.message_keys add column conversation_id bigint;
create index message_keys_conversation on mailsync.message_keys (conversation_id)
  where conversation_id is not null;

alter table mailsync.conversation_keys enable row level security;
do $$ begin
  if to_regrole('mailsync_writer') is not null then
    create policy every_account on mailsync.conversation_keys to mailsync_writer
      using (true) with check (true);
    grant select, insert, update, delete on mailsync.conversation_keys to mailsync_writer;
    grant usage on sequence mailsync.conversation_ids to mailsync_writer;
  end if;
end $$;

-- migrate:down
alter table mailsync.message_keys drop column conversation_id;
drop table mailsync.conversation_keys;
drop sequence mailsync.conversation_ids;
