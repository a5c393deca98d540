"""Anything that may happen in a mailbox, chosen by numbers, so that a history can be told again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from localdev.simulators.folders import Folder
from localdev.simulators.mailbox import Mailbox, StoredMessage
from tests.torture.changes import a_mail

T = TypeVar("T")


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
            folders = mailbox.folders.all()
            where = _chosen(self.where, folders)
            if self.kind in _IN_A_FOLDER:
                _IN_A_FOLDER[self.kind](mailbox, where, self.what)
            elif self.kind in _OF_A_FOLDER:
                if own := [each for each in folders if each.role is None]:
                    _OF_A_FOLDER[self.kind](mailbox, _chosen(self.what, own), where)
            elif messages := _messages(mailbox, folders):
                _OF_A_MESSAGE[self.kind](mailbox, _chosen(self.what, messages), where)


def _deliver(mailbox: Mailbox, folder: Folder, number: int) -> None:
    minute = -(number * 37 % 400)
    mailbox.deliver(a_mail(f"mail {number}", minute=minute, is_draft=number % 7 == 0), folder.id)


def _rename(mailbox: Mailbox, folder: Folder, where: Folder) -> None:
    mailbox.folders.rename(folder.id, f"{where.display_name} too")


def _move_folder(mailbox: Mailbox, folder: Folder, where: Folder) -> None:
    parents = {each.id: each.parent_id for each in mailbox.folders.all()}
    above: str | None = where.id
    while above is not None and above != folder.id:
        above = parents.get(above)
    if above is None:
        mailbox.folders.move(folder.id, where.id)


def _there_and_back(mailbox: Mailbox, message: StoredMessage, where: Folder) -> None:
    mailbox.move(message.immutable_id, where.id)
    mailbox.move(message.immutable_id, message.folder_id)


def _changed_there(mailbox: Mailbox, message: StoredMessage, where: Folder) -> None:
    mailbox.move(message.immutable_id, where.id)
    mailbox.update(message.immutable_id, subject=f"{where.display_name}!")
    mailbox.move(message.immutable_id, message.folder_id)


def _send(mailbox: Mailbox, message: StoredMessage, _: Folder) -> None:
    if message.properties["isDraft"]:
        mailbox.send_draft(message.immutable_id)


def _restore(mailbox: Mailbox, _: StoredMessage, where: Folder) -> None:
    for message in mailbox.messages("recoverableitemsdeletions")[:1]:
        mailbox.move(message.immutable_id, where.id)


def _update(**changes: object) -> Callable[[Mailbox, StoredMessage, Folder], None]:
    return lambda mailbox, message, _: mailbox.update(message.immutable_id, **changes)


_IN_A_FOLDER: dict[str, Callable[[Mailbox, Folder, int], object]] = {
    "deliver": _deliver,
    "create folder": lambda box, where, number: box.folders.create("New", parent=where.id),
    "create hidden": lambda box, where, number: box.folders.create("Hidden", hidden=True),
    "expire links": lambda box, where, number: box.expire_delta_links(where.id),
}
_OF_A_FOLDER: dict[str, Callable[[Mailbox, Folder, Folder], object]] = {
    "rename folder": _rename,
    "move folder": _move_folder,
    "delete folder": lambda box, folder, where: box.delete_folder(folder.id),
    "purge folder": lambda box, folder, where: box.purge_folder(folder.id),
}
_OF_A_MESSAGE: dict[str, Callable[[Mailbox, StoredMessage, Folder], object]] = {
    "read": _update(isRead=True),
    "unread": _update(isRead=False),
    "flag": _update(flag={"flagStatus": "flagged"}),
    "categorize": _update(categories=["Travel"], isRead=True),
    "move": lambda box, message, where: box.move(message.immutable_id, where.id),
    "there and back": _there_and_back,
    "changed there": _changed_there,
    "copy": lambda box, message, where: box.copy(message.immutable_id, where.id),
    "delete": lambda box, message, where: box.delete(message.immutable_id),
    "delete for good": lambda box, message, where: box.delete_permanently(message.immutable_id),
    "purge": lambda box, message, where: box.purge(message.immutable_id),
    "renew id": lambda box, message, where: box.renew_immutable_id(message.immutable_id),
    "send draft": _send,
    "restore": _restore,
}
KINDS = (*_IN_A_FOLDER, *_OF_A_FOLDER, *_OF_A_MESSAGE)


def _messages(mailbox: Mailbox, folders: Sequence[Folder]) -> list[StoredMessage]:
    found = [message for folder in folders for message in mailbox.messages(folder.id)]
    return sorted(found, key=lambda message: message.seq)


def _chosen(number: int, things: Sequence[T]) -> T:
    return things[number % len(things)]
