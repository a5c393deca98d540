"""Make the keys that connect a message with its conversation."""

import hashlib
from uuid import UUID

from mailsync.mime.message import ParsedMessage

MAX_THREAD_KEYS_PER_MESSAGE = 100
"""The maximum number of keys of one message."""


def make_thread_keys(message: ParsedMessage) -> tuple[str, ...]:
    """Return a message's thread keys. Two messages with a common key belong to one conversation, so
    a conversation is a connected component of messages.

    The keys are UUIDs made from message ids: the message's own id, and the ids in References. If
    References has no usable id, the first id in In-Reply-To is used. The subject is not used.

    An id must have `@` with text around it; other ids are ignored, because some programs give all
    their messages the same id (Dovecot's THREAD REFS ignores such ids too). If there are more than
    100 ids, the first 2 and the last 98 are used.
    """
    own = (message.internet_message_id or "",)
    others = list(filter(_is_id, message.referenced_message_ids)) or [message.in_reply_to or ""]
    ids = list(filter(_is_id, dict.fromkeys((*own, *others))))
    if len(ids) > MAX_THREAD_KEYS_PER_MESSAGE:
        ids = [*ids[:2], *ids[2 - MAX_THREAD_KEYS_PER_MESSAGE :]]
    return tuple(map(make_thread_key, ids))


def make_thread_key(message_id: str) -> str:
    """Return the thread key of a message id. The message id has its `<` and `>`."""
    digest = hashlib.sha256(message_id.encode("utf-8", "replace")).digest()
    return str(UUID(bytes=digest[:16]))


def _is_id(text: str) -> bool:
    return "@" in text.strip("<@>")
