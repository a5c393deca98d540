-- Keys: the present ids of messages at a provider whose ids change when a message moves.

-- ids_of_keys --
-- Return the ids of the stored messages that have these keys.
SELECT k.remote_key, m.message_id
  FROM mailsync.message_keys k JOIN mailsync.emails m ON m.id = k.email_id
 WHERE k.account_id = cast(:account_id AS uuid)
   AND k.remote_key = ANY (ARRAY(SELECT json_array_elements_text(cast(:keys AS json))))

-- keys_of_ids --
-- Return the keys and the Message-IDs of stored messages.
SELECT m.message_id, k.remote_key, m.internet_message_id
  FROM mailsync.emails m JOIN mailsync.message_keys k ON k.email_id = m.id
 WHERE m.account_id = cast(:account_id AS uuid)
   AND m.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))

-- owners_of_ids --
-- Return which of these ids belong to stored messages that have another key now.
SELECT m.message_id, m.id
  FROM mailsync.emails m JOIN mailsync.message_keys k ON k.email_id = m.id
 WHERE m.account_id = cast(:account_id AS uuid) AND k.remote_key <> m.message_id
   AND m.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))

-- matching_messages --
-- Return for each arrived message the stored message with its fingerprint, if exactly one such message
-- is in no folder, or has a key that is void: it is in the folder of the arrival, and its key lacks the
-- prefix that every key of the folder has now. Arrivals that share a fingerprint are copies and are
-- left out, and so are messages under a key that is known to be valid.
WITH arrival AS (
  SELECT min(a.remote_key) AS remote_key, a.fingerprint, min(a.folder_id) AS folder_id,
         min(a.valid_key_prefix) AS valid_key_prefix
    FROM json_to_recordset(cast(:arrivals AS json))
         AS a (remote_key text, fingerprint uuid, folder_id bigint, valid_key_prefix text)
   GROUP BY a.fingerprint HAVING count(*) = 1)
SELECT min(arrival.remote_key), min(m.message_id), min(m.id), min(arrival.folder_id)
  FROM arrival JOIN mailsync.message_keys k ON k.fingerprint = arrival.fingerprint
  JOIN mailsync.emails m ON m.id = k.email_id
 WHERE k.account_id = cast(:account_id AS uuid)
   AND k.remote_key NOT IN (SELECT json_array_elements_text(cast(:valid_keys AS json)))
   AND (m.removed_at IS NOT NULL
        OR (NOT starts_with(k.remote_key, arrival.valid_key_prefix)
            AND EXISTS (SELECT 1 FROM mailsync.email_placements p
                         WHERE p.email_id = m.id AND p.folder_id = arrival.folder_id)))
 GROUP BY k.fingerprint HAVING count(*) = 1

-- replace_keys --
-- Give stored messages new keys.
UPDATE mailsync.message_keys k SET remote_key = s.remote_key
  FROM json_to_recordset(cast(:keys AS json)) AS s (email_id bigint, remote_key text)
 WHERE k.email_id = s.email_id

-- save_keys --
-- Store the keys of messages, what they keep when they move, and the conversations that we gave them.
-- A stored key stays: if it is another one, it changed after this message was requested by its former
-- key. Keys change by the statements that match, rename and void them only.
INSERT INTO mailsync.message_keys AS k (email_id, account_id, remote_key, fingerprint, conversation_id)
SELECT m.id, m.account_id, s.remote_key, s.fingerprint, s.own_conversation_id
  FROM json_to_recordset(cast(:keys AS json)) AS s
       (message_id text, remote_key text, fingerprint uuid, own_conversation_id bigint)
  JOIN mailsync.emails m ON m.account_id = cast(:account_id AS uuid) AND m.message_id = s.message_id
 ORDER BY m.id
    ON CONFLICT (email_id) DO UPDATE
   SET fingerprint = excluded.fingerprint, conversation_id = excluded.conversation_id
 WHERE (k.fingerprint, k.conversation_id)
       IS DISTINCT FROM (excluded.fingerprint, excluded.conversation_id)

-- stored_ids --
-- Return which of these messages are stored, hidden ones included.
SELECT message_id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid)
   AND message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))

