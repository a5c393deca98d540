"""Find the folders with a special meaning in a Gmail mailbox, and the folders of a message's
labels. Pure functions.

With X-GM-EXT-1 each label is a folder, and a message has one X-GM-MSGID in all its folders. The
folders \\All, \\Trash and \\Junk together hold each message once (Gmail documentation, "IMAP
Extensions").
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from mailsync.model import RemoteId
from mailsync.providers.imap.ids import to_folder_id
from mailsync.providers.imap.listing import INBOX_NAME, ListedFolder

_EXTENSION = "X-GM-EXT-1"
_NOT_MIRRORED = frozenset({"\\flagged", "\\important"})
"""Special uses of folders that show a flag: Starred and Important."""
_SPECIAL_USE_OF_LABEL = {b"\\sent": "\\sent", b"\\draft": "\\drafts", b"\\drafts": "\\drafts"}
_IMPORTANT = b"\\important"


class AllMailFolderHidden(Exception):
    """The server shows no folder with all mail."""

    def __init__(self) -> None:
        super().__init__(
            "Gmail does not show the folder All Mail over IMAP, so the mailbox cannot be read."
            " Stored mail stays readable. Switch on 'Show in IMAP' for All Mail in Gmail's"
            " settings, under Labels."
        )


@dataclass(frozen=True, slots=True)
class GmailSpecialFolderNames:
    """The names of the folders of a Gmail mailbox that have a special meaning.

    all_mail_name: the folder with every message that is neither in the trash nor in junk.
    trash_and_junk_names: the trash and the junk folder, without a folder that the server does not
        show.
    names_by_special_use: folder names by attribute, such as `\\sent`.
    """

    all_mail_name: bytes
    trash_and_junk_names: tuple[bytes, ...]
    names_by_special_use: dict[str, bytes]

    @property
    def folder_names_covering_all_messages(self) -> tuple[bytes, ...]:
        """Return the names of the folders that together hold every message exactly once: All Mail,
        and the trash and the junk folder."""
        return (self.all_mail_name, *self.trash_and_junk_names)

    def folder_ids_of_message(self, opened: bytes, labels: Iterable[bytes]) -> tuple[RemoteId, ...]:
        """Return the ids of all folders of a message, in a fixed order.

        A message in the trash or in junk is in no other folder, although Gmail keeps its labels.

        opened: name of the folder in which the server listed the message. The labels do not name
            this folder.
        labels: labels of the message.
        """
        if opened in self.trash_and_junk_names:
            return (to_folder_id(opened),)
        names = {self.all_mail_name, opened, *map(self._folder_of_label, labels)}
        return tuple(sorted(to_folder_id(each) for each in names if each))

    def _folder_of_label(self, label: bytes) -> bytes | None:
        """Return the folder of a label. None: the label is a flag, or has no folder."""
        if not label.startswith(b"\\"):
            return label
        if label.lower() == b"\\inbox":
            return INBOX_NAME
        return self.names_by_special_use.get(_SPECIAL_USE_OF_LABEL.get(label.lower(), ""))


def has_gmail_extensions(capabilities: Collection[str]) -> bool:
    """Return whether the server announces Gmail's extensions. Gmail announces them only after the
    login."""
    return _EXTENSION in capabilities


def has_important_label(labels: Iterable[bytes]) -> bool:
    """Return whether one of the labels of a message marks it as important."""
    return any(each.lower() == _IMPORTANT for each in labels)


def find_gmail_folders(listed: Iterable[ListedFolder]) -> GmailSpecialFolderNames:
    """Find the folders that have a special meaning in the server's list.

    Raises:
        AllMailFolderHidden: the list has no folder with all mail.
    """
    own = _mirrored(listed)
    uses = {use: each.name for each in own for use in each.attributes}
    if "\\all" not in uses:
        raise AllMailFolderHidden
    others = tuple(uses[use] for use in ("\\trash", "\\junk") if use in uses)
    return GmailSpecialFolderNames(uses["\\all"], others, uses)


def choose_mirrored_folders(
    listed: Iterable[ListedFolder],
) -> tuple[Sequence[ListedFolder], tuple[bytes, ...]]:
    """Return the folders that Mailsync mirrors, and the prefixes of folder names that users do not
    see, such as `[Gmail]/`.

    The folder All Mail gets the role of an archive, because archived messages are only in this
    folder.
    """
    own = _mirrored(listed)
    folders = [
        replace(each, attributes=each.attributes | {"\\archive"})
        if "\\all" in each.attributes
        else each
        for each in own
    ]
    return folders, tuple(_prefix(each) for each in own if "\\all" in each.attributes)


def _mirrored(listed: Iterable[ListedFolder]) -> list[ListedFolder]:
    return [each for each in listed if each.is_selectable and not each.attributes & _NOT_MIRRORED]


def _prefix(folder: ListedFolder) -> bytes:
    """Return the beginning of a name, with the separator; `[Gmail]/` of `[Gmail]/All Mail`."""
    separator = folder.separator or b""
    above, _, _ = folder.name.rpartition(separator) if separator else (b"", b"", b"")
    return above + separator
