"""Name the message ids that connect a message with its conversation."""

import hashlib

from mailsync.mime.message import ParsedMessage

MAX_KEYS = 100
MAX_KEY_BYTES = 255


def thread_keys(message: ParsedMessage) -> tuple[str, ...]:
    """Return the ids that connect the message: its own, and those of References, else the first of
    In-Reply-To. Two messages that share a key belong to one conversation, so a conversation is a
    connected component.

    The subject connects nothing. An id without `@` is none (Dovecot's THREAD REFS ignores it too):
    some programs give all their messages the same one. Of more than 100 ids the first and the last
    ones count. An id of more than 255 bytes is replaced by its SHA-256, so that the keys fit into
    an index.
    """
    own = (message.internet_message_id or "",)
    others = [each for each in message.references if "@" in each] or [message.in_reply_to or ""]
    ids = [each for each in dict.fromkeys((*own, *others)) if "@" in each]
    if len(ids) > MAX_KEYS:
        ids = [*ids[:2], *ids[2 - MAX_KEYS :]]
    return tuple(map(_key, ids))


def _key(message_id: str) -> str:
    content = message_id.encode("utf-8", "replace")
    if len(content) <= MAX_KEY_BYTES:
        return message_id
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
