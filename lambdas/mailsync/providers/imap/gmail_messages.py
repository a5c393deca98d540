"""Convert the FETCH items of a server with Gmail's extensions to messages. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from mailsync.model import ListedMessage, Message, MessageState, MessageStateUpsert, RemoteId
from mailsync.providers.imap.bodies import parse_message_size_bytes
from mailsync.providers.imap.gmail_folders import GmailSpecialFolderNames, has_important_label
from mailsync.providers.imap.ids import MessageUidLocation
from mailsync.providers.imap.messages import message_state_from_fetch_items

GMAIL_FETCH_ITEMS = "(UID FLAGS X-GM-MSGID X-GM-THRID X-GM-LABELS RFC822.SIZE)"
"""FETCH items for the change feed of a Gmail mailbox."""
GMAIL_ID_AND_LABELS_FETCH_ITEMS = "(UID FLAGS X-GM-MSGID X-GM-LABELS)"
"""FETCH items for a comparison of a folder's list with the stored messages."""
GMAIL_ID_FETCH_ITEMS = "(UID FLAGS X-GM-MSGID)"
"""FETCH items for a list of message ids alone."""
_ID, _THREAD, _LABELS = b"X-GM-MSGID", b"X-GM-THRID", b"X-GM-LABELS"
_IMPORTANT = "\\important"


@dataclass(frozen=True, slots=True)
class GmailMessage:
    """A message as the server lists it.

    uid_location: the folder, UIDVALIDITY and UID at which the message can be fetched.
    state_change: id, flags and folders of the message.
    conversation_id: X-GM-THRID in hexadecimal digits. None: the server did not send it.
    size_bytes: size in bytes. 0: unknown.
    """

    uid_location: MessageUidLocation
    state_change: MessageStateUpsert
    conversation_id: str | None
    size_bytes: int

    @property
    def flags_and_folders_digest(self) -> str:
        """Return a short text that changes whenever the flags or the folders of the message
        change."""
        change = self.state_change
        text = "\n".join((change.state.remote_version, *change.folder_remote_ids))
        return sha256(text.encode()).hexdigest()[:8]


def has_gmail_id_and_labels(items: Mapping[bytes, Any], names: str) -> bool:
    """Return whether the server sent Gmail's id of the message, and the labels if they were
    requested. Some responses only report flags and have neither.

    names: the requested FETCH items.
    """
    return isinstance(items.get(_ID), int) and (_LABELS in items or "X-GM-LABELS" not in names)


def gmail_id_from_fetch_items(items: Mapping[bytes, Any]) -> RemoteId:
    """Return the id of a message: X-GM-MSGID in hexadecimal digits, as the Gmail API writes it."""
    return RemoteId(format(items[_ID], "x"))


def convert_hex_gmail_id_to_integer(remote_id: RemoteId) -> int | None:
    """Return an id as the integer that IMAP uses for it (X-GM-MSGID). Return None if the text
    cannot be the id of a Gmail message."""
    try:
        number = int(remote_id, 16)
    except ValueError:
        return None
    return number if format(number, "x") == remote_id and number < 2**64 else None


def gmail_message_from_fetch_items(
    place: MessageUidLocation, items: Mapping[bytes, Any], folders: GmailSpecialFolderNames
) -> GmailMessage:
    labels = _labels(items)
    thread = items.get(_THREAD)
    change = MessageStateUpsert(
        gmail_id_from_fetch_items(items),
        _state(items),
        folder_remote_ids=folders.folder_ids_of_message(place.folder, labels),
    )
    conversation_id = format(thread, "x") if isinstance(thread, int) else None
    return GmailMessage(place, change, conversation_id, parse_message_size_bytes(items))


def listed_message_from_fetch_items(items: Mapping[bytes, Any]) -> ListedMessage:
    state = _state(items)
    return ListedMessage(gmail_id_from_fetch_items(items), state.is_read, state.remote_version)


def merge_gmail_listing_into_message(message: Message, listed: GmailMessage) -> Message:
    """Return a message with what only Gmail's list of the folder tells: Gmail's id, the folders,
    the conversation, the flags and the version. Flags and version come from the same response, so
    that they fit together.

    message: the message as it was fetched from one folder.
    listed: the message as Gmail listed it.
    """
    change, state = listed.state_change, listed.state_change.state
    return replace(
        message,
        remote_id=change.remote_id,
        folder_remote_ids=change.folder_remote_ids,
        conversation_id=listed.conversation_id,
        is_read=state.is_read,
        is_flagged=state.is_flagged,
        is_draft=state.is_draft,
        categories=state.categories,
        importance=state.importance or "normal",
        remote_version=state.remote_version,
        move_invariant_fingerprint=None,
        thread_keys=None,
    )


def _state(items: Mapping[bytes, Any]) -> MessageState:
    """Return the state of a message. The label Important becomes the importance `high`."""
    state = message_state_from_fetch_items(items)
    if not has_important_label(_labels(items)):
        return replace(state, importance="normal")
    version = f"{state.remote_version} {_IMPORTANT}".lstrip()
    return replace(state, importance="high", remote_version=version)


def _labels(items: Mapping[bytes, Any]) -> tuple[bytes, ...]:
    found = items.get(_LABELS)
    return tuple(each for each in found or () if isinstance(each, bytes)) if found else ()
