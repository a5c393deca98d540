"""Read and change a simulated mailbox in IMAP's terms: folders by name, messages by UID."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

from localdev.mail.item import MailItem
from localdev.mail.parse import parse_mail
from localdev.mail.wire_form import convert_message_to_wire_bytes
from localdev.simulators.folders import Folder
from localdev.simulators.imap.flags import flags_of_message, flags_to_mail_fields_and_attributes
from localdev.simulators.imap.folder_state import MessageWithoutContents, SimulatedFolderReader
from localdev.simulators.imap.gmail import GmailMailboxView
from localdev.simulators.imap.names import INBOX, ImapFolder, capitalize_inbox, to_imap_folders
from localdev.simulators.imap.options import GMAIL_CAPABILITY, ImapOptions
from localdev.simulators.imap.response import CommandRejectedError
from localdev.simulators.mailbox import Mailbox, MessageNotFound
from localdev.simulators.message import Message
from localdev.simulators.message_bytes import compose_message


class ImapMailbox:
    """A simulated mailbox, as an IMAP server shows it.

    simulated_mailbox: the stored mailbox, which is the same for every provider.
    options: the server's extensions and the form of folder names.
    """

    def __init__(self, mailbox: Mailbox, options: ImapOptions) -> None:
        self.simulated_mailbox = mailbox
        self.options = options
        self._newest_original: tuple[int, bytes | None] = (0, None)
        self._gmail = (
            GmailMailboxView(mailbox, options) if options.has_extension(GMAIL_CAPABILITY) else None
        )

    def transaction(self) -> AbstractContextManager[None]:
        return self.simulated_mailbox.database.transaction()

    def list_folders(self) -> list[ImapFolder]:
        if self._gmail:
            return self._gmail.list_folders()
        return to_imap_folders(self.simulated_mailbox.folders.list_all_folders(), self.options)

    def find_folder(self, name: str, *, code: str = "") -> ImapFolder:
        """Return the folder with this name.

        code: response code of the exception CommandRejectedError. Empty: no code.

        Raises:
            CommandRejectedError: the mailbox has no such folder.
        """
        wanted = capitalize_inbox(name, self.options.separator)
        for each in self.list_folders():
            if each.name == wanted:
                return each
        raise CommandRejectedError(f"Mailbox doesn't exist: {name[:200]}", code)

    def make_folder_reader(self, folder: ImapFolder) -> SimulatedFolderReader:
        number = folder.simulated_folder.number
        return (
            self._gmail.make_folder_reader(number)
            if self._gmail
            else SimulatedFolderReader(self.simulated_mailbox, number)
        )

    def is_listed_message_still_there(
        self, listed: MessageWithoutContents, folder: ImapFolder
    ) -> bool:
        """Return whether the message is still in the folder."""
        if self._gmail:
            return self._gmail.is_listed_message_still_there(listed, folder.simulated_folder.number)
        return (
            self.simulated_mailbox.database.fetch_row(
                "SELECT 1 FROM placement WHERE message = ? AND folder = ?",
                *(listed.message_number, folder.simulated_folder.number),
            )
            is not None
        )

    def read_message_bytes(self, listed: MessageWithoutContents) -> bytes | None:
        """Return the bytes of a message (RFC 5322). Return None if the message no longer exists."""
        if listed.original_message_size_bytes is not None:
            # A client reads a large message in parts, one after the other.
            if self._newest_original[0] != listed.content_blob_id:
                content = self.simulated_mailbox.read_original_message_bytes(listed.content_blob_id)
                self._newest_original = (listed.content_blob_id, content)
            return self._newest_original[1]
        try:
            message = self.simulated_mailbox.find_message(listed.message_number)
        except MessageNotFound:
            return None
        return compose_message(_without_states(message.mail_item))

    def read_message_size_bytes(self, listed: MessageWithoutContents) -> int | None:
        """Return the size of a message in bytes (RFC822.SIZE). Return None if the message no longer
        exists and its original was not kept."""
        if listed.original_message_size_bytes is not None:
            return listed.original_message_size_bytes
        raw = self.read_message_bytes(listed)
        return None if raw is None else len(raw)

    def change_message_flags(
        self, listed: MessageWithoutContents, change: Callable[[frozenset[str]], frozenset[str]]
    ) -> None:
        """Change the flags of a message. Write nothing if the flags stay the same or the message no
        longer exists.

        change: function that takes the present flags and returns the new flags.
        """
        with self.transaction():
            try:
                message = self.simulated_mailbox.find_message(listed.message_number)
            except MessageNotFound:
                return
            present = _flags(message)
            wanted = change(present)
            if wanted == present:
                return
            fields, attributes = flags_to_mail_fields_and_attributes(
                wanted, message.mail_item.categories
            )
            self.simulated_mailbox.change_message_fields(
                listed.message_number, attributes=attributes, **fields
            )

    def append_message(
        self, folder: ImapFolder, raw: bytes, flags: frozenset[str], received_at: datetime
    ) -> int:
        """Store a new message in the folder; return the UID of the message."""
        original = convert_message_to_wire_bytes(raw)
        item = replace(parse_mail(original), received_at=received_at, original=original)
        fields, attributes = flags_to_mail_fields_and_attributes(flags, ())
        with self.transaction():
            number = self.simulated_mailbox.deliver_message(
                replace(item, **fields), folder.simulated_folder.number
            )
            if any(attributes.values()):
                self.simulated_mailbox.change_message_fields(number, attributes=attributes)
            return self._uid(number, folder)

    def copy_messages(
        self, messages: Sequence[MessageWithoutContents], target: ImapFolder
    ) -> list[tuple[int, int]]:
        """Copy the messages to the folder `target`; return pairs: the UID of a message and the UID
        of its copy. In Gmail, copying adds the label of the folder to the message."""
        destination = target.simulated_folder.number
        if self._gmail:
            return self._labelled(messages, target)
        with self.transaction():
            return [
                (
                    each.uid,
                    self._uid(
                        self.simulated_mailbox.copy_message(each.message_number, destination),
                        target,
                    ),
                )
                for each in self._existing(messages)
            ]

    def _labelled(
        self, messages: Sequence[MessageWithoutContents], target: ImapFolder
    ) -> list[tuple[int, int]]:
        """Add the label of the folder `target` to the messages; return pairs: the UID of a message
        in the open folder and its UID in `target`."""
        with self.transaction():
            for each in self._existing(messages):
                placements = self.simulated_mailbox.find_message(each.message_number).placements
                if target.simulated_folder.number not in {it.folder_number for it in placements}:
                    self.simulated_mailbox.add_message_to_folder(
                        each.message_number, target.simulated_folder.number
                    )
        uids = {
            each.message_number: each.uid
            for each in self.make_folder_reader(target).list_messages()
        }
        return [
            (each.uid, uids[each.message_number])
            for each in messages
            if each.message_number in uids
        ]

    def move_messages(
        self, source: ImapFolder, messages: Sequence[MessageWithoutContents], target: ImapFolder
    ) -> list[tuple[int, int]]:
        """Move the messages to the folder `target`; return pairs: the UID of a message in `source`
        and the UID in `target`."""
        moved = []
        with self.transaction():
            for each in self._existing(messages):
                self.simulated_mailbox.move_message(
                    each.message_number,
                    target.simulated_folder.number,
                    source=source.simulated_folder.number,
                )
                moved.append((each.uid, self._uid(each.message_number, target)))
        return moved

    def remove_messages_from_folder(
        self, folder: ImapFolder, messages: Sequence[MessageWithoutContents]
    ) -> None:
        """Remove messages from the folder. Delete a message that is then in no folder.

        Gmail differs: it deletes messages only from the trash and junk folders. From All Mail it
        removes nothing. From any other folder it removes the label and keeps the message.
        """
        role = folder.simulated_folder.role
        if self._gmail and role == "archive":
            return
        with self.transaction():
            for each in self._existing(messages):
                message = self.simulated_mailbox.find_message(each.message_number)
                if self._gmail and role not in ("trash", "junk"):
                    self._take_label(message, folder.simulated_folder.number)
                elif not self._gmail and len(message.placements) > 1:
                    self.simulated_mailbox.remove_message_from_folder(
                        each.message_number, folder.simulated_folder.number
                    )
                else:
                    self.simulated_mailbox.delete_message_from_database(each.message_number)

    def create_folder(self, name: str) -> None:
        """Create a folder with this name, and all missing parent folders. Raises
        CommandRejectedError if the folder exists or the name is not allowed."""
        separator = self.options.separator
        name = capitalize_inbox(name.removesuffix(separator), separator)
        with self.transaction():
            existing = {each.name: each.simulated_folder for each in self.list_folders()}
            if name in existing or not name or name == self.options.prefix.removesuffix(separator):
                raise CommandRejectedError("Mailbox already exists", "ALREADYEXISTS")
            above, level = self._parent(name, existing)
            self.simulated_mailbox.create_folder(level, parent=above.number if above else None)

    def delete_folder(self, name: str) -> None:
        """Delete a folder with its mail; in Gmail, delete a label and keep its mail. Raises
        CommandRejectedError for INBOX and for a folder with children."""
        folder = self.find_folder(name, code="NONEXISTENT")
        if folder.name == INBOX:
            raise CommandRejectedError("INBOX can't be deleted.", "CANNOT")
        if folder.has_children:
            raise CommandRejectedError("The mailbox has children.", "HASCHILDREN")
        if self._gmail:
            self._delete_label(folder)
        else:
            self.simulated_mailbox.delete_folder_from_database(folder.simulated_folder.number)

    def _delete_label(self, folder: ImapFolder) -> None:
        """Delete the label of a folder, and keep its messages."""
        number = folder.simulated_folder.number
        with self.transaction():
            for each in self.simulated_mailbox.list_messages_in_folders(number):
                self._take_label(each, number)
            self.simulated_mailbox.folders.remove_empty_folder(number)

    def _take_label(self, message: Message, folder: int) -> None:
        """Remove a message from a folder. A message that is in no other folder moves to the
        archive."""
        if len(message.placements) > 1:
            self.simulated_mailbox.remove_message_from_folder(message.message_number, folder)
        else:
            self.simulated_mailbox.move_message(message.message_number, "archive", source=folder)

    def rename_folder(self, name: str, new_name: str) -> None:
        """Rename a folder with its children.

        INBOX cannot be renamed. Its mail moves to a new folder with the new name instead (RFC 3501,
        section 6.3.5).

        Raises CommandRejectedError if the folder does not exist, or if the new name is taken, not
        allowed, or below the folder itself.
        """
        new_name = capitalize_inbox(new_name, self.options.separator)
        with self.transaction():
            folder = self.find_folder(name, code="NONEXISTENT")
            if folder.name == INBOX:
                self.create_folder(new_name)
                messages = self.make_folder_reader(folder).list_messages()
                self.move_messages(folder, messages, self.find_folder(new_name))
                return
            existing = {each.name: each.simulated_folder for each in self.list_folders()}
            if new_name in existing:
                raise CommandRejectedError("Target mailbox already exists", "ALREADYEXISTS")
            if new_name.startswith(folder.name + self.options.separator):
                raise CommandRejectedError("A mailbox can't become its own child.", "CANNOT")
            above, level = self._parent(new_name, existing)
            self.simulated_mailbox.folders.move_folder(
                folder.simulated_folder.number, above.number if above else None
            )
            self.simulated_mailbox.rename_folder(folder.simulated_folder.number, level)

    def _parent(self, name: str, existing: dict[str, Folder]) -> tuple[Folder | None, str]:
        """Return the parent folder of a new folder, and the last level of the new folder's name.
        The parent is None at the top of the tree."""
        separator = self.options.separator
        path, _, level = name.rpartition(separator)
        if not level or (path and not path.strip(separator)):
            raise CommandRejectedError("Invalid mailbox name", "CANNOT")
        if self.options.prefix and not f"{path}{separator}".startswith(self.options.prefix):
            raise CommandRejectedError(
                f"Invalid mailbox name: it lacks {self.options.prefix!r}", "CANNOT"
            )
        if not path or path == self.options.prefix.removesuffix(separator):
            return None, level
        if path not in existing:
            self.create_folder(path)
        return self.find_folder(path).simulated_folder, level

    def _existing(
        self, messages: Sequence[MessageWithoutContents]
    ) -> Iterable[MessageWithoutContents]:
        numbers = [each.message_number for each in messages]
        exist = {
            each.message_number for each in self.simulated_mailbox.find_messages_by_number(numbers)
        }
        return [each for each in messages if each.message_number in exist]

    def _uid(self, number: int, folder: ImapFolder) -> int:
        placements = self.simulated_mailbox.find_message(number).placements
        return next(
            each.change_number
            for each in placements
            if each.folder_number == folder.simulated_folder.number
        )


def _flags(message: Message) -> frozenset[str]:
    fields = {
        name: getattr(message.mail_item, name) for name in ("is_read", "is_flagged", "is_draft")
    }
    return flags_of_message(
        fields, message.mail_item.categories, message.provider_specific_attributes
    )


def _without_states(item: MailItem) -> MailItem:
    """Return the mail without the values that may change while the message keeps its UID."""
    return replace(item, is_read=False, is_flagged=False, is_draft=False, categories=())
