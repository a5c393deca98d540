"""Mail that is hidden because it left its folders, as rows."""

from collections.abc import Callable
from typing import Any

_FOLDER = """
WITH folder AS (
  INSERT INTO mailsync.email_folders (account_id, remote_id, display_name, role)
  VALUES (cast(:account AS uuid), 'inbox', 'Inbox', 'inbox') RETURNING id)
INSERT INTO mailsync.change_feeds (folder_id, walking) SELECT id, false FROM folder
RETURNING folder_id"""
_MESSAGES = """
INSERT INTO mailsync.emails (account_id, folder_id, message_id, subject, to_recipients,
       cc_recipients, bcc_recipients, reply_to, snippet, is_read, is_draft, is_flagged,
       has_attachments, importance, categories, kind, row_hash, walk, removed_at, gone_at,
       confirm_at)
SELECT cast(:account AS uuid), :folder, 'm' || n, 'Mail ' || n, '[]', '[]', '[]', '[]', '', true,
       false, false, false, 'normal', '[]', 'message', gen_random_uuid(), 1,
       CASE WHEN n <= :gone + 1 THEN now() - interval '4 hours' END,
       CASE WHEN n <= :gone THEN now() - interval '3 hours' END,
       CASE WHEN n <= :gone THEN now() + interval '21 hours'
            WHEN n = :gone + 1 THEN now() - interval '4 hours' END
  FROM generate_series(1, :messages) n"""


def hide_mail(run: Callable[..., Any], account_id: str, *, messages: int, gone: int) -> None:
    """Give the account an inbox with `messages` messages; `gone` of them are gone at the provider.

    One more is hidden, if there is one, and not confirmed as gone.
    """
    ((folder_id,),) = run(_FOLDER, account=account_id)
    run(_MESSAGES, account=account_id, folder=folder_id, messages=messages, gone=gone)
