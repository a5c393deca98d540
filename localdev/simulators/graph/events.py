"""Convert the journal of a simulated mailbox to the events that Outlook distinguishes: per folder,
with Graph's property names."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from localdev.simulators.graph.owner import PROPERTIES
from localdev.simulators.journal import ChangeKind, JournalEntry


class EventKind(StrEnum):
    """What happened to a message in one folder."""

    CREATED = "created"
    MOVED_IN = "moved in"
    UPDATED = "update"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Event:
    """A change of one message in one folder.

    sequence_number: grows with every event of a mailbox.
    placement_number: number of the message's placement in the folder, which Graph's default ids
        contain.
    changed_properties: changed properties by Graph's names.
    """

    seq: int
    kind: EventKind
    message: int
    folder: int
    placement: int
    fields: frozenset[str] = frozenset()


_COMING = {
    ChangeKind.ADDED: EventKind.CREATED,
    ChangeKind.MOVED: EventKind.MOVED_IN,
    ChangeKind.CHANGED: EventKind.UPDATED,
}


def graph_events_of_change(entry: JournalEntry) -> Iterator[Event]:
    """Yield the events of a journal entry, oldest first. A moved message first leaves its folder
    and then arrives in the other one."""
    message = entry.message
    if message is None:
        return
    if entry.source is not None and entry.source_placement is not None:
        left = entry.source, entry.source_placement
        yield Event(2 * entry.number, EventKind.GONE, message, *left)
    if entry.folder is not None and entry.placement is not None:
        fields = frozenset(PROPERTIES.get(field, field) for field in entry.fields)
        kind, here = _COMING[entry.kind], (entry.folder, entry.placement)
        yield Event(2 * entry.number + 1, kind, message, *here, fields)
