"""Convert history records of Gmail into changes. Pure functions.

A record names what happened to messages: added, deleted for good, labels added, labels removed.
Moving a message to Trash or Spam adds a label. The changes of a page are net changes: for each
message and label, the record with the highest id decides, because Gmail does not send the records
in order.

Source: Gmail API documentation, "users.history.list".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailsync.model import (
    MessageChange,
    MessageRemovedFromFolder,
    MessageToFetchById,
    PlacementOrFlagChange,
    RemoteId,
)
from mailsync.providers.gmail.labels import (
    CHAT,
    IMPORTANT,
    INBOX,
    LABEL_IDS_EXCLUDED_FROM_ALL_MAIL,
    STARRED,
    UNREAD,
    is_placement_label,
)
from mailsync.providers.gmail.responses import (
    MalformedResponse,
    read_id,
    read_label_ids,
    read_number_sent_as_text,
    read_object_list,
)


@dataclass(slots=True)
class _NetChange:
    """What records say about one message: for each label, whether the message has it now.

    was_in_inbox: whether the record of a move to Trash or Spam lists INBOX among the message's
        labels. Gmail removes INBOX at such a move, except if an IMAP client moves the message. So
        the message must be fetched to know whether it still has INBOX.
    """

    is_deleted: bool = False
    was_in_inbox: bool = False
    has_label: dict[RemoteId, bool] = field(default_factory=dict)

    def set_labels(self, label_ids: Iterable[RemoteId], is_added: bool) -> None:
        self.has_label |= dict.fromkeys(label_ids, is_added)


def parse_history(records: Sequence[Mapping[str, Any]]) -> tuple[MessageChange, ...]:
    """Return the net change of each message that the records name. Chats are left out.

    Raises:
        MalformedResponse: a record lacks an id, a message or a list of labels.
    """
    found: dict[RemoteId, _NetChange] = {}
    for record in sorted(records, key=lambda record: read_number_sent_as_text(record, "id")):
        _apply(record, found)
    return tuple(
        _to_change(message_id, net)
        for message_id, net in found.items()
        if not net.has_label.get(CHAT)
    )


def parse_thread_id_by_message_id(records: Sequence[Mapping[str, Any]]) -> dict[RemoteId, RemoteId]:
    """Return the thread id of each message that the records report as added, by message id.

    Raises:
        MalformedResponse: a record does not have the documented form.
    """
    added = (
        entry["message"] for each in records for entry in read_object_list(each, "messagesAdded")
    )
    return {read_id(message): read_id(message, "threadId") for message in added}


def _apply(record: Mapping[str, Any], found: dict[RemoteId, _NetChange]) -> None:
    for net, message, _ in _entries(record, "messagesAdded", found):
        net.is_deleted = False
        net.set_labels(read_label_ids(message), True)
    for net, message, label_ids in _entries(record, "labelsAdded", found):
        if LABEL_IDS_EXCLUDED_FROM_ALL_MAIL & {*label_ids} and INBOX not in label_ids:
            net.was_in_inbox = INBOX in read_label_ids(message)
            net.set_labels(() if net.was_in_inbox else (INBOX,), False)
        net.set_labels(label_ids, True)
    for net, _, label_ids in _entries(record, "labelsRemoved", found):
        net.set_labels(label_ids, False)
    for net, _, _ in _entries(record, "messagesDeleted", found):
        net.is_deleted = True
        net.has_label.clear()


def _entries(
    record: Mapping[str, Any], name: str, found: dict[RemoteId, _NetChange]
) -> Iterator[tuple[_NetChange, Mapping[str, Any], tuple[RemoteId, ...]]]:
    """Yield the net change, the message and the changed labels of each entry in the list `name` of
    a record, such as `labelsAdded`. A net change that `found` lacks is added to it."""
    for entry in read_object_list(record, name):
        message = entry.get("message")
        if not isinstance(message, dict):
            raise MalformedResponse(f"{name}.message")
        net = found.setdefault(read_id(message), _NetChange())
        if CHAT in read_label_ids(message):
            net.has_label[CHAT] = True
        yield net, message, read_label_ids(entry)


def _to_change(message_id: RemoteId, net: _NetChange) -> MessageChange:
    if net.is_deleted:
        return MessageRemovedFromFolder(message_id)
    has = net.has_label
    if net.was_in_inbox and INBOX not in has:
        return MessageToFetchById(message_id)
    is_unread, is_important = has.get(UNREAD), has.get(IMPORTANT)
    return PlacementOrFlagChange(
        message_id,
        added_folder_remote_ids=tuple(
            each for each, is_set in has.items() if is_set and is_placement_label(each)
        ),
        removed_folder_remote_ids=tuple(
            each for each, is_set in has.items() if not is_set and is_placement_label(each)
        ),
        is_read=None if is_unread is None else not is_unread,
        is_flagged=has.get(STARRED),
        importance=None if is_important is None else to_high_or_normal_importance(is_important),
    )


def to_high_or_normal_importance(is_important: bool) -> str:
    """Return the importance of a message, by whether Gmail marks it as important."""
    return "high" if is_important else "normal"