-- save_states --
-- Store the states of messages whose contents never change. The hash of the row is void then: it
-- covers the state.
UPDATE mailsync.emails m
   SET is_read = s.is_read, is_flagged = s.is_flagged, is_draft = s.is_draft,
       categories = s.categories, version = s.version,
       importance = coalesce(s.importance, m.importance), updated_at = now(),
       row_hash = '00000000-0000-0000-0000-000000000000'
  FROM json_to_recordset(cast(:states AS json)) AS s
       (message_id text, is_read boolean, is_flagged boolean, is_draft boolean, categories jsonb,
        version text, importance text)
 WHERE m.account_id = cast(:account_id AS uuid) AND m.message_id = s.message_id
   AND (m.is_read, m.is_flagged, m.is_draft, m.categories, m.version, m.importance)
       IS DISTINCT FROM (s.is_read, s.is_flagged, s.is_draft, s.categories, s.version,
                         coalesce(s.importance, m.importance))

-- keys_in_folder --
-- Return the keys of the messages of a folder.
SELECT k.remote_key
  FROM mailsync.email_placements p JOIN mailsync.message_keys k ON k.email_id = p.email_id
 WHERE p.account_id = cast(:account_id AS uuid) AND p.folder_id = :folder_id

-- keys_without_version --
-- Return those of the keys with which no message of the given version is in the folder.
SELECT s.remote_key
  FROM json_to_recordset(cast(:states AS json)) AS s (remote_key text, version text)
 WHERE NOT EXISTS (
       SELECT 1
         FROM mailsync.message_keys k
         JOIN mailsync.emails m ON m.id = k.email_id AND m.version = s.version AND m.removed_at IS NULL
         JOIN mailsync.email_placements p ON p.email_id = m.id AND p.folder_id = :folder_id
        WHERE k.account_id = cast(:account_id AS uuid) AND k.remote_key = s.remote_key)

-- find_move_invariant_fingerprints_by_key --
-- Return the fingerprints of messages in a folder by key.
SELECT k.remote_key, k.fingerprint
  FROM mailsync.message_keys k
  JOIN mailsync.email_placements p ON p.email_id = k.email_id AND p.folder_id = :folder_id
 WHERE k.account_id = cast(:account_id AS uuid)
   AND k.remote_key = ANY (ARRAY(SELECT json_array_elements_text(cast(:keys AS json))))

-- void_keys_in_the_way --
-- Void the keys of hidden messages that other messages get when the beginning of keys is replaced.
UPDATE mailsync.message_keys k SET remote_key = '~' || k.email_id
  FROM mailsync.emails m
 WHERE k.account_id = cast(:account_id AS uuid) AND m.id = k.email_id AND m.removed_at IS NOT NULL
   AND starts_with(k.remote_key, cast(:new_prefix AS text))
   AND EXISTS (
       SELECT 1 FROM mailsync.message_keys other
        WHERE other.account_id = k.account_id
          AND other.remote_key = cast(:old_prefix AS text)
              || substr(k.remote_key, length(cast(:new_prefix AS text)) + 1))

-- rename_keys --
-- Replace the beginning of keys, unless another message has the new key.
UPDATE mailsync.message_keys k
   SET remote_key = cast(:new_prefix AS text)
                    || substr(k.remote_key, length(cast(:old_prefix AS text)) + 1)
 WHERE k.account_id = cast(:account_id AS uuid)
   AND starts_with(k.remote_key, cast(:old_prefix AS text))
   AND NOT EXISTS (
       SELECT 1 FROM mailsync.message_keys other
        WHERE other.account_id = k.account_id
          AND other.remote_key = cast(:new_prefix AS text)
              || substr(k.remote_key, length(cast(:old_prefix AS text)) + 1))

-- declare_keys_void --
-- Give messages whose keys begin with a text keys that the provider gives to no message, because it
-- has given theirs to other messages.
UPDATE mailsync.message_keys SET remote_key = '~' || email_id
 WHERE account_id = cast(:account_id AS uuid) AND starts_with(remote_key, cast(:prefix AS text))
