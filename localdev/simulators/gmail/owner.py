"""Change a simulated mailbox as its owner does in Gmail.

Methods take and return Gmail's ids of messages and labels. A message that loses its last label is
archived: the simulated mailbox places it in the folder `archive`, which is no label.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from localdev.mail.item import MailItem
from localdev.simulators.folders import FolderNotFound
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.labels import CHAT, IMPORTANT, STARRED, UNREAD
from localdev.simulators.gmail.mailbox import GmailMailbox
from localdev.simulators.mailbox import Mailbox

_FIELD_BY_FLAG: dict[str, Callable[[bool], dict[str, Any]]] = {
    UNREAD: lambda is_set: {"is_read": not is_set},
    STARRED: lambda is_set: {"is_flagged": is_set},
    IMPORTANT: lambda is_set: {"importance": "high" if is_set else "normal"},
}


class GmailMailboxEditor:
    """Changes a mailbox on behalf of its owner."""

    def __init__(self, mailbox: Mailbox, behaviour: GmailBehaviour | None = None) -> None:
        self.gmail = GmailMailbox(mailbox, behaviour or GmailBehaviour())
        self._mailbox = mailbox
        self._database = mailbox.database

    def message_id_of_number(self, number: int) -> str:
        """Return the id of a message by its number in the simulated mailbox."""
        (listed,) = self.gmail.find_messages_without_contents([number])
        return listed.id

    def deliver_message(self, item: MailItem, label_ids: Collection[str] = ("INBOX",)) -> str:
        """Store a new message with these labels; return its id."""
        flags = _FIELD_BY_FLAG.keys() & {*label_ids}
        for flag in flags:
            item = replace(item, **_FIELD_BY_FLAG[flag](True))
        placed = [self._folder(label) for label in label_ids if label not in flags]
        folders = placed or [self._archive]
        with self._database.transaction():
            number = self._mailbox.deliver_message(item, folders[0])
            for folder in folders[1:]:
                self._mailbox.add_message_to_folder(number, folder)
        return self.message_id_of_number(number)

    def change_labels(
        self, message_id: str, *, add: Collection[str] = (), remove: Collection[str] = ()
    ) -> None:
        """Add labels to a message and remove labels from it. Adding TRASH or SPAM also removes
        INBOX."""
        number = self.gmail.find_message_number(message_id)
        with self._database.transaction():
            self._modify(number, set(add), set(remove))

    def change_labels_of_newest_messages(
        self,
        label_ids: Collection[str],
        *,
        add: Collection[str] = (),
        remove: Collection[str] = (),
        limit: int = 10_000,
    ) -> int:
        """Change the labels of the newest messages that have all of `label_ids`, at most `limit`;
        return the number of messages.

        In Gmail, a new filter that is applied to existing mail does this, or "Select all
        conversations" with an action.
        """
        listed, _ = self.gmail.list_message_page(
            label_ids, includes_spam_trash=False, token=None, limit=limit
        )
        with self._database.transaction():
            for each in listed:
                self._modify(each.message_number, set(add), set(remove))
        return len(listed)

    def archive_message(self, message_id: str) -> None:
        self.change_labels(message_id, remove=["INBOX"])

    def trash_message(self, message_id: str) -> None:
        self.change_labels(message_id, add=["TRASH"])

    def untrash_message(self, message_id: str) -> None:
        """Take a message out of the trash. The message does not return to the inbox."""
        self.change_labels(message_id, remove=["TRASH"])

    def mark_message_as_spam(self, message_id: str) -> None:
        self.change_labels(message_id, add=["SPAM"])

    def unmark_message_as_spam(self, message_id: str) -> None:
        self.change_labels(message_id, add=["INBOX"], remove=["SPAM"])

    def set_message_starred(self, message_id: str, *, is_starred: bool = True) -> None:
        self._flag(message_id, STARRED, is_set=is_starred)

    def set_message_read(self, message_id: str, *, is_read: bool = True) -> None:
        self._flag(message_id, UNREAD, is_set=not is_read)

    def set_message_important(self, message_id: str, *, is_important: bool = True) -> None:
        self._flag(message_id, IMPORTANT, is_set=is_important)

    def erase_message(self, message_id: str) -> None:
        self._mailbox.delete_message_from_database(self.gmail.find_message_number(message_id))

    def empty_trash(self) -> int:
        """Delete all messages in the trash for good; return their number."""
        trashed = self._mailbox.list_messages_in_folders("trash")
        with self._database.transaction():
            for each in trashed:
                self._mailbox.delete_message_from_database(each.message_number)
        return len(trashed)

    def edit_draft(self, message_id: str, **fields: Any) -> str:
        """Change fields of a draft; return the id of the edited draft.

        Changing the subject moves the draft to another thread.

        fields: new values by the names of the fields of `MailItem`.
        """
        number = self.gmail.find_message_number(message_id)
        if "subject" in fields:
            self._database.execute_write(
                "UPDATE message SET thread = ? WHERE number = ?", fields["subject"], number
            )
        self._mailbox.change_message_fields(number, **fields)
        return self.message_id_of_number(number)

    def send_draft(self, message_id: str) -> str:
        """Send a draft; return the id of the sent message. The sent message has a new id."""
        number = self.gmail.find_message_number(message_id)
        with self._database.transaction():
            self._mailbox.change_message_fields(number, is_draft=False, sent_at=datetime.now(UTC))
            self._modify(number, {"SENT"}, {"DRAFT"})
        return self.message_id_of_number(number)

    def store_chat_message(
        self, text: str, when: datetime | None = None, *, raw: bytes = b""
    ) -> str:
        """Store a chat message with the label CHAT; return its id.

        when: time of the message. None: now.
        raw: what `format=raw` returns for the message. For chats, Gmail returns an empty or a
            truncated mail (GAM-team/got-your-back #84).
        """
        moment = (when or datetime.now(UTC)).replace(microsecond=0)
        item = MailItem(
            subject="", body=text, received_at=moment, sent_at=moment, is_read=True, original=raw
        )
        return self.deliver_message(item, [CHAT])

    def create_label(self, name: str, *, is_hidden: bool = False) -> str:
        """Create a label; return its id. A label `a/b` is nested below the label `a` if `a`
        exists."""
        above, _, last = name.rpartition("/")
        parent = self._label_of_name(above)
        number = self._mailbox.create_folder(
            last if parent else name, parent=parent, hidden=is_hidden
        )
        return f"Label_{number}"

    def rename_label(self, label: str, name: str) -> None:
        """Rename a label. The labels nested below it stay nested. A name `a/b` nests the label
        below the label `a` if `a` exists; any other name moves the label to the top level."""
        folder = self._folder(label)
        above, _, last = name.rpartition("/")
        parent = self._label_of_name(above)
        with self._database.transaction():
            self._mailbox.folders.move_folder(folder, parent)
            self._mailbox.rename_folder(folder, last if parent else name)

    def set_parent_of_label(self, label: str, parent: str | None = None) -> None:
        """Nest a label below the label `parent`. None as `parent`: move the label to the top
        level."""
        above = self._folder(parent) if parent else None
        self._mailbox.folders.move_folder(self._folder(label), above)

    def delete_label(self, label: str) -> None:
        """Delete a label. Its messages stay. Labels nested below it move to the top level and keep
        their full names, such as `a/b`."""
        folder = self._folder(label)
        names = {
            each.folder_number: each.name
            for each in self.gmail.labels.label_by_id.values()
            if each.folder_number is not None
        }
        with self._database.transaction(), self._history_of_label_deletion():
            for child in self._mailbox.folders.list_child_folders(folder):
                self._mailbox.folders.move_folder(child.number, None)
                self._mailbox.rename_folder(child.number, names[child.number])
            for message in self._mailbox.list_messages_in_folders(folder):
                self._modify(message.message_number, set(), {label})
            self._mailbox.folders.remove_empty_folder(folder)

    def give_message_label_unknown_to_api(self, message_id: str, label_id: str) -> None:
        """Give a message a label that neither `labels.list` nor `labels.get` knows."""
        known = self.gmail.labels.label_by_id.get(label_id)
        folder = known.folder_number if known else None
        if folder is None:
            folder = self.gmail.labels.create_label_with_fixed_id(label_id, is_listed=False)
        self._mailbox.add_message_to_folder(self.gmail.find_message_number(message_id), folder)

    @contextmanager
    def omit_changes_from_history(self) -> Iterator[None]:
        """Leave the changes that are made in the `with` block out of Gmail's history. No other
        thread may change the mailbox meanwhile."""
        newest = self._mailbox.journal.newest_global_change_number
        yield
        self._database.execute_write(
            "INSERT INTO gmail_hidden_change SELECT number FROM change"
            " WHERE mailbox_id = ? AND number > ?",
            *(self._mailbox.user_id, newest),
        )

    @contextmanager
    def _history_of_label_deletion(self) -> Iterator[None]:
        if self.gmail.behaviour.is_label_deletion_in_history:
            yield
            return
        with self.omit_changes_from_history():
            yield

    @property
    def _archive(self) -> int:
        return self._mailbox.folders.find_folder("archive").number

    def _flag(self, message_id: str, label: str, *, is_set: bool) -> None:
        change = {"add" if is_set else "remove": [label]}
        self.change_labels(message_id, **change)

    def _modify(self, number: int, add: set[str], remove: set[str]) -> None:
        for label in (add | remove) & _FIELD_BY_FLAG.keys():
            self._mailbox.change_message_fields(number, **_FIELD_BY_FLAG[label](label in add))
        if add & {"TRASH", "SPAM"}:
            remove = remove | {"INBOX"} - add
        present = {each.folder_number for each in self._mailbox.find_message(number).placements}
        wanted = present | {self._folder(each) for each in add - _FIELD_BY_FLAG.keys()}
        wanted -= {self._folder(each) for each in remove - _FIELD_BY_FLAG.keys()} | {self._archive}
        wanted = wanted or {self._archive}
        for folder in sorted(wanted - present):
            self._mailbox.add_message_to_folder(number, folder)
        for folder in sorted(present - wanted):
            self._mailbox.remove_message_from_folder(number, folder)

    def _folder(self, label_id: str) -> int:
        return self.gmail.labels.find_or_create_folder_number(label_id)

    def _label_of_name(self, name: str) -> int | None:
        """Return the number of the folder of the user's label with this name. Return None if no
        label has the name."""
        for label in self.gmail.labels.label_by_id.values():
            if not label.is_system and label.name == name:
                return label.folder_number
        return None


def find_or_create_label_folder_number(gmail: GmailMailbox, text: str) -> int | None:
    """Return the number of a label's folder. Create the folder if a system label has no folder yet.
    Return None if no such label exists, or if the label is a field of a message, such as UNREAD.

    text: id or name of the label.
    """
    for label in gmail.labels.label_by_id.values():
        if text in (label.id, label.name) and label.folder_number is not None:
            return label.folder_number
    try:
        return gmail.labels.find_or_create_folder_number(text)
    except FolderNotFound:
        return None
