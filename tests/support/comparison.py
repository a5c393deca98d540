"""What the tables must hold, computed from the mailbox alone, and where they differ from it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pg8000.native import Connection

from localdev.simulators.mailbox import Mailbox, StoredMessage
from localdev.simulators.message import text_to_html

Things = dict[str, dict[str, Any]]

_MESSAGES = """
SELECT m.message_id, json_build_object(
         'folder', f.remote_id, 'subject', m.subject, 'internet id', m.internet_message_id,
         'conversation', m.conversation_id, 'from', m.from_address, 'to', m.to_recipients,
         'cc', m.cc_recipients, 'bcc', m.bcc_recipients, 'reply to', m.reply_to,
         'preview', m.snippet, 'is read', m.is_read, 'is draft', m.is_draft,
         'is flagged', m.is_flagged, 'has attachments', m.has_attachments,
         'importance', m.importance, 'categories', m.categories,
         'received at', extract(epoch FROM m.received_at)::bigint,
         'sent at', extract(epoch FROM m.sent_at)::bigint,
         'modified at', extract(epoch FROM m.modified_at)::bigint,
         'web link', m.web_link, 'html', b.html, 'text', b.text)
  FROM mailsync.emails m
  JOIN mailsync.email_folders f ON f.id = m.folder_id
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.account_id = '{account}' AND m.removed_at IS NULL"""
_FOLDERS = """
SELECT f.remote_id, json_build_object(
         'name', f.display_name, 'parent', f.parent_remote_id, 'role', f.role,
         'hidden', f.hidden, 'total', f.total, 'unread', f.unread)
  FROM mailsync.email_folders f
 WHERE f.account_id = '{account}' AND f.gone_at IS NULL"""
_MUST_BE_EMPTY = {
    "folders that are not proven": "email_folders WHERE {owned} AND verified_at IS NULL"
    " AND gone_at IS NULL",
    "walks under way": "folder_cursors JOIN mailsync.email_folders f ON f.id = folder_id"
    " WHERE {owned} AND walking",
    "messages in quarantine": "email_quarantine WHERE {owned}",
    "open runs": "sync_runs WHERE {owned} AND status IN ('queued', 'running')",
    "accounts that are not complete": "email_accounts WHERE id = '{account}' AND"
    " (NOT initial_sync_completed OR lease_owner IS NOT NULL OR sync_status <> 'completed'"
    " OR last_error IS NOT NULL)",
}
_HIDDEN = {
    "hidden messages": "emails WHERE {owned} AND removed_at IS NOT NULL",
    "hidden folders": "email_folders WHERE {owned} AND gone_at IS NOT NULL",
}
_ROLES = {
    "inbox": "inbox",
    "sentitems": "sent",
    "drafts": "drafts",
    "deleteditems": "trash",
    "junkemail": "junk",
    "archive": "archive",
    "outbox": "outbox",
}


def divergences(
    tables: Connection, account_id: str, mailbox: Mailbox, *, is_confirmed: bool = False
) -> list[str]:
    """One line for each thing in which the account's rows and the mailbox differ.

    What is hidden counts as absent. `is_confirmed`: all that is gone has been gone for so long that
    nothing may be hidden any more.
    """

    must_be_empty = {**_MUST_BE_EMPTY, **(_HIDDEN if is_confirmed else {})}
    owned = f"account_id = '{account_id}'"
    counts = (
        f"(SELECT count(*) FROM mailsync.{where.format(owned=owned, account=account_id)})"
        for where in must_be_empty.values()
    )
    left = zip(must_be_empty, tables.run(f"SELECT {', '.join(counts)}")[0], strict=True)
    folders = dict(tables.run(_FOLDERS.format(account=account_id)))
    return [
        *_differences("folder", folders, _folders(mailbox)),
        *_differences("message", stored(tables.run, account_id), in_mailbox(mailbox)),
        *(f"{number} {what}" for what, number in left if number),
    ]


def stored(run: Callable[[str], Any], account_id: str) -> Things:
    """The messages of an account that its readers see, by their ids; `run` executes SQL."""
    return dict(run(_MESSAGES.format(account=account_id)))


def in_mailbox(mailbox: Mailbox) -> Things:
    """What `stored` returns when all of the mailbox is stored."""
    return {
        message.immutable_id: as_stored(message)
        for folder in mailbox.folders.all()
        for message in mailbox.messages(folder.id)
    }


def row_numbers(tables: Connection) -> dict[str, int]:
    """Our own number of each message; a row that was deleted and made again has another one."""
    return dict(tables.run("SELECT message_id, id FROM mailsync.emails"))


def _differences(kind: str, stored: Mapping[str, Any], wanted: Things) -> Iterator[str]:
    for key in wanted.keys() - stored.keys():
        yield f"{kind} {wanted[key].get('subject') or wanted[key].get('name')!r} is missing"
    for key in stored.keys() - wanted.keys():
        yield f"{kind} {stored[key].get('subject') or stored[key].get('name')!r} is too many"
    for key in stored.keys() & wanted.keys():
        for name, value in wanted[key].items():
            if stored[key][name] != value:
                title = wanted[key].get("subject") or wanted[key].get("name")
                yield f"{kind} {title!r}: {name} is {stored[key][name]!r}, not {value!r}"


def _folders(mailbox: Mailbox) -> Things:
    folders = [each for each in mailbox.folders.all() if each.search_filter is None]
    ids = {each.id for each in folders}
    return {
        each.id: {
            "name": each.display_name,
            "parent": each.parent_id if each.parent_id in ids else None,
            "role": _ROLES.get(each.role or "", "other"),
            "hidden": each.is_hidden,
            "total": each.total,
            "unread": each.unread,
        }
        for each in folders
    }


def as_stored(message: StoredMessage) -> dict[str, Any]:
    """The row that a message must have."""
    properties = message.properties
    is_text = message.body_type == "text"
    sender = properties.get("from", {}).get("emailAddress", {})
    return {
        "folder": message.folder_id,
        "subject": properties["subject"],
        "internet id": properties["internetMessageId"],
        "conversation": properties["conversationId"],
        "from": sender.get("address"),
        "to": _addresses(properties["toRecipients"]),
        "cc": _addresses(properties["ccRecipients"]),
        "bcc": _addresses(properties["bccRecipients"]),
        "reply to": _addresses(properties["replyTo"]),
        "preview": properties["bodyPreview"],
        "is read": message.is_read,
        "is draft": properties["isDraft"],
        "is flagged": properties["flag"]["flagStatus"] == "flagged",
        "has attachments": properties["hasAttachments"],
        "importance": properties["importance"],
        "categories": properties["categories"],
        "received at": _seconds(message.received_at),
        "sent at": _seconds(properties["sentDateTime"]),
        "modified at": _seconds(properties["lastModifiedDateTime"]),
        "web link": properties["webLink"],
        "html": text_to_html(message.body) if is_text else message.body,
        "text": None,
    }


def _addresses(recipients: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [each["emailAddress"] for each in recipients]


def _seconds(wire_time: str) -> int:
    return int(datetime.fromisoformat(wire_time).timestamp())
