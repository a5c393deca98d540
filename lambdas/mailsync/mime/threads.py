"""Name what connects a message with its conversation."""

import hashlib
from uuid import UUID

from mailsync.mime.message import ParsedMessage

MAX_KEYS = 100


def thread_keys(message: ParsedMessage) -> tuple[str, ...]:
    """Return UUIDs made of the message ids that connect the message: its own, and those of
    References, else the first of In-Reply-To. Two messages that share a key belong to one
    conversation, so a conversation is a connected component.

    The subject connects nothing. An id without `@` between other characters is none (Dovecot's
    THREAD REFS ignores it too): some programs give all their messages the same one. Of more than
    100 ids the first and the last ones count.
    """
    own = (message.internet_message_id or "",)
    others = list(filter(_is_id, message.references)) or [message.in_reply_to or ""]
    ids = list(filter(_is_id, dict.fromkeys((*own, *others))))
    if len(ids) > MAX_KEYS:
        ids = [*ids[:2], *ids[2 - MAX_KEYS :]]
    return tuple(map(key_of_message_id, ids))


def key_of_message_id(message_id: str) -> str:
    """Return the key of a message id, which has `<` and `>`."""
    digest = hashlib.sha256(message_id.encode("utf-8", "replace")).digest()
    return str(UUID(bytes=digest[:16]))


def _is_id(text: str) -> bool:
    return "@" in text.strip("<@>")
