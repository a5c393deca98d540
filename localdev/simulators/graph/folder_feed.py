"""Folder delta of one mailbox: the folders of all levels, then the changed ones.

Source: Microsoft Graph docs, mailfolder-delta.
"""

from localdev.simulators.folders import Folder
from localdev.simulators.graph.call import Call, CallResult
from localdev.simulators.graph.delta import (
    FeedPage,
    Position,
    delta_page,
    first_query_of_chain,
    open_delta_cursor,
)
from localdev.simulators.graph.query import Query
from localdev.simulators.graph.shapes import delta_folder_object, removed_object


class FolderFeed:
    path = "mailFolders/delta"

    def __init__(self, call: Call, query: Query) -> None:
        self.owner_id = call.mailbox.user_id
        self._mailbox = call.mailbox
        self._behaviour = call.behaviour
        self._select = query.select("mailFolder")
        self._hidden = query.is_true("includehiddenfolders")

    def list_items(self, position: Position | None, size: int) -> FeedPage:
        after = int(position[0]) if position else 0
        folders = [folder for folder in self._visible() if folder.seq > after]
        page = folders[:size]
        end = (page[-1].seq,) if page else position
        objects = [delta_folder_object(folder, self._select) for folder in page]
        return objects, end, len(folders) > size

    def changes(self, since: int, until: int, position: Position | None, size: int) -> FeedPage:
        touched = self._mailbox.database.rows(
            "SELECT folder_id, max(seq) AS last, max(kind = 'folder gone') AS is_gone FROM change"
            " WHERE mailbox_id = ? AND seq > ? AND seq <= ? AND immutable_id IS NULL"
            " GROUP BY folder_id HAVING last > ? ORDER BY last LIMIT ?",
            *(self.owner_id, since, until, position[0] if position else 0, size + 1),
        )
        visible = {folder.id: folder for folder in self._visible()}
        value = []
        for row in touched[:size]:
            if row["folder_id"] in visible:
                value.append(delta_folder_object(visible[row["folder_id"]], self._select))
            elif row["is_gone"]:
                value.append(removed_object("mailFolder", row["folder_id"]))
        end = (touched[:size][-1]["last"],) if touched else position
        return value, end, len(touched) > size

    def _visible(self) -> list[Folder]:
        root = self._mailbox.folders.find("msgfolderroot").id
        return [
            folder
            for folder in self._mailbox.folders.all()
            if (self._hidden or not folder.is_hidden)
            and (self._behaviour.flat_folder_delta or folder.parent_id == root)
        ]


def folder_delta(call: Call) -> CallResult:
    """Serve `GET …/mailFolders/delta`."""
    with call.mailbox.database.transaction():
        cursor = open_delta_cursor(call, call.mailbox.user_id)
        feed = FolderFeed(call, first_query_of_chain(cursor))
        result = delta_page(call, feed, cursor)
    context = {"@odata.context": call.odata_context("Collection(mailFolder)")}
    return CallResult(document=context | result.document)
