"""Read all levels of the folder tree of a Microsoft 365 mailbox.

The delta feed of folders, started anew for each reading, lists the whole tree with its counts, 200
folders per request. Other clients rely on that too; the documentation does not promise all levels.
A plain list has only one level (Microsoft Graph docs, "mailFolder: delta", "List mailFolders"). So
the tree is read level by level if Graph rejects the delta feed (a full mailbox, a national cloud),
or if the feed lists fewer children than a folder counts. A known folder that no list contains is
requested by its id, because an incomplete list does not prove that the folder is gone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mailsync.errors import CursorExpired, ProviderRejected, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import (
    PERMANENT_ROLES,
    FolderListing,
    FolderTreeReadingMode,
    RemoteFolder,
    RemoteId,
    Role,
    StoredFolder,
)
from mailsync.providers.graph.errors import GraphResponse, RequestedResourceKind, to_mailsync_error
from mailsync.providers.graph.http import GraphClient
from mailsync.providers.graph.messages import read_object_id
from mailsync.providers.graph.responses import parse_object_list

JsonObject = Mapping[str, Any]
MIN_UNSTORABLE_MESSAGE_COUNT = 2**31
"""The lowest message count that is too large for the database column of counts."""

FOLDERS_PER_PAGE = 200
MAX_CHILD_FOLDER_LISTS_PER_QUICK_READ = 20
"""The maximum number of folders whose child folders a quick reading (LIKELY_CHANGED_FOLDERS) lists,
if the delta feed of folders cannot be used."""
MAX_PRECAUTIONARY_CHILD_FOLDER_REQUESTS = 2_000
"""The maximum number of lists of child folders that a LISTED_AND_HIDDEN_FOLDERS reading requests
only as a precaution, without a sign that the delta feed left out a child. Each list is a request.
Graph allows 10,000 requests in ten minutes, and a reading that needs more would never end."""
_MAX_PAGES = 100
_FEED = "mailFolders/delta?includeHiddenFolders=true"
_FIRST_PAGE = f"?includeHiddenFolders=true&$top={FOLDERS_PER_PAGE}"
_FAULTS = (ProviderUnavailable, ProviderRejected, CursorExpired)
_SEARCH_FOLDER = "#microsoft.graph.mailSearchFolder"
_OTHER_FOLDER = "Microsoft Graph returned another folder than the one requested; trying again."
# Graph v1.0 does not say a folder's role, and its name is in the user's language.
_ALIASES = {
    "inbox": Role.INBOX,
    "sentitems": Role.SENT,
    "drafts": Role.DRAFTS,
    "deleteditems": Role.TRASH,
    "junkemail": Role.JUNK,
    "archive": Role.ARCHIVE,
    "outbox": Role.OUTBOX,
}


def build_first_tree_request_paths(mailbox: str) -> list[str]:
    """Return the paths of the requests with which the reading of an unknown folder tree begins. The
    path of the Inbox comes first."""
    lists = [f"{mailbox}/{_FEED}", f"{mailbox}/mailFolders{_FIRST_PAGE}"]
    return _alias_paths(mailbox) + lists


def to_remote_folder(
    entry: JsonObject, role: Role, parent: RemoteId | None = None
) -> RemoteFolder | None:
    """Convert an entry of a folder list. Return None for a search folder, whose messages are in
    other folders. parent: id of the parent folder. None: the folder is at the top level.

    Raises:
        ProviderUnavailable: the entry has no id.
    """
    if _is_search_folder(entry):
        return None
    return RemoteFolder(
        remote_id=read_object_id(entry),
        parent_remote_id=parent,
        display_name=str(entry.get("displayName") or ""),
        role=role,
        message_count=_count(entry, "totalItemCount"),
        unread_message_count=_count(entry, "unreadItemCount"),
        is_hidden_at_provider=entry.get("isHidden") is True,
    )


def read_folder_tree(
    graph: GraphClient,
    known: Sequence[StoredFolder],
    reading: FolderTreeReadingMode,
    responses: Mapping[str, GraphResponse] | None = None,
) -> FolderListing:
    """Read all folders of the mailbox except search folders.

    known: the stored folders, the most recently changed folder first.
    responses: by path (`build_first_tree_request_paths`). A path without response is requested.

    Raises:
        ProviderThrottled: Graph throttled a request.
        ProviderUnavailable, ProviderRejected: no list of folders can be read.
    """
    tree = _Tree(graph, known, reading, responses or {})
    tree.read_lists()
    roles = tree.read_roles()
    tree.ask_for_missing(roles)
    return tree.listing(roles)


class _Tree:
    """The folder tree while it is read: the entries so far, by folder id."""

    def __init__(
        self,
        graph: GraphClient,
        known: Sequence[StoredFolder],
        reading: FolderTreeReadingMode,
        responses: Mapping[str, GraphResponse],
    ) -> None:
        self._graph = graph
        self._responses = {path: each for path, each in responses.items() if each.has_status_200}
        self._known = {folder.ref.remote_id: folder for folder in known}
        self._reading = reading
        self._entries: dict[RemoteId, JsonObject] = {}
        self._asked: set[RemoteId] = set()
        self._left_out: set[RemoteId] = set()
        self._gone: set[RemoteId] = set()
        self._omitted: set[RemoteId] = set()
        self._failures: dict[RemoteId, str] = {}

    def read_lists(self) -> None:
        is_flat = self._read_feed()
        if not is_flat or self._reading is not FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS:
            self._read_top_level(may_fail=is_flat)
        while parents := self._parents(is_flat):
            self._read_children(parents)

    def read_roles(self) -> Mapping[RemoteId, Role]:
        """Return the roles of folders by folder id. Request the roles, unless the stored roles
        suffice: no listed folder is new, and each role belongs to a listed folder (if no folder was
        listed: to a stored folder). In a LIKELY_CHANGED_FOLDERS reading only the role of the Inbox
        must belong to a folder. A LISTED_AND_HIDDEN_FOLDERS reading always requests the roles.

        A failed request may leave a role without a folder. The next reading of another kind than
        LIKELY_CHANGED_FOLDERS then requests the roles again, because a folder without its role is
        not protected as a permanent folder."""
        known = {remote_id: folder.role for remote_id, folder in self._known.items()}
        shown = {key for key, entry in self._entries.items() if not _is_search_folder(entry)}
        is_quick = self._reading is FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS
        needed = {Role.INBOX} if is_quick else set(_ALIASES.values())
        listed = {role for remote_id, role in known.items() if remote_id in shown or not shown}
        is_thorough = self._reading is FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS
        is_known = needed <= listed and not is_thorough
        if is_known and shown <= known.keys():
            return known
        paths = _alias_paths(self._graph.mailbox)
        unasked = [path for path in paths if path not in self._responses]
        found_now = dict(zip(unasked, self._graph.get_batch(unasked), strict=True))
        responses = self._responses | found_now
        roles: dict[RemoteId, Role] = {}
        for path, role in zip(paths, _ALIASES.values(), strict=True):
            response = responses[path]
            if response.is_throttled:
                raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
            if response.has_status_200 and isinstance(remote_id := response.body.get("id"), str):
                roles[RemoteId(remote_id)] = role
        # If the request for a role failed, the stored folder keeps the role.
        found = frozenset(roles.values())
        return {key: role for key, role in known.items() if role not in found} | roles

    def ask_for_missing(self, roles: Mapping[RemoteId, Role]) -> None:
        """Request by id each known folder that no list contained, before it counts as gone."""
        named = {remote_id for remote_id, role in roles.items() if role is not Role.OTHER}
        listed = self._entries.keys() - self._failures.keys()
        wanted = self._known.keys() | named | self._failures.keys()
        missing = sorted(wanted - listed - self._left_out)
        paths = [_folder(self._graph, remote_id) for remote_id in missing]
        responses = dict(zip(missing, self._graph.get_batch(paths), strict=True))
        found = {key: each.body for key, each in responses.items() if each.has_status_200}
        self._gone = {key for key, each in responses.items() if each.is_requested_object_missing}
        self._gone |= self._outside(found, roles)
        unlisted = _below(self._failures, self._known.values())
        for remote_id, response in responses.items():
            self._take_answer(remote_id, response, is_unlisted=remote_id in unlisted)

    def listing(self, roles: Mapping[RemoteId, Role]) -> FolderListing:
        return FolderListing(
            folders=tuple(self._folders(roles)),
            is_whole_tree=not self._left_out,
            gone_folder_remote_ids=frozenset(self._gone),
            existing_unlisted_folder_remote_ids=frozenset(self._omitted),
            failure_reason_by_folder_remote_id=self._failures,
        )

    def _read_feed(self) -> bool:
        """Keep the entries of the delta feed of folders; return whether it was read to its end."""
        path: str | None = f"{self._graph.mailbox}/{_FEED}"
        for _ in range(_MAX_PAGES):
            if path is None:
                return True
            response = self._get(path, page_size=FOLDERS_PER_PAGE)
            if response.is_throttled:
                raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
            try:
                path = self._add(response)
            except _FAULTS as fault:
                logger.info("folder_feed_refused", cause=str(fault))
                return False
        return False

    def _read_top_level(self, *, may_fail: bool) -> None:
        path: str | None = f"{self._graph.mailbox}/mailFolders{_FIRST_PAGE}"
        for _ in range(_MAX_PAGES):
            if path is None:
                return
            response = self._get(path)
            try:
                path = self._add(response)
            except _FAULTS as fault:
                if not may_fail:
                    raise
                logger.info("folder_list_refused", cause=str(fault))
                return
        raise ProviderUnavailable("Microsoft Graph lists folders without end; trying again.")

    def _get(self, path: str, *, page_size: int | None = None) -> GraphResponse:
        return self._responses.get(path) or self._graph.get(path, page_size=page_size)

    def _parents(self, is_flat: bool) -> list[RemoteId]:
        """Return the folders whose children are still to be listed in this reading."""
        listed: dict[object, int] = {}
        for entry in self._entries.values():
            parent = entry.get("parentFolderId")
            listed[parent] = listed.get(parent, 0) + 1
        known = [each.parent_remote_id for each in self._known.values() if each.parent_remote_id]
        with_known_children = frozenset(known)
        is_thorough = self._reading is FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS
        room = MAX_PRECAUTIONARY_CHILD_FOLDER_REQUESTS - len(self._asked) if is_thorough else 0
        unasked = [each for each in self._entries if each not in self._asked]
        parents = [
            remote_id
            for place, remote_id in enumerate(unasked)
            if place < room
            or (count := _child_count(self._entries[remote_id])) > listed.get(remote_id, 0)
            or (not is_flat and (count > 0 or remote_id in with_known_children))
        ]
        if is_flat or self._reading is not FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS:
            return parents
        return self._parents_with_a_turn(parents, known)

    def _parents_with_a_turn(
        self, parents: list[RemoteId], known: Sequence[RemoteId]
    ) -> list[RemoteId]:
        order = {remote_id: at for at, remote_id in reversed(list(enumerate(known)))}
        parents.sort(key=lambda remote_id: order.get(remote_id, -1))
        turn = parents[: max(0, MAX_CHILD_FOLDER_LISTS_PER_QUICK_READ - len(self._asked))]
        waiting = frozenset(parents) - frozenset(turn)
        self._left_out |= _below(waiting, self._known.values()) - self._entries.keys()
        return turn

    def _read_children(self, parents: Sequence[RemoteId]) -> None:
        self._asked.update(parents)
        paths = {
            f"{_folder(self._graph, each)}/childFolders{_FIRST_PAGE}": each for each in parents
        }
        for _ in range(_MAX_PAGES):
            responses = self._graph.get_batch(list(paths))
            following = {}
            for parent, response in zip(paths.values(), responses, strict=True):
                if response.is_throttled:
                    raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
                try:
                    if link := self._add(response):
                        following[link] = parent
                except _FAULTS as fault:
                    self._failures[parent] = f"Its sub-folders cannot be listed: {fault}"
            if not following:
                return
            paths = following

    def _add(self, response: GraphResponse) -> str | None:
        """Keep the entries of a page; return the path of the next page, None after the last.

        Raises:
            ProviderUnavailable, ProviderRejected, CursorExpired: the response has no page.
        """
        if not response.has_status_200:
            raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
        for entry in parse_object_list(response, "value"):
            if "@removed" not in entry:
                remote_id = read_object_id(entry)
                self._entries[remote_id] = {**self._entries.get(remote_id, {}), **entry}
        link = response.body.get("@odata.nextLink")
        return self._graph.extract_path_from_link(link) if link else None

    def _take_answer(
        self, remote_id: RemoteId, response: GraphResponse, *, is_unlisted: bool
    ) -> None:
        """Add the response to a request of one folder by its id.

        is_unlisted: the folder is below a parent whose children cannot be listed, so no list
            could contain it.
        """
        if response.is_throttled:
            raise to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX)
        was_listed = self._entries.pop(remote_id, None)
        if remote_id in self._gone:
            self._failures.pop(remote_id, None)
        elif response.has_status_200 and response.body.get("id") == remote_id:
            self._entries[remote_id] = {**(was_listed or {}), **response.body}
            # The feed may leave out hidden folders by its nature.
            is_hidden = response.body.get("isHidden") is True
            if was_listed is None and not is_hidden and not is_unlisted:
                self._omitted.add(remote_id)
        else:
            sentence = (
                _OTHER_FOLDER
                if response.has_status_200
                else str(to_mailsync_error(response, RequestedResourceKind.IN_MAILBOX))
            )
            self._failures.setdefault(remote_id, sentence)
            if was_listed:
                self._entries[remote_id] = was_listed

    def _outside(
        self, found: Mapping[RemoteId, JsonObject], roles: Mapping[RemoteId, Role]
    ) -> set[RemoteId]:
        """Return the ids of `found` that are outside the folder tree.

        A deleted folder may stay readable by its id, in a part of the mailbox without mail. The
        root of the tree has no entry of its own: it is the parent of the permanent folders. If no
        permanent folder was read, no folder counts as outside.
        """
        entries = {**self._entries, **found}
        fixed = [key for key, role in roles.items() if role in PERMANENT_ROLES and key in entries]
        roots = {entries[key].get("parentFolderId") for key in fixed}
        inside = roots | self._entries.keys() | (self._known.keys() - self._gone - found.keys())
        placed = {key for key, entry in found.items() if entry.get("parentFolderId")}
        outside = placed if roots else set()
        while come := {key for key in outside if found[key].get("parentFolderId") in inside}:
            inside |= come
            outside -= come
        return outside

    def _is_folder(self, parent: object) -> bool:
        """Return whether a parent is a folder of the tree, and not its root."""
        return parent in self._entries or (parent in self._known and parent not in self._gone)

    def _folders(self, roles: Mapping[RemoteId, Role]) -> Iterator[RemoteFolder]:
        for remote_id, entry in self._entries.items():
            parent = entry.get("parentFolderId")
            folder = to_remote_folder(
                entry, roles.get(remote_id, Role.OTHER), parent if self._is_folder(parent) else None
            )
            if folder is None:
                continue
            if folder.message_count is None or folder.unread_message_count is None:
                self._failures.setdefault(
                    remote_id, "Microsoft Graph left out the counts of the folder; trying again."
                )
            yield folder


def _below(parents: Iterable[RemoteId], known: Iterable[StoredFolder]) -> set[RemoteId]:
    """Return the known folders below these parents, at all levels."""
    children: dict[RemoteId | None, list[RemoteId]] = {}
    for folder in known:
        children.setdefault(folder.parent_remote_id, []).append(folder.ref.remote_id)
    found: set[RemoteId] = set()
    waiting = list(parents)
    while waiting:
        for remote_id in children.get(waiting.pop(), ()):
            if remote_id not in found:
                found.add(remote_id)
                waiting.append(remote_id)
    return found


def _alias_paths(mailbox: str) -> list[str]:
    return [f"{mailbox}/mailFolders/{alias}" for alias in _ALIASES]


def _folder(graph: GraphClient, remote_id: RemoteId) -> str:
    return f"{graph.mailbox}/mailFolders/{quote(remote_id, safe='')}"


def _is_search_folder(entry: JsonObject) -> bool:
    return bool(entry.get("@odata.type") == _SEARCH_FOLDER)


def _child_count(entry: JsonObject) -> int:
    return _count(entry, "childFolderCount") or 0


def _count(entry: JsonObject, name: str) -> int | None:
    """Return a count; Graph also sends negative counts. None: it is missing or cannot be stored."""
    count = entry.get(name)
    return count if isinstance(count, int) and abs(count) < MIN_UNSTORABLE_MESSAGE_COUNT else None
