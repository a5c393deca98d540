"""Convert the journal of a simulated mailbox to the events that Outlook distinguishes. An event
concerns one message in one folder, and names changed properties as Graph does."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from localdev.simulators.graph.owner import GRAPH_PROPERTY_BY_MAIL_FIELD
from localdev.simulators.journal import ChangeKind, JournalEntry


class FolderMessageEventKind(StrEnum):
    """The kind of change of a message, from the point of view of one folder."""

    CREATED = "created"
    MOVED_IN = "moved in"
    UPDATED = "update"
    LEFT_FOLDER = "gone"


@dataclass(frozen=True, slots=True)
class FolderMessageEvent:
    """A change of one message in one folder.

    event_number: grows with every event of a mailbox.
    placement_change_number: number of the message's placement in the folder, which Graph's default
        ids contain.
    changed_properties: changed properties by Graph's names.
    """

    event_number: int
    kind: FolderMessageEventKind
    message_number: int
    folder_number: int
    placement_change_number: int
    changed_properties: frozenset[str] = frozenset()


_COMING = {
    ChangeKind.MESSAGE_ADDED_TO_FOLDER: FolderMessageEventKind.CREATED,
    ChangeKind.MESSAGE_MOVED: FolderMessageEventKind.MOVED_IN,
    ChangeKind.MESSAGE_CHANGED: FolderMessageEventKind.UPDATED,
}


def events_of_journal_entry(entry: JournalEntry) -> Iterator[FolderMessageEvent]:
    """Yield the events of a journal entry, oldest first. A moved message first leaves its folder
    and then arrives in the other one."""
    message = entry.message_number
    if message is None:
        return
    if entry.source_folder_number is not None and entry.source_placement_change_number is not None:
        left = entry.source_folder_number, entry.source_placement_change_number
        yield FolderMessageEvent(
            2 * entry.change_number, FolderMessageEventKind.LEFT_FOLDER, message, *left
        )
    if entry.folder_number is not None and entry.placement_change_number is not None:
        fields = frozenset(
            GRAPH_PROPERTY_BY_MAIL_FIELD.get(field, field) for field in entry.changed_field_names
        )
        kind, here = _COMING[entry.kind], (entry.folder_number, entry.placement_change_number)
        yield FolderMessageEvent(2 * entry.change_number + 1, kind, message, *here, fields)
