"""Read the pages of the change feed of a Gmail mailbox over IMAP. The feed covers the folders All
Mail, Trash and Junk, which together hold every message.

New messages are those whose UIDs are not lower than the last UIDNEXT. The server names the messages
whose flags or labels changed (CONDSTORE, RFC 7162). It does not name removed messages: if the
counts show that messages were removed, a page lists the ids of all messages.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from mailsync.errors import CursorExpired, ProviderRejected, ProviderUnavailable
from mailsync.model import Page, RemoteId
from mailsync.providers.imap.bodies import fetch_items_and_retry_missing
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.folder_reader import MESSAGES_PER_WINDOW, FolderReader
from mailsync.providers.imap.gmail_cursor import (
    GmailFolderPosition,
    GmailMailboxPosition,
    build_position_at_full_sync_start,
    build_position_of_new_folder,
    has_removals_not_explained_by_moves,
    raise_if_uid_numbering_changed,
)
from mailsync.providers.imap.gmail_folders import GmailSpecialFolderNames
from mailsync.providers.imap.gmail_messages import (
    GMAIL_FETCH_ITEMS,
    GMAIL_ID_FETCH_ITEMS,
    GmailMessage,
    gmail_id_from_fetch_items,
    gmail_message_from_fetch_items,
    has_gmail_id_and_labels,
)
from mailsync.providers.imap.ids import to_folder_id, to_folder_name
from mailsync.providers.imap.responses import FetchResponseItems
from mailsync.providers.imap.uids import MAX_UID

MAX_MESSAGE_DIGESTS_PER_CURSOR = 500
"""The maximum number of reported messages that a cursor remembers. Further messages may be reported
a second time."""


@dataclass(slots=True)
class _Round:
    """The contents of one page while the folders are read one after the other.

    left: number of new messages for which the page still has room.
    lacking: number of messages that left each folder, by folder id.
    arrived: number of new messages in each folder, by folder id.
    """

    left: int
    listed: list[GmailMessage] = field(default_factory=list)
    sources: dict[str, GmailFolderPosition] = field(default_factory=dict)
    lacking: dict[str, int] = field(default_factory=dict)
    arrived: dict[str, int] = field(default_factory=dict)
    has_more: bool = False


def fetch_gmail_items_by_uid(
    connection: ImapConnection, reader: FolderReader, uids: Sequence[int], items: str
) -> dict[int, FetchResponseItems]:
    """Fetch items of messages that the server listed, including Gmail's id, and return the items by
    UID. Messages that were removed since the list was made are left out.

    reader: reader of the open folder.
    items: the FETCH items to request.

    Raises:
        ProviderUnavailable: the server lists messages, and does not send all items of them.
    """
    found: dict[int, FetchResponseItems] = {}
    for start in range(0, len(uids), MESSAGES_PER_WINDOW):
        window = uids[start : start + MESSAGES_PER_WINDOW]
        uid_next = reader.opened.uid_next
        part = fetch_items_and_retry_missing(connection, window, items, uid_next=uid_next)
        if lacking := [
            uid for uid, each in part.items() if not has_gmail_id_and_labels(each, items)
        ]:
            part |= connection.fetch_items_by_uid(lacking, items)
        found |= part
    if any(not has_gmail_id_and_labels(each, items) for each in found.values()):
        raise ProviderUnavailable(
            "The mail server sends messages without Gmail's ids or labels; trying again. Stored"
            " mail stays."
        )
    return found


class GmailFeedReader:
    """Reads the change feed of a Gmail mailbox page by page.

    open_folder: function that opens a folder by its name and returns the folder's reader. If its
        second argument is True, it opens the folder again even if the folder is open.
    connected: function that returns the connection.
    listed: the messages of the last page, by id.
    """

    def __init__(
        self,
        folders: GmailSpecialFolderNames,
        open_folder: Callable[[bytes, bool], FolderReader],
        connected: Callable[[], ImapConnection],
    ) -> None:
        self._folders, self._open_folder, self._connected = folders, open_folder, connected
        self.listed: dict[RemoteId, GmailMessage] = {}

    def read_page(self, position: GmailMailboxPosition | None, limit: int) -> Page:
        """Return the page after a position. Without a position, return the first page of a full
        sync.

        limit: approximate number of messages of the page.

        Raises:
            CursorExpired: the server cannot name the changes since the position.
        """
        if position is None:
            position = self._start()
        if position.reading is not None:
            return self._page_of_full_sync(position, position.reading, limit)
        return self._page_of_changes(position, limit)

    def _start(self) -> GmailMailboxPosition:
        opened = [
            self._open_folder(name, True).opened
            for name in self._folders.folder_names_covering_all_messages
        ]
        first = opened[0]
        sources = {
            str(to_folder_id(each.name)): build_position_at_full_sync_start(each) for each in opened
        }
        return GmailMailboxPosition(sources, reading=to_folder_id(first.name), below=MAX_UID + 1)

    def _page_of_full_sync(self, position: GmailMailboxPosition, reading: str, limit: int) -> Page:
        names = list(position.sources)
        if reading not in names:
            raise CursorExpired("The stored position of the mailbox is unreadable.")
        reader = self._open_folder(to_folder_name(RemoteId(reading)), False)
        if reader.opened.uid_validity != position.sources[reading].uid_validity:
            raise CursorExpired("The server has numbered the messages of a folder anew.")
        uids = reader.list_all_uids()
        end = bisect_left(uids, position.below)
        start = max(0, end - limit)
        listed = self._listed(reader, uids[start:end])
        following = names[names.index(reading) + 1 :]
        if start > 0:
            after = replace(position, below=uids[start])
        elif following:
            after = replace(position, reading=following[0], below=MAX_UID + 1)
        else:
            after = replace(position, reading=None, below=0)
        if not listed and after.reading is not None:  # go on with the next folder
            return self._page_of_full_sync(after, after.reading, limit)
        return self._page(listed, after, has_more=after.reading is not None)

    def _page_of_changes(self, position: GmailMailboxPosition, limit: int) -> Page:
        found = _Round(limit)
        for name in self._folders.folder_names_covering_all_messages:
            self._read_source(name, position, found)
        is_gone = bool(position.sources.keys() - found.sources.keys())
        lists_all = is_gone or has_removals_not_explained_by_moves(found.lacking, found.arrived)
        after = GmailMailboxPosition(found.sources, reported=_digests(found.listed))
        news = [
            each
            for each in found.listed
            if position.reported.get(each.state_change.remote_id) != each.flags_and_folders_digest
        ]
        listed_ids = self._listed_ids() if lists_all else None
        page = self._page(news, after, has_more=found.has_more)
        return replace(page, remote_ids_of_all_messages_of_feed=listed_ids)

    def _read_source(self, name: bytes, position: GmailMailboxPosition, found: _Round) -> None:
        reader = self._open_folder(name, True)
        opened, source = reader.opened, to_folder_id(name)
        known = position.sources.get(source) or build_position_of_new_folder(opened)
        raise_if_uid_numbering_changed(known, opened)
        arrived = self._arrived(known, reader)
        part, rest = arrived[: found.left], arrived[found.left :]
        found.listed += self._listed(reader, part)
        found.listed += [] if rest else self._changed(known, reader)
        found.left -= len(part)
        found.has_more |= bool(rest)
        found.arrived[source] = len(arrived)
        found.lacking[source] = known.message_count + len(arrived) - opened.message_count
        found.sources[source] = GmailFolderPosition(
            opened.uid_validity,
            rest[0] if rest else opened.uid_next,
            known.mod_seq if rest else opened.mod_seq or 0,
            known.changes_from if rest else known.mod_seq,
            opened.message_count - len(rest),
        )

    def _arrived(self, known: GmailFolderPosition, reader: FolderReader) -> list[int]:
        first, end = known.uid_next, reader.opened.uid_next
        if end <= first:
            return []
        found = self._connected().search(f"UID {first}:{MAX_UID}")
        return [uid for uid in found if first <= uid < end]

    def _changed(self, known: GmailFolderPosition, reader: FolderReader) -> list[GmailMessage]:
        """Return the messages that were known and whose flags or labels changed.

        Raises:
            CursorExpired: the server does not name them.
        """
        is_quiet = reader.opened.mod_seq == known.mod_seq == known.changes_from
        if is_quiet or known.uid_next <= 1:
            return []
        connection = self._connected()
        try:
            items, _ = connection.fetch_changes_since_mod_seq(
                known.changes_from, GMAIL_FETCH_ITEMS, known.uid_next
            )
        except ProviderRejected:
            raise CursorExpired("The server does not name changed messages.") from None
        items = {uid: each for uid, each in items.items() if uid < known.uid_next}
        lacking = [
            uid
            for uid, each in items.items()
            if not has_gmail_id_and_labels(each, GMAIL_FETCH_ITEMS)
        ]
        items |= connection.fetch_items_by_uid(lacking, GMAIL_FETCH_ITEMS) if lacking else {}
        complete = {
            uid: each
            for uid, each in items.items()
            if has_gmail_id_and_labels(each, GMAIL_FETCH_ITEMS)
        }
        return self._to_messages(reader, complete)

    def _listed(self, reader: FolderReader, uids: Sequence[int]) -> list[GmailMessage]:
        found = (
            fetch_gmail_items_by_uid(self._connected(), reader, uids, GMAIL_FETCH_ITEMS)
            if uids
            else {}
        )
        return self._to_messages(reader, found)

    def _to_messages(
        self, reader: FolderReader, found: dict[int, FetchResponseItems]
    ) -> list[GmailMessage]:
        return [
            gmail_message_from_fetch_items(reader.build_uid_location(uid), each, self._folders)
            for uid, each in sorted(found.items())
        ]

    def _listed_ids(self) -> frozenset[RemoteId] | None:
        """Return the ids of all messages of the mailbox. Return None if the number of listed
        messages is not the server's count; the verification then finds the removed messages."""
        ids: set[RemoteId] = set()
        for name in self._folders.folder_names_covering_all_messages:
            reader = self._open_folder(name, True)
            uids = reader.list_all_uids()
            found = fetch_gmail_items_by_uid(self._connected(), reader, uids, GMAIL_ID_FETCH_ITEMS)
            if not len(uids) == len(found) == reader.opened.message_count:
                return None
            ids.update(map(gmail_id_from_fetch_items, found.values()))
        return frozenset(ids)

    def _page(
        self, listed: Sequence[GmailMessage], after: GmailMailboxPosition, *, has_more: bool
    ) -> Page:
        self.listed = {each.state_change.remote_id: each for each in listed}
        changes = tuple(each.state_change for each in self.listed.values())
        return Page(changes, after.to_cursor(), has_more)


def _digests(listed: Iterable[GmailMessage]) -> dict[RemoteId, str]:
    return {
        each.state_change.remote_id: each.flags_and_folders_digest
        for each in list(listed)[-MAX_MESSAGE_DIGESTS_PER_CURSOR:]
    }
