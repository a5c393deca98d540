"""Group messages into conversations by the message ids that connect them. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectedKeys:
    """Keys of messages that belong to one conversation.

    keys: all of them, in the order of the messages.
    conversation_ids: the stored conversations that the keys connect, in ascending order. Empty: the
        keys begin a conversation.
    """

    keys: tuple[str, ...]
    conversation_ids: tuple[int, ...]


def connect_keys(
    keys_of_messages: Iterable[Sequence[str]], stored: Mapping[str, int]
) -> tuple[ConnectedKeys, ...]:
    """Return the connected components of the keys: the keys of one message are connected, and so
    are the keys of one stored conversation.

    stored: the conversations of those keys that are stored.
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
        ConnectedKeys(
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
