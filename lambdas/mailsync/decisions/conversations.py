"""Group messages into conversations by their keys (`Message.thread_keys`). Two messages that
share a key belong to the same conversation. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThreadKeysOfConversation:
    """The keys of messages that belong to one conversation. A key is a UUID that messages of one
    conversation share (`Message.thread_keys`).

    thread_keys: the keys of all these messages, in the order of the messages.
    stored_conversation_ids: ids of the stored conversations that contain at least one of the keys,
        in ascending order. Several ids: these stored conversations are really one conversation and
        must be joined. Empty: no key is stored, so the keys form a new conversation.
    """

    thread_keys: tuple[str, ...]
    stored_conversation_ids: tuple[int, ...]


def group_thread_keys_by_conversation(
    keys_of_messages: Iterable[Sequence[str]], stored: Mapping[str, int]
) -> tuple[ThreadKeysOfConversation, ...]:
    """Group keys into conversations: return one ThreadKeysOfConversation for each connected
    component of the keys. Keys of the same message are connected, and keys of the same stored
    conversation are connected.

    keys_of_messages: for each message, its keys.
    stored: for each key that is stored already, the id of the key's conversation.
    """
    parents: dict[str | int, str | int] = {}
    for keys in keys_of_messages:
        for key in keys:
            _join(parents, keys[0], key)
            if key in stored:
                _join(parents, key, stored[key])
    components: dict[str | int, list[str | int]] = {}
    for each in parents:
        components.setdefault(_root(parents, each), []).append(each)
    return tuple(
        ThreadKeysOfConversation(
            tuple(each for each in component if isinstance(each, str)),
            tuple(sorted(each for each in component if isinstance(each, int))),
        )
        for component in components.values()
    )


def _join(parents: dict[str | int, str | int], one: str | int, other: str | int) -> None:
    parents[_root(parents, one)] = _root(parents, other)


def _root(parents: dict[str | int, str | int], each: str | int) -> str | int:
    """Return the root of a disjoint-set tree; halve the path to it."""
    parents.setdefault(each, each)
    while parents[each] != each:
        parents[each] = each = parents[parents[each]]
    return each
