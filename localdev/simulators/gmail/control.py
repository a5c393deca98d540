"""Offer the actions of the control API `/_sim/` that only Gmail has, and find messages and labels
by Gmail's ids."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from localdev.mail.item import MailItem
from localdev.simulators.gmail.ids import is_well_formed_id
from localdev.simulators.gmail.labels import SYSTEM_LABEL_IDS
from localdev.simulators.gmail.owner import GmailMailboxEditor, find_or_create_label_folder_number
from localdev.simulators.gmail.server import GmailServer
from localdev.simulators.gmail.tokens import READONLY_SCOPE
from localdev.simulators.mailbox import Mailbox

JsonObject = dict[str, Any]
MailItemParser = Callable[[JsonObject], MailItem]


def build_gmail_control_api_actions(
    server: GmailServer,
) -> dict[tuple[str, str], Callable[[JsonObject], Any]]:
    """Return the actions by method and name: quota counts, switches, watches and pushes."""
    return {
        ("GET", "gmail-quota"): lambda _: server.quota.to_json(),
        ("DELETE", "gmail-quota"): lambda _: server.quota.reset_counts(),
        ("GET", "gmail-switches"): lambda _: asdict(server.behaviour),
        ("POST", "gmail-switches"): lambda fields: _set_behaviour(server, fields),
        ("GET", "gmail-watches"): lambda _: server.pusher.list_active_watches(),
        ("GET", "gmail-pushes"): lambda _: list(server.pusher.deliveries),
    }


def build_gmail_mailbox_actions(
    server: GmailServer, read_mail: MailItemParser
) -> dict[str, Callable[..., Any]]:
    """Return the actions on one mailbox by name. They take and return Gmail's ids.

    read_mail: function that parses a mail from JSON with the fields of `MailItem`.
    """

    def of_owner(action: Callable[..., Any]) -> Callable[..., Any]:
        return lambda mailbox, **fields: action(
            GmailMailboxEditor(mailbox, server.behaviour), **fields
        )

    def of_message(action: Callable[..., Any]) -> Callable[..., Any]:
        return of_owner(lambda owner, *, id, **fields: action(owner, id, **fields))

    return {
        "gmail-deliver": of_owner(partial(_deliver, read_mail)),
        "gmail-chat": of_owner(_chat),
        "gmail-modify": of_message(GmailMailboxEditor.change_labels),
        "gmail-modify-all": of_owner(
            lambda owner, *, labels, **fields: {
                "changed": owner.change_labels_of_newest_messages(labels, **fields)
            }
        ),
        "gmail-archive": of_message(GmailMailboxEditor.archive_message),
        "gmail-trash": of_message(GmailMailboxEditor.trash_message),
        "gmail-untrash": of_message(GmailMailboxEditor.untrash_message),
        "gmail-spam": of_message(GmailMailboxEditor.mark_message_as_spam),
        "gmail-unspam": of_message(GmailMailboxEditor.unmark_message_as_spam),
        "gmail-star": of_message(GmailMailboxEditor.set_message_starred),
        "gmail-mark-read": of_message(GmailMailboxEditor.set_message_read),
        "gmail-mark-important": of_message(GmailMailboxEditor.set_message_important),
        "gmail-delete-for-good": of_message(GmailMailboxEditor.erase_message),
        "gmail-empty-trash": of_owner(lambda owner: {"deleted": owner.empty_trash()}),
        "gmail-edit-draft": of_message(GmailMailboxEditor.edit_draft),
        "gmail-send-draft": of_message(GmailMailboxEditor.send_draft),
        "gmail-create-label": of_owner(GmailMailboxEditor.create_label),
        "gmail-rename-label": of_owner(GmailMailboxEditor.rename_label),
        "gmail-nest-label": of_owner(GmailMailboxEditor.set_parent_of_label),
        "gmail-delete-label": of_owner(GmailMailboxEditor.delete_label),
        "gmail-add-unknown-label": of_message(_add_unknown_label),
        "gmail-hold-history": server.withhold_new_history_records,
        "gmail-token": partial(_register_token, server),
        "gmail-expire-watch": server.pusher.expire_watch_of_mailbox,
        "gmail-push": lambda mailbox, **fields: {
            "status": server.pusher.post_push_notification(mailbox, **fields)
        },
    }


def _deliver(
    read_mail: MailItemParser,
    owner: GmailMailboxEditor,
    *,
    labels: Collection[str] = ("INBOX",),
    **fields: Any,
) -> str:
    return owner.deliver_message(read_mail(fields), labels)


def _add_unknown_label(owner: GmailMailboxEditor, message_id: str, *, label: str) -> None:
    owner.give_message_label_unknown_to_api(message_id, label)


def _register_token(
    server: GmailServer, mailbox: Mailbox, *, scopes: Iterable[str] = (READONLY_SCOPE,)
) -> dict[str, str]:
    return {"token": server.tokens.issue_token(mailbox.user_id, frozenset(scopes))}


def find_message_number(server: GmailServer, mailbox: Mailbox, text: str) -> int | None:
    """Return the number that the message with this id has in the simulated mailbox. Return None if
    the text has not the form of a Gmail id. Raises GmailError 404 if no message has the id."""
    return (
        server.open_gmail_mailbox(mailbox).find_message_number(text)
        if is_well_formed_id(text)
        else None
    )


def find_or_create_folder_number_of_label_id(
    server: GmailServer, mailbox: Mailbox, text: str
) -> int | None:
    """Return the number of the folder of the label with this id. Create the folder if a system
    label has no folder yet.

    Return None if no label has the id, or if the label is a field of a message, such as UNREAD.
    """
    if text in SYSTEM_LABEL_IDS or text.startswith("Label_"):
        return find_or_create_label_folder_number(server.open_gmail_mailbox(mailbox), text)
    return None


def _set_behaviour(server: GmailServer, fields: JsonObject) -> JsonObject:
    server.set_behaviour_switches(**fields)
    return asdict(server.behaviour)


def _chat(owner: GmailMailboxEditor, *, text: str, when: str | None = None) -> str:
    return owner.store_chat_message(text, datetime.fromisoformat(when) if when else None)
