"""Store which messages belong to one conversation, for providers that name no conversations. All
functions work in the caller's transaction.

A conversation is a connected component of Message-IDs: each message connects its own Message-ID
with the Message-IDs in its header References. If a message connects two conversations, the later
conversation becomes part of the earlier conversation, whose id remains. The two conversations stay
connected, even if the message is deleted.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from mailsync.decisions.conversations import group_thread_keys_by_conversation
from mailsync.model import Message, RunRef
from mailsync.store import rows
from mailsync.store.connection import Transaction


def needs_conversation_id(message: Message) -> bool:
    """Return whether Mailsync must compute the conversation of the message, because the provider
    names none."""
    return message.thread_keys is not None


def any_message_needs_conversation_id(messages: Iterable[Message]) -> bool:
    """Return whether Mailsync must compute the conversation of at least one of the messages. The
    transaction that stores the messages must then be exclusive."""
    return any(map(needs_conversation_id, messages))


def assign_conversation_ids(
    tx: Transaction, run: RunRef, messages: Sequence[Message]
) -> Sequence[Message]:
    """Return the messages with their conversation ids. If the provider names no conversation, the
    id is computed. Store the thread keys, which connect these messages with later messages.

    The transaction must be exclusive if `any_message_needs_conversation_id(messages)`. Otherwise
    two parts of a conversation that are stored at the same time would get different ids.

    The cost of connecting two conversations grows with the number of messages in the later
    conversation.
    """
    keys_of_messages = [_keys(each) for each in messages if needs_conversation_id(each)]
    if not keys_of_messages:
        return messages
    ids = _conversation_ids(tx, run, keys_of_messages)
    return [
        replace(each, conversation_id=str(ids[_keys(each)[0]]))
        if needs_conversation_id(each)
        else each
        for each in messages
    ]


def _keys(message: Message) -> Sequence[str]:
    """Return the keys of the message: at least one, which is derived from the message's id if the
    message has no thread keys."""
    if message.thread_keys:
        return message.thread_keys
    own = hashlib.sha256(f"message {message.remote_id}".encode()).digest()
    return [str(UUID(bytes=own[:16]))]


def _conversation_ids(
    tx: Transaction, run: RunRef, keys_of_messages: Sequence[Sequence[str]]
) -> dict[str, int]:
    """Store which conversations these messages connect. Return the conversation id of each key."""
    wanted = sorted({key for keys in keys_of_messages for key in keys})
    found = tx.run("conversations_of_keys", account_id=run.account_id, keys=rows.to_jsonb(wanted))
    stored = {key: conversation_id for key, conversation_id in found}
    components = group_thread_keys_by_conversation(keys_of_messages, stored)
    groups = [
        {
            "number": number,
            "conversation_id": next(iter(each.stored_conversation_ids), None),
            "new_keys": [key for key in each.thread_keys if key not in stored],
        }
        for number, each in enumerate(components)
    ]
    ids = dict(
        tx.run("add_conversation_keys", account_id=run.account_id, groups=rows.to_jsonb(groups))
    )
    merged = [
        {"later": later, "earlier": each.stored_conversation_ids[0]}
        for each in components
        for later in each.stored_conversation_ids[1:]
    ]
    if merged:
        tx.run("merge_conversations", account_id=run.account_id, merged=rows.to_jsonb(merged))
    return {key: ids[number] for number, each in enumerate(components) for key in each.thread_keys}
