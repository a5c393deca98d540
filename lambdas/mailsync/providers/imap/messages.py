"""Convert the FETCH items that a server sends of a message. Pure functions."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mailsync.mime import find_internet_message_id, make_thread_keys, parse_message
from mailsync.model import ListedMessage, Message, MessageState, MessageStateUpsert
from mailsync.providers.imap.ids import MessageUidLocation, to_folder_id

MESSAGE_LISTING_FETCH_ITEMS = (
    "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
)
"""FETCH items for the list of a folder: of each message the flags, the time, the size and the
Message-ID."""
FLAGS_FETCH_ITEMS = "(UID FLAGS)"
"""FETCH items for the flags of a message alone."""
WHOLE_MESSAGE_FETCH_ITEMS = "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
"""FETCH items for a whole message."""
BODY, SIZE = b"BODY[]", b"RFC822.SIZE"
_HEADER = b"BODY[HEADER.FIELDS (MESSAGE-ID)]"


def fetch_items_contain_body(items: Mapping[bytes, Any]) -> bool:
    """Return whether the FETCH items contain the text of the message. An empty text counts only if
    the message's size is 0."""
    body = items.get(BODY)
    return bool(body) or (isinstance(body, bytes) and items.get(SIZE) == 0)


def state_upsert_from_fetch_items(
    place: MessageUidLocation, items: Mapping[bytes, Any]
) -> MessageStateUpsert:
    """Return the change of a message's state that the FETCH items report."""
    return MessageStateUpsert(
        place.to_message_id(), message_state_from_fetch_items(items), _fingerprint(items)
    )


def hash_internet_message_id(items: Mapping[bytes, Any]) -> str | None:
    """Return a short hash of the message's Message-ID, which `MESSAGE_LISTING_FETCH_ITEMS`
    requests. Return None if the FETCH items contain no Message-ID."""
    header = items.get(_HEADER)
    found = find_internet_message_id(header) if header else None
    return hashlib.sha256(found.encode("utf-8", "surrogatepass")).hexdigest()[:8] if found else None


def listed_message_from_fetch_items(
    place: MessageUidLocation, items: Mapping[bytes, Any]
) -> ListedMessage:
    """Return the id, the read state and the version of a message from its FETCH items."""
    state = message_state_from_fetch_items(items)
    return ListedMessage(place.to_message_id(), state.is_read, state.remote_version)


def message_from_fetch_items(place: MessageUidLocation, items: Mapping[bytes, Any]) -> Message:
    """Return the whole message from the FETCH items that `WHOLE_MESSAGE_FETCH_ITEMS` requests."""
    raw, state = items[BODY], message_state_from_fetch_items(items)
    mail = parse_message(raw)
    received_at = _received_at(items)
    return Message(
        remote_id=place.to_message_id(),
        folder_remote_ids=(to_folder_id(place.folder),),
        internet_message_id=mail.internet_message_id,
        subject=mail.subject,
        sender=mail.from_or_sender_address,
        to=mail.to,
        cc=mail.cc,
        bcc=mail.bcc,
        reply_to=mail.reply_to,
        preview=mail.preview,
        body_html=mail.body_html,
        body_text=mail.body_text,
        is_read=state.is_read,
        is_draft=state.is_draft,
        is_flagged=state.is_flagged,
        has_attachments=mail.has_attachments,
        importance=mail.importance,
        categories=state.categories,
        received_at=received_at or mail.sent_at,
        sent_at=mail.sent_at,
        message_kind=mail.message_kind,
        remote_version=state.remote_version,
        move_invariant_fingerprint=_fingerprint_of(mail.internet_message_id, items),
        thread_keys=make_thread_keys(mail),
    )


def message_state_from_fetch_items(items: Mapping[bytes, Any]) -> MessageState:
    """Return the state of a message from its flags in the FETCH items."""
    flags = sorted({each.decode("utf-8", "replace") for each in items.get(b"FLAGS", ())})
    lower = {each.lower() for each in flags}
    return MessageState(
        is_read="\\seen" in lower,
        is_flagged="\\flagged" in lower,
        is_draft="\\draft" in lower,
        categories=tuple(each for each in flags if not each.startswith(("\\", "$"))),
        remote_version=" ".join(sorted(lower - {"\\recent"})),
    )


def _fingerprint(items: Mapping[bytes, Any]) -> str | None:
    header = items.get(_HEADER)
    return None if header is None else _fingerprint_of(find_internet_message_id(header), items)


def _fingerprint_of(internet_message_id: str | None, items: Mapping[bytes, Any]) -> str | None:
    """Return a UUID that stands for the Message-ID, the size and the time of receipt. None: the
    message has no Message-ID, so two messages could be taken for one."""
    if not internet_message_id:
        return None
    size, received_at = items.get(SIZE), _received_at(items)
    text = f"{internet_message_id}\n{size}\n{received_at and received_at.timestamp()}"
    return str(UUID(bytes=hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]))


def _received_at(items: Mapping[bytes, Any]) -> datetime | None:
    found = items.get(b"INTERNALDATE")
    return found.astimezone(UTC) if isinstance(found, datetime) else None
