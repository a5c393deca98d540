-- Conversations of providers that name none. The caller is the only one that writes to the account.

-- conversations_of_keys --
-- Return the conversations of those of these keys that are known.
SELECT key::text, conversation_id FROM mailsync.conversation_keys
 WHERE account_id = cast(:account_id AS uuid)
   AND key = ANY (ARRAY(SELECT cast(each AS uuid) FROM json_array_elements_text(cast(:keys AS json)) AS each))

-- add_conversation_keys --
-- Add keys to conversations, and return the conversations by number of the group. A group without a
-- conversation begins one.
WITH conversation AS MATERIALIZED (
  SELECT g.number, g.new_keys,
         coalesce(g.conversation_id, nextval('mailsync.conversation_ids')) AS conversation_id
    FROM json_to_recordset(cast(:groups AS json)) AS g (number int, conversation_id bigint,
         new_keys uuid[])),
added AS (
  INSERT INTO mailsync.conversation_keys (account_id, key, conversation_id)
  SELECT cast(:account_id AS uuid), key, conversation_id
    FROM conversation CROSS JOIN unnest(new_keys) AS key)
SELECT number, conversation_id FROM conversation

-- merge_conversations --
-- Make conversations parts of earlier ones, with all their keys and messages.
WITH merged AS MATERIALIZED (
  SELECT * FROM json_to_recordset(cast(:merged AS json)) AS m (later bigint, earlier bigint)),
keys AS (
  UPDATE mailsync.conversation_keys k SET conversation_id = merged.earlier
    FROM merged
   WHERE k.conversation_id = merged.later AND k.account_id = cast(:account_id AS uuid)),
messages AS (
  UPDATE mailsync.message_keys k SET conversation_id = merged.earlier
    FROM merged
   WHERE k.conversation_id = merged.later AND k.account_id = cast(:account_id AS uuid)
  RETURNING k.email_id, k.conversation_id)
UPDATE mailsync.emails m
   SET conversation_id = cast(messages.conversation_id AS text), updated_at = now()
  FROM messages WHERE m.id = messages.email_id
