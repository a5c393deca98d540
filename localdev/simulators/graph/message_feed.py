"""Serve delta queries of a folder's messages: which changes Outlook reports, and in which form.

Sources: Microsoft Graph docs (message-delta, outlook-immutable-id), and public captures and issue
    reports for what the documentation omits.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

from localdev.simulators.behaviour import MicrosoftBehaviour
from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.delta import (
    DeltaItemsPage,
    LastReportedItemSortKey,
    get_query_of_chain_start,
    read_or_create_delta_cursor,
    serve_delta_page,
)
from localdev.simulators.graph.errors import bad_request_error
from localdev.simulators.graph.events import (
    FolderMessageEvent,
    FolderMessageEventKind,
    events_of_journal_entry,
)
from localdev.simulators.graph.outlook import OutlookFolder, OutlookMessage
from localdev.simulators.graph.query import ODataQuery
from localdev.simulators.graph.shapes import (
    MessageJsonOptions,
    delta_message_json,
    delta_read_state_json,
    removed_item_json,
)
from localdev.simulators.message import received_at_sort_key

_ARRIVALS = frozenset({FolderMessageEventKind.CREATED, FolderMessageEventKind.MOVED_IN})
_Key = tuple[int, int]


class DeltaReportKind(Enum):
    """What one delta round reports about a message."""

    NOTHING = "nothing"
    REMOVED = "removed"
    READ_STATE_ONLY = "read state"
    WHOLE_MESSAGE = "whole"
    WHOLE_MESSAGE_TWICE = "twice"


class MessageFeed:
    def __init__(self, call: GraphCall, folder: OutlookFolder, query: ODataQuery) -> None:
        self.folder_or_user_id = folder.id
        self.folder = folder.folder_number
        self.delta_path = f"mailFolders('{folder.id}')/messages/delta"
        self._outlook = call.mailbox
        self._mailbox = call.mailbox.simulated_mailbox
        self._behaviour = call.behaviour_switches
        self._view = call.message_json_options_for_query(query)
        query.reject_filters_and_other_orders()

    def list_existing_items(
        self, position: LastReportedItemSortKey | None, size: int
    ) -> DeltaItemsPage:
        """Return a page of the folder's messages, newest first, for the first listing of a chain.

        position: sort key of the last message of the previous page. None: return the first page.
        size: maximum number of messages.
        """
        older_than = (str(position[0]), int(position[1])) if position else None
        found = self._mailbox.list_messages_in_folders(
            self.folder, older_than=older_than, limit=size + 1
        )
        page = found[:size]
        end = received_at_sort_key(page[-1]) if page else position
        objects = [
            delta_message_json(each, self._view)
            for each in self._outlook.convert_to_outlook_messages(page)
        ]
        return objects, end, len(found) > size

    def list_changes(
        self, since: int, until: int, position: LastReportedItemSortKey | None, size: int
    ) -> DeltaItemsPage:
        """Return a page of the messages that changed, ordered by the last change of each message.

        since, until: change numbers; only changes above `since` and up to `until` count.
        position: event number (`FolderMessageEvent.event_number`) of the last message on the
            previous page. None: return the first page.
        size: maximum number of messages.
        """
        events: dict[_Key, list[FolderMessageEvent]] = defaultdict(list)
        for entry in self._mailbox.journal.list_entries_after_change_number(
            since, until, folder=self.folder
        ):
            for event in events_of_journal_entry(entry):
                if event.folder_number == self.folder:
                    events[self._key(event)].append(event)
        after = int(position[0]) if position else 0
        touched = sorted(
            (happened for happened in events.values() if happened[-1].event_number > after),
            key=lambda happened: happened[-1].event_number,
        )
        page = touched[:size]
        messages = self._messages([happened[-1].message_number for happened in page])
        value: list[dict[str, Any]] = []
        for happened in page:
            value += self._objects(happened, messages.get(happened[-1].message_number))
        end = (page[-1][-1].event_number,) if page else position
        return value, end, len(touched) > size

    def _key(self, event: FolderMessageEvent) -> _Key:
        """Return the key that identifies a message for the client. With default ids, a message that
        moved is another message for the client."""
        return (
            event.message_number,
            0 if self._view.has_immutable_ids else event.placement_change_number,
        )

    def _messages(self, numbers: Sequence[int]) -> dict[int, OutlookMessage]:
        found = self._outlook.convert_to_outlook_messages(
            self._mailbox.find_messages_by_number(numbers)
        )
        return {message.message_number: message for message in found}

    def _objects(
        self, happened: Sequence[FolderMessageEvent], message: OutlookMessage | None
    ) -> list[dict[str, Any]]:
        last = happened[-1]
        ids = self._outlook.ids
        reported_id = (
            ids.make_immutable_message_id(last.message_number)
            if self._view.has_immutable_ids
            else ids.make_mutable_message_id(last.message_number, last.placement_change_number)
        )
        reported = choose_delta_report_kind(happened, self._view, self._behaviour, self._is_oldest)
        # The message left the folder after the round's end was fixed: only its id can be reported.
        if (
            message is None
            or message.folder_id != self.folder_or_user_id
            or self._view.id_of_message(message) != reported_id
        ):
            reported = (
                DeltaReportKind.NOTHING
                if reported is DeltaReportKind.NOTHING
                else DeltaReportKind.REMOVED
            )
        if reported is DeltaReportKind.REMOVED:
            return [removed_item_json("message", reported_id)]
        if message is None or reported is DeltaReportKind.NOTHING:
            return []
        if reported is DeltaReportKind.READ_STATE_ONLY:
            return [delta_read_state_json(message, self._view)]
        return [delta_message_json(message, self._view)] * (
            2 if reported is DeltaReportKind.WHOLE_MESSAGE_TWICE else 1
        )

    def _is_oldest(self, arrival: FolderMessageEvent) -> bool:
        """Return whether the arriving message was received before each message that was already in
        the folder and is still in it. Return False if the folder has no such message."""
        row = self._mailbox.database.fetch_row(
            "SELECT (SELECT received_at FROM message WHERE number = ?) < min(received_at) AS oldest"
            " FROM placement WHERE folder = ? AND number < ?",
            *(arrival.message_number, arrival.folder_number, arrival.placement_change_number),
        )
        return bool(row and row["oldest"])


def choose_delta_report_kind(
    changes: Sequence[FolderMessageEvent],
    view: MessageJsonOptions,
    behaviour: MicrosoftBehaviour,
    is_oldest: Callable[[FolderMessageEvent], bool],
) -> DeltaReportKind:
    """Return how Outlook reports a message in one delta round.

    changes: the changes of the message in the round, oldest first.
    is_oldest: function that takes an arrival of the message in the folder, and returns whether the
        message was received before all messages that were there. Outlook reports a message twice if
        it is moved into a folder and is the oldest there.
    """
    structural = [
        change.kind for change in changes if change.kind is not FolderMessageEventKind.UPDATED
    ]
    if structural and structural[-1] is FolderMessageEventKind.LEFT_FOLDER:
        return DeltaReportKind.REMOVED
    if not structural:
        return _reported_update(changes, view, behaviour)
    since_arrival = changes[_last_arrival(changes) + 1 :]
    update = _reported_update(since_arrival, view, behaviour)
    if (
        FolderMessageEventKind.LEFT_FOLDER in structural
        and view.has_immutable_ids
        and behaviour.readd_is_lost
    ):
        # Moved away and back between two rounds: only a changed property reveals the return.
        return DeltaReportKind.REMOVED if update is DeltaReportKind.NOTHING else update
    if (
        structural[-1] is FolderMessageEventKind.CREATED
        or update is DeltaReportKind.WHOLE_MESSAGE
        or behaviour.move_in_reported
    ):
        arrival = changes[_last_arrival(changes)]
        twice = arrival.kind is FolderMessageEventKind.MOVED_IN and is_oldest(arrival)
        return DeltaReportKind.WHOLE_MESSAGE_TWICE if twice else DeltaReportKind.WHOLE_MESSAGE
    return update


def _last_arrival(changes: Sequence[FolderMessageEvent]) -> int:
    return max(at for at, change in enumerate(changes) if change.kind in _ARRIVALS)


def _reported_update(
    changes: Iterable[FolderMessageEvent], view: MessageJsonOptions, behaviour: MicrosoftBehaviour
) -> DeltaReportKind:
    """Return how Outlook reports changed properties. Properties that the client did not select do
    not count."""
    fields = frozenset[str]().union(*(change.changed_properties for change in changes))
    if view.selected_properties is not None:
        fields &= view.selected_properties
    if not fields:
        return DeltaReportKind.NOTHING
    if fields == {"isRead"} and behaviour.read_state_is_partial:
        return DeltaReportKind.READ_STATE_ONLY
    return DeltaReportKind.WHOLE_MESSAGE


def serve_message_delta(call: GraphCall) -> GraphResult:
    """Serve `GET mailFolders/{id}/messages/delta`: a page of the delta of the folder's messages."""
    folder = call.mailbox.folders.find_folder(call.resource_ids_in_path[0])
    if folder.search_folder_filter is not None:
        raise bad_request_error("Change tracking is not supported for search folders.")
    with call.mailbox.simulated_mailbox.database.transaction():
        cursor = read_or_create_delta_cursor(call, folder.id, folder.folder_number)
        feed = MessageFeed(call, folder, get_query_of_chain_start(cursor))
        result = serve_delta_page(call, feed, cursor)
    context = {"@odata.context": call.build_odata_context("Collection(message)")}
    whole = sum("@odata.etag" in each for each in result.json_body["value"])
    full = (
        whole
        if call.message_json_options_for_query(get_query_of_chain_start(cursor)).includes_property(
            "body"
        )
        else 0
    )
    return GraphResult(
        json_body=context | result.json_body,
        messages_with_body_count=full,
        messages_without_body_count=whole - full,
    )
