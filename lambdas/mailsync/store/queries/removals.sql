-- Messages that are hidden until the provider has said twice that they are gone.

-- removed_ids --
-- Return hidden messages that are due for a request by id.
SELECT message_id FROM mailsync.emails
 WHERE account_id = cast(:account_id AS uuid) AND removed_at IS NOT NULL
   AND coalesce(confirm_at, removed_at) <= now() AND message_id > :after
 ORDER BY message_id
 LIMIT :limit

-- removals --
-- Return what is hidden in these accounts: messages; those that the provider reported as gone, how
-- many of these no person has confirmed, since when, and the last confirmation; mirrored folders.
-- stored: all messages, hidden ones included, counted only where enough are gone.
SELECT a.id::text, h.hidden, h.gone, h.unconfirmed,
       CASE WHEN h.gone < :smallest THEN 0
            ELSE (SELECT count(*) FROM mailsync.emails m WHERE m.account_id = a.id) END,
       h.gone_since,
       CASE WHEN a.removal_confirmed_at >= h.gone_since THEN a.removal_confirmed_at END,
       (SELECT count(*) FROM mailsync.email_folders f
         WHERE f.account_id = a.id AND f.selected AND f.gone_at IS NOT NULL)
  FROM mailsync.email_accounts a
 CROSS JOIN LATERAL (
       SELECT count(*) AS hidden, count(m.gone_at) AS gone, min(m.gone_at) AS gone_since,
              count(*) FILTER (WHERE m.gone_at > coalesce(a.removal_confirmed_at, '-infinity'))
                AS unconfirmed
         FROM mailsync.emails m
        WHERE m.account_id = a.id AND m.removed_at IS NOT NULL) h
 WHERE a.id IN (SELECT cast(each AS uuid)
                  FROM json_array_elements_text(cast(:account_ids AS json)) AS each)

-- schedule_removal --
-- Schedule the second request by id of gone messages, a limited number at a time: `wait_s` after the first
-- response.
UPDATE mailsync.emails SET confirm_at = gone_at + make_interval(secs => :wait_s)
 WHERE id = ANY (ARRAY(
       SELECT m.id FROM mailsync.emails m
        WHERE m.account_id = cast(:account_id AS uuid) AND m.removed_at IS NOT NULL
          AND m.gone_at IS NOT NULL
          AND m.confirm_at IS DISTINCT FROM m.gone_at + make_interval(secs => :wait_s)
        LIMIT :limit))

-- confirm_gone --
-- Record that the provider reports these messages as gone; delete those that it reported at least
-- `wait_s` seconds ago as well. Where ids do not survive a move, such a message may have arrived
-- elsewhere under another id: it is deleted only if every mirrored feed has been read since it left.
WITH asked AS MATERIALIZED (
  SELECT m.id, m.gone_at <= now() - make_interval(secs => :wait_s)
               AND (cast(:do_ids_survive_moves AS boolean)
                    OR NOT EXISTS (
                       SELECT 1 FROM mailsync.email_folders f
                         JOIN mailsync.change_feeds c ON c.id = f.feed_id
                        WHERE f.account_id = m.account_id AND f.selected AND f.gone_at IS NULL
                          AND coalesce(c.complete_as_of < m.removed_at, true))) AS is_confirmed
    FROM mailsync.emails m
   WHERE m.account_id = cast(:account_id AS uuid) AND m.removed_at IS NOT NULL
     AND m.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))),
noted AS (
  UPDATE mailsync.emails m
     SET gone_at = coalesce(m.gone_at, now()),
         confirm_at = coalesce(m.gone_at, now()) + make_interval(secs => :wait_s)
    FROM asked WHERE asked.id = m.id AND asked.is_confirmed IS NOT TRUE)
DELETE FROM mailsync.emails m USING asked WHERE asked.id = m.id AND asked.is_confirmed

-- confirm_removal --
-- Record that a person confirmed the deletion of most of the mailbox.
UPDATE mailsync.email_accounts
   SET removal_confirmed_at = now(), next_sync_at = now(), updated_at = now(),
       last_error = CASE WHEN last_error <> :error THEN last_error END,
       last_error_message = CASE WHEN last_error <> :error THEN last_error_message END
 WHERE id = cast(:account_id AS uuid)

-- find_message_ids_in_trash_or_junk --
-- Return those of these messages that are in trash or junk.
SELECT DISTINCT m.message_id
  FROM mailsync.emails m
  JOIN mailsync.email_placements p ON p.email_id = m.id
  JOIN mailsync.email_folders f ON f.id = p.folder_id
 WHERE m.account_id = cast(:account_id AS uuid) AND f.role IN ('trash', 'junk')
   AND m.message_id = ANY (ARRAY(SELECT json_array_elements_text(cast(:ids AS json))))
