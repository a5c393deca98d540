"""Serve delta queries of folders: first all folders, then the changed folders. The feed contains
only the top level if `MicrosoftBehaviour.flat_folder_delta` is False.

Source: Microsoft Graph docs, mailfolder-delta.
"""

from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.delta import (
    DeltaItemsPage,
    LastReportedItemSortKey,
    get_query_of_chain_start,
    read_or_create_delta_cursor,
    serve_delta_page,
)
from localdev.simulators.graph.outlook import OutlookFolder
from localdev.simulators.graph.query import ODataQuery
from localdev.simulators.graph.shapes import delta_folder_json, removed_item_json
from localdev.simulators.graph.well_known import ROOT_FOLDER_WELL_KNOWN_NAME
from localdev.simulators.journal import ChangeKind, JournalEntry

_OF_FOLDERS = (ChangeKind.FOLDER_CREATED_OR_CHANGED, ChangeKind.FOLDER_REMOVED)


class FolderHierarchyFeed:
    delta_path = "mailFolders/delta"

    def __init__(self, call: GraphCall, query: ODataQuery) -> None:
        self.folder_or_user_id = call.mailbox.user_id
        self._mailbox = call.mailbox
        self._behaviour = call.behaviour_switches
        self._select = query.selected_properties("mailFolder")
        self._hidden = query.is_option_true("includehiddenfolders")

    def list_existing_items(
        self, position: LastReportedItemSortKey | None, size: int
    ) -> DeltaItemsPage:
        after = int(position[0]) if position else 0
        folders = [folder for folder in self._visible() if folder.folder_number > after]
        page = folders[:size]
        end = (page[-1].folder_number,) if page else position
        objects = [delta_folder_json(folder, self._select) for folder in page]
        return objects, end, len(folders) > size

    def list_changes(
        self, since: int, until: int, position: LastReportedItemSortKey | None, size: int
    ) -> DeltaItemsPage:
        last: dict[int, JournalEntry] = {}
        for entry in self._mailbox.simulated_mailbox.journal.list_entries_after_change_number(
            since, until
        ):
            if entry.kind in _OF_FOLDERS and entry.folder_number is not None:
                last[entry.folder_number] = entry
        after = int(position[0]) if position else 0
        touched = sorted(
            (entry for entry in last.values() if entry.change_number > after),
            key=lambda entry: entry.change_number,
        )
        visible = {folder.folder_number: folder for folder in self._visible()}
        value = []
        for entry in touched[:size]:
            if folder := visible.get(entry.folder_number or 0):
                value.append(delta_folder_json(folder, self._select))
            elif entry.kind is ChangeKind.FOLDER_REMOVED:
                gone = self._mailbox.ids.make_folder_id(entry.folder_number or 0)
                value.append(removed_item_json("mailFolder", gone))
        end = (touched[:size][-1].change_number,) if touched else position
        return value, end, len(touched) > size

    def _visible(self) -> list[OutlookFolder]:
        root = self._mailbox.folders.find_folder(ROOT_FOLDER_WELL_KNOWN_NAME).id
        return [
            folder
            for folder in self._mailbox.folders.list_all_folders()
            if (self._hidden or not folder.is_hidden)
            and (self._behaviour.flat_folder_delta or folder.parent_id == root)
        ]


def serve_folder_delta(call: GraphCall) -> GraphResult:
    """Serve `GET mailFolders/delta`: a page of the delta of the mailbox's folders."""
    with call.mailbox.simulated_mailbox.database.transaction():
        cursor = read_or_create_delta_cursor(call, call.mailbox.user_id, None)
        feed = FolderHierarchyFeed(call, get_query_of_chain_start(cursor))
        result = serve_delta_page(call, feed, cursor)
    context = {"@odata.context": call.build_odata_context("Collection(mailFolder)")}
    return GraphResult(json_body=context | result.json_body)
