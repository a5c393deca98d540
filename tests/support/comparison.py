"""What the tables must hold, computed from the mailbox alone, and where they differ from it."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from pg8000.native import Connection

from localdev.simulators.folders import Folder, FolderNumberOrRole
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from mailsync.model import Address, Role
from tests.support.outlook_form import OutlookForm

Things = dict[str, dict[str, Any]]

_MESSAGES = """
SELECT coalesce(k.remote_key, m.message_id), json_build_object(
         'folders', (SELECT json_agg(f.remote_id ORDER BY f.remote_id COLLATE "C")
                       FROM mailsync.email_placements p
                       JOIN mailsync.email_folders f ON f.id = p.folder_id
                      WHERE p.email_id = m.id),
         'subject', m.subject, 'internet id', m.internet_message_id,
         'conversation', m.conversation_id, 'from', m.from_address, 'to', m.to_recipients,
         'cc', m.cc_recipients, 'bcc', m.bcc_recipients, 'reply to', m.reply_to,
         'preview', m.snippet, 'is read', m.is_read, 'is draft', m.is_draft,
         'is flagged', m.is_flagged, 'has attachments', m.has_attachments,
         'importance', m.importance, 'categories', m.categories,
         'received at', floor(extract(epoch FROM m.received_at))::bigint,
         'sent at', floor(extract(epoch FROM m.sent_at))::bigint,
         'modified at', floor(extract(epoch FROM m.modified_at))::bigint,
         'web link', m.web_link, 'html', b.html, 'text', b.text)
  FROM mailsync.emails m
  LEFT JOIN mailsync.email_bodies b ON b.email_id = m.id
  LEFT JOIN mailsync.message_keys k ON k.email_id = m.id
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
    "full syncs under way": "change_feeds c WHERE {owned} AND walking AND NOT EXISTS (SELECT"
    " FROM mailsync.email_folders f WHERE f.id = c.folder_id AND f.gone_at IS NOT NULL)",
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


class ProviderForm(Protocol):
    """How a provider presents what a mailbox holds.

    uncounted: role of the folder that it does not count; None: it counts all.
    """

    uncounted: Role | None

    def ids_and_versions(self, messages: Sequence[Message]) -> Iterable[tuple[str, str]]:
        """The provider's id and version of each message."""
        ...

    def message_id(self, number: int) -> str: ...
    def folder_id(self, folder: FolderNumberOrRole) -> str: ...
    def fields(self, message: Message) -> Mapping[str, Any]:
        """The columns whose values the provider makes."""
        ...

    def folder_fields(self, folder: Folder) -> Mapping[str, Any]:
        """Likewise of a folder."""
        ...


def divergences(
    tables: Connection,
    account_id: str,
    mailbox: Mailbox,
    form: ProviderForm | None = None,
    *,
    is_confirmed: bool = False,
) -> list[str]:
    """One line for each thing in which the account's rows and the mailbox differ.

    What is hidden counts as absent. `is_confirmed`: all that is gone has been gone for so long that
    nothing may be hidden any more. `form` is Graph's unless another one is given.
    """
    form = form or OutlookForm(mailbox)
    must_be_empty = {**_MUST_BE_EMPTY, **(_HIDDEN if is_confirmed else {})}
    owned = f"account_id = '{account_id}'"
    counts = (
        f"(SELECT count(*) FROM mailsync.{where.format(owned=owned, account=account_id)})"
        for where in must_be_empty.values()
    )
    left = zip(must_be_empty, tables.run(f"SELECT {', '.join(counts)}")[0], strict=True)
    folders = dict(tables.run(_FOLDERS.format(account=account_id)))
    return [
        *_differences("folder", folders, folders_in(mailbox, form)),
        *_differences("message", stored(tables.run, account_id), in_mailbox(mailbox, form)),
        *(f"{number} {what}" for what, number in left if number),
    ]


def stored(run: Callable[[str], Any], account_id: str) -> Things:
    """The messages of an account that its readers see, by the present ids; `run` executes
    SQL."""
    return dict(run(_MESSAGES.format(account=account_id)))


def in_mailbox(mailbox: Mailbox, form: ProviderForm) -> Things:
    """What `stored` returns when all of the mailbox is stored."""
    folders = [folder.number for folder in mailbox.folders.list_all_folders()]
    return {
        form.message_id(message.message_number): as_stored(message, form)
        for message in mailbox.list_messages_in_folders(*folders)
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


def folders_in(mailbox: Mailbox, form: ProviderForm) -> Things:
    """The folders that must be stored when all of the mailbox is."""
    folders = [each for each in mailbox.folders.list_all_folders() if each.search_filter is None]
    return {
        form.folder_id(each.number): {
            "name": each.name,
            "parent": None if each.parent is None else form.folder_id(each.parent),
            "role": each.role,
            "hidden": each.is_hidden,
            "total": each.total,
            "unread": each.unread,
            **form.folder_fields(each),
        }
        for each in folders
    }


def as_stored(message: Message, form: ProviderForm) -> dict[str, Any]:
    """The row that a message must have."""
    item = message.mail_item
    return {
        "folders": sorted(
            form.folder_id(placement.folder_number) for placement in message.placements
        ),
        "subject": item.subject,
        "internet id": item.internet_message_id,
        "from": item.sender.address if item.sender else None,
        "to": _addresses(item.to),
        "cc": _addresses(item.cc),
        "bcc": _addresses(item.bcc),
        "reply to": _addresses(item.reply_to),
        "is read": item.is_read,
        "is draft": item.is_draft,
        "is flagged": item.is_flagged,
        "has attachments": item.has_attachments,
        "importance": item.importance,
        "categories": list(item.categories),
        "received at": int(item.received_at.timestamp()),
        "sent at": int(item.sent_at.timestamp()),
        "modified at": int(message.modified_at.timestamp()),
        **form.fields(message),
    }


def _addresses(addresses: Iterable[Address]) -> list[dict[str, str]]:
    return [{"name": each.name or each.address, "address": each.address} for each in addresses]
