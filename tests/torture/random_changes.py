"""Anything that may happen in a mailbox, chosen by numbers, so that a history can be told again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from localdev.mail.generate import NEWEST_MESSAGE_TIME
from localdev.mail.item import MailItem
from localdev.simulators.folders import ORDINARY_FOLDER_ROLE, RETAINED, Folder
from localdev.simulators.graph.well_known import CONVERSATION_HISTORY_DISPLAY_NAME
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from tests.torture.gmail_changes import GMAIL_OWNER_KINDS, change_gmail

T = TypeVar("T")
# Renaming or deleting it is no change of this sort.
FIXED = (CONVERSATION_HISTORY_DISPLAY_NAME,)


@dataclass(frozen=True)
class Change:
    """`kind` is one of KINDS; the numbers choose what it concerns and where it leads.

    Nothing happens where nothing fits, as when a draft is to be sent and there is none.
    """

    kind: str
    what: int = 0
    where: int = 0

    def apply(self, mailbox: Mailbox) -> None:
        with mailbox.database.transaction():
            if self.kind in GMAIL_OWNER_KINDS:
                change_gmail(mailbox, self.kind, self.what, self.where)
                return
            folders = mailbox.folders.list_all_folders()
            where = _chosen(self.where, folders)
            if self.kind in _IN_A_FOLDER:
                _IN_A_FOLDER[self.kind](mailbox, where, self.what)
            elif self.kind in _OF_A_FOLDER:
                if own := [
                    each
                    for each in folders
                    if each.role == ORDINARY_FOLDER_ROLE and each.name not in FIXED
                ]:
                    _OF_A_FOLDER[self.kind](mailbox, _chosen(self.what, own), where)
            elif messages := _messages(mailbox, folders):
                if self.kind in _OF_LABELS:
                    _OF_LABELS[self.kind](mailbox, _chosen(self.what, messages), where)
                elif alone := [each for each in messages if len(each.placements) == 1]:
                    _OF_A_MESSAGE[self.kind](mailbox, _chosen(self.what, alone), where)


def _deliver(mailbox: Mailbox, folder: Folder, number: int) -> None:
    at = NEWEST_MESSAGE_TIME - timedelta(minutes=number * 37 % 400)
    subject = f"mail {number}"
    item = MailItem(
        subject=subject,
        body=f"The body of {subject}.",
        received_at=at,
        sent_at=at,
        is_draft=number % 7 == 0,
    )
    mailbox.deliver_message(item, folder.number)


def _rename(mailbox: Mailbox, folder: Folder, where: Folder) -> None:
    mailbox.rename_folder(folder.number, f"{where.name} too")


def _move_folder(mailbox: Mailbox, folder: Folder, where: Folder) -> None:
    parents = {each.number: each.parent for each in mailbox.folders.list_all_folders()}
    above: int | None = where.number
    while above is not None and above != folder.number:
        above = parents.get(above)
    if above is None:
        mailbox.folders.move_folder(folder.number, where.number)


def _there_and_back(mailbox: Mailbox, message: Message, where: Folder) -> None:
    mailbox.move_message(message.message_number, where.number)
    mailbox.move_message(message.message_number, message.only_folder_number)


def _changed_there(mailbox: Mailbox, message: Message, where: Folder) -> None:
    mailbox.move_message(message.message_number, where.number)
    mailbox.change_message_fields(message.message_number, subject=f"{where.name}!")
    mailbox.move_message(message.message_number, message.only_folder_number)


def _send(mailbox: Mailbox, message: Message, _: Folder) -> None:
    if message.mail_item.is_draft:
        mailbox.send_draft(message.message_number)


def _restore(mailbox: Mailbox, _: Message, where: Folder) -> None:
    for message in mailbox.list_messages_in_folders(RETAINED)[:1]:
        mailbox.move_message(message.message_number, where.number)


def _label(mailbox: Mailbox, message: Message, where: Folder) -> None:
    if where.number not in {each.folder_number for each in message.placements}:
        mailbox.add_message_to_folder(message.message_number, where.number)


def _unlabel(mailbox: Mailbox, message: Message, where: Folder) -> None:
    placement = message.placements[where.number % len(message.placements)]
    mailbox.remove_message_from_folder(message.message_number, placement.folder_number)


def _unlabel_once(mailbox: Mailbox, message: Message, where: Folder) -> None:
    if len(message.placements) > 1:
        _unlabel(mailbox, message, where)


def _unlabel_everywhere(mailbox: Mailbox, message: Message, _: Folder) -> None:
    for placement in message.placements:
        mailbox.remove_message_from_folder(message.message_number, placement.folder_number)


def _update(**changes: Any) -> Callable[[Mailbox, Message, Folder], None]:
    return lambda mailbox, message, _: mailbox.change_message_fields(
        message.message_number, **changes
    )


_IN_A_FOLDER: dict[str, Callable[[Mailbox, Folder, int], object]] = {
    "deliver": _deliver,
    "create folder": lambda box, where, number: box.create_folder("New", parent=where.number),
    "create hidden": lambda box, where, number: box.create_folder("Hidden", hidden=True),
    "expire links": lambda box, where, number: box.expire_cursors(where.number),
}
_OF_A_FOLDER: dict[str, Callable[[Mailbox, Folder, Folder], object]] = {
    "rename folder": _rename,
    "move folder": _move_folder,
    "delete folder": lambda box, folder, where: box.move_folder_to_trash(folder.number),
    "purge folder": lambda box, folder, where: box.delete_folder_from_database(folder.number),
}
_OF_A_MESSAGE: dict[str, Callable[[Mailbox, Message, Folder], object]] = {
    "read": _update(is_read=True),
    "unread": _update(is_read=False),
    "flag": _update(is_flagged=True),
    "categorize": _update(categories=("Travel",), is_read=True),
    "move": lambda box, message, where: box.move_message(message.message_number, where.number),
    "there and back": _there_and_back,
    "changed there": _changed_there,
    "copy": lambda box, message, where: box.copy_message(message.message_number, where.number),
    "delete": lambda box, message, where: box.move_message_to_trash_or_retained(
        message.message_number
    ),
    "delete for good": lambda box, message, where: box.move_message_to_purged_folder(
        message.message_number
    ),
    "purge": lambda box, message, where: box.delete_message_from_database(message.message_number),
    "renew id": lambda box, message, where: box.replace_message_by_copy_with_new_id(
        message.message_number
    ),
    "send draft": _send,
    "restore": _restore,
}
_OF_LABELS: dict[str, Callable[[Mailbox, Message, Folder], object]] = {
    "label": _label,
    "unlabel": _unlabel,
    "unlabel once": _unlabel_once,
    "unlabel everywhere": _unlabel_everywhere,
    "read labelled": _update(is_read=True),
}
KINDS = (*_IN_A_FOLDER, *_OF_A_FOLDER, *_OF_A_MESSAGE)
LABEL_KINDS = (*KINDS, *_OF_LABELS, *_OF_LABELS)
"""Of a mailbox whose folders are labels."""
LISTED_CHANGES = tuple(
    each for each in LABEL_KINDS if each not in ("categorize", "changed there", "send draft")
)
"""Of a mailbox whose messages keep their contents."""
IMAP_CHANGES = tuple(each for each in KINDS if each != "changed there")
"""Of a mailbox on an IMAP server. There a message never changes: an edited one is another one, and
what two versions share (Message-ID, size, time of receipt) no two messages of a real server do."""
_OF_GMAIL = ("label", "label", "unlabel once", "read labelled")
GMAIL_CHANGES = (*KINDS, *_OF_GMAIL, *_OF_GMAIL)
"""Of a mailbox on Gmail's IMAP server, where a message may have labels and is always in one."""


def _messages(mailbox: Mailbox, folders: Sequence[Folder]) -> list[Message]:
    found = mailbox.list_messages_in_folders(*(folder.number for folder in folders))
    return sorted(found, key=lambda message: message.message_number)


def _chosen(number: int, things: Sequence[T]) -> T:
    return things[number % len(things)]
