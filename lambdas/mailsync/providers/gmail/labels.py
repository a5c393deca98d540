"""Convert labels of Gmail into folders, and the labels of a message into placements and flags. Pure
functions.

A label is a folder, with two exceptions: the labels that Mailsync stores as flags of a message
(unread, starred, important), and the labels of chats. The folder All Mail is not a label. It
contains each message outside Trash and Spam, also a message without labels.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailsync.model import RemoteFolder, RemoteId, Role
from mailsync.providers.gmail.responses import MalformedResponse, read_count, read_id, read_text

INBOX, SENT, DRAFT, TRASH, SPAM = map(RemoteId, ("INBOX", "SENT", "DRAFT", "TRASH", "SPAM"))
UNREAD, STARRED, IMPORTANT, CHAT = map(RemoteId, ("UNREAD", "STARRED", "IMPORTANT", "CHAT"))
ALL_MAIL_FOLDER_ID = RemoteId("ALL_MAIL")
"""The id of the folder All Mail. Gmail has no such label, and never receives this id."""
LABEL_IDS_EXCLUDED_FROM_ALL_MAIL = frozenset({TRASH, SPAM})
"""The labels whose messages are not in All Mail."""
_FLAGS = frozenset({UNREAD, STARRED, IMPORTANT})
_ROLES = {
    INBOX: Role.INBOX,
    SENT: Role.SENT,
    DRAFT: Role.DRAFTS,
    TRASH: Role.TRASH,
    SPAM: Role.JUNK,
}
_CATEGORY = "CATEGORY_"


@dataclass(frozen=True, slots=True)
class Label:
    """A label as Gmail lists it.

    is_system: whether Gmail, and not the user, has made the label.
    is_hidden: whether Gmail's own list of labels hides it: it is a category, or the user hides it.
    """

    id: RemoteId
    name: str
    is_system: bool
    is_hidden: bool = False

    @property
    def is_folder(self) -> bool:
        """Return whether Mailsync stores the label as a folder."""
        return not self.is_system or self.id in _ROLES or self.id.startswith(_CATEGORY)


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """The number of messages with a label: all messages, and unread messages."""

    message_count: int
    unread_count: int


def parse_labels(items: Sequence[Mapping[str, Any]]) -> tuple[Label, ...]:
    """Return the labels of the API's list.

    Raises:
        MalformedResponse: a label occurs twice or has no id or name, or there is no INBOX, which
            every mailbox has.
    """
    labels = tuple(map(parse_label, items))
    ids = {label.id for label in labels}
    if len(ids) < len(labels) or INBOX not in ids:
        raise MalformedResponse("labels")
    return labels


def parse_label(item: Mapping[str, Any]) -> Label:
    """Return a label of the API's list.

    Raises:
        MalformedResponse: the label has no id or no name.
    """
    label_id = read_id(item)
    is_system = item.get("type") == "system"
    is_hidden = not is_system and item.get("labelListVisibility") == "labelHide"
    return Label(
        label_id,
        read_text(item, "name"),
        is_system,
        is_hidden or (is_system and label_id.startswith(_CATEGORY)),
    )


def parse_label_counts(item: Mapping[str, Any]) -> LabelCounts | None:
    """Return the counts of a label. Return None if the response lacks a count."""
    total, unread = read_count(item, "messagesTotal"), read_count(item, "messagesUnread")
    return None if total is None or unread is None else LabelCounts(total, unread)


def convert_labels_to_folders(
    labels: Sequence[Label], counts: Mapping[RemoteId, LabelCounts]
) -> tuple[RemoteFolder, ...]:
    """Return the folders of a mailbox, including All Mail.

    counts: the counts that were read, by label id. If the counts of a label are missing, the
        folder's stored counts stay as they are.
    """
    names = {label.name: label.id for label in labels if not label.is_system}
    return (
        *(_to_folder(label, names, counts.get(label.id)) for label in labels if label.is_folder),
        RemoteFolder(ALL_MAIL_FOLDER_ID, None, "All Mail", Role.ARCHIVE, None, None),
    )


def to_folder_ids(label_ids: Iterable[RemoteId]) -> tuple[RemoteId, ...]:
    """Return the ids of the folders of a message with these labels."""
    labels = set(label_ids)
    is_in_all_mail = not labels & LABEL_IDS_EXCLUDED_FROM_ALL_MAIL
    return (
        *sorted(filter(is_placement_label, labels)),
        *([ALL_MAIL_FOLDER_ID] if is_in_all_mail else []),
    )


def is_placement_label(label_id: RemoteId) -> bool:
    """Return whether the label places a message in a folder. Return False if the label stands for a
    flag or for chats."""
    return label_id not in _FLAGS and label_id != CHAT


def _to_folder(
    label: Label, ids_by_name: Mapping[str, RemoteId], counts: LabelCounts | None
) -> RemoteFolder:
    parent, name = _parent(label, ids_by_name)
    return RemoteFolder(
        label.id,
        parent,
        name,
        _ROLES.get(label.id, Role.OTHER),
        counts.message_count if counts else None,
        counts.unread_count if counts else None,
        label.is_hidden,
        has_fetched_counts=counts is not None,
    )


def _parent(label: Label, ids_by_name: Mapping[str, RemoteId]) -> tuple[RemoteId | None, str]:
    """Return the nearest existing label above a nested label, and the rest of the nested label's
    name. Gmail nests labels by `/` in their names; a label in between may be missing."""
    if not label.is_system:
        for above in _names_above(label.name):
            if above in ids_by_name:
                return ids_by_name[above], label.name[len(above) + 1 :]
    return None, label.name


def _names_above(name: str) -> Iterator[str]:
    """Yield the names of the labels above a nested label, the longest name first. A slash at the
    beginning or end of a name nests nothing."""
    end = name.rfind("/", 1, len(name) - 1)
    while end > 0:
        yield name[:end]
        end = name.rfind("/", 1, end)
