"""A mailbox read over IMAP.

The change feed of a folder is made of what the server offers. New messages are those whose UIDs are
not lower than the last UIDNEXT. With CONDSTORE the server also names the messages whose flags
changed, and with QRESYNC those that were removed (RFC 7162). Without QRESYNC a page lists all
messages of the folder if the counts say that some were removed.
"""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import groupby

from mailsync.errors import (
    CursorExpired,
    FolderGone,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderListing,
    FolderRef,
    GoneMessage,
    Message,
    MessageListing,
    Page,
    RemoteId,
    RemovedMessage,
    StoredFolder,
    TreeReadingDepth,
    UnreadableMessage,
)
from mailsync.providers import AccessTokenSource, Limits, ProviderTraits
from mailsync.providers.imap.address import MailboxAddress
from mailsync.providers.imap.connection import ImapConnection, OpenFolder
from mailsync.providers.imap.cursor import FolderPosition, parse_cursor
from mailsync.providers.imap.folders import is_selectable, to_remote_folders
from mailsync.providers.imap.ids import MessagePlace, folder_name, id_prefix, parse_message_id
from mailsync.providers.imap.login import LoginRefused
from mailsync.providers.imap.messages import (
    LISTED_ITEMS,
    STATE_ITEMS,
    WHOLE_ITEMS,
    has_body,
    to_listed_message,
    to_message,
    to_state_change,
)
from mailsync.providers.imap.read_ahead import ReadAhead
from mailsync.providers.imap.responses import FetchedItems
from mailsync.providers.imap.servers import AllowedServers
from mailsync.providers.kit import MailServerUnusable

MAX_CONNECTIONS = 3
MESSAGES_PER_FETCH = 100


def find_server(servers: AllowedServers, address: MailboxAddress) -> Sequence[str]:
    """Return the IP addresses of an account's server.

    Raises:
        ProviderUnavailable: the server is not allowed any more, or does not exist now.
    """
    try:
        return servers.find_addresses(address.host, address.port)
    except MailServerUnusable as reason:
        raise ProviderUnavailable(f"{reason} Stored mail stays readable.") from None


class ImapMailbox:
    """A mailbox on an IMAP server; implements `MailProvider`. It connects at its first request."""

    limits = Limits(
        messages_per_fetch=MESSAGES_PER_FETCH,
        max_small_sync_messages=2_000,
        feeds_per_connection=20,
        is_fetch_one_request=True,
    )
    traits = ProviderTraits(do_ids_survive_moves=False)
    throttled_for_s = 0.0

    def __init__(
        self,
        address: MailboxAddress,
        access: AccessTokenSource,
        servers: AllowedServers,
        context: ssl.SSLContext,
        max_in_flight: int | None = None,
    ) -> None:
        self._address = address
        self._access = access
        self._servers = servers
        self._context = context
        self._connection: ImapConnection | None = None
        self._open: OpenFolder | None = None
        self._uids: Sequence[int] | None = None
        self.max_requests_in_flight = min(max_in_flight or MAX_CONNECTIONS, MAX_CONNECTIONS)

    @property
    def request_count(self) -> int:
        return self._connection.request_count if self._connection else 0

    def list_folders(
        self, known: Sequence[StoredFolder], reading: TreeReadingDepth
    ) -> FolderListing:
        connection = self._connected()
        listed = connection.list_folders()
        statuses, failures = {}, {}
        for each in listed:
            if is_selectable(each):
                try:
                    statuses[each.name] = each.status or connection.read_status(each.name)
                except ProviderRejected as failure:
                    failures[RemoteId(each.name.decode("latin-1"))] = str(failure)
        folders = to_remote_folders(listed, statuses)
        shown = {each.remote_id for each in folders}
        missing = {each.ref.remote_id for each in known} - shown
        gone = {each for each in missing if not self._exists(each)}
        return FolderListing(
            folders,
            gone_folder_ids=frozenset(gone),
            omitted_folder_ids=frozenset(missing - gone),
            failure_reasons=failures,
        )

    def fetch_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        assert feed.folder, "IMAP has a feed per folder"
        name = folder_name(feed.folder.remote_id)
        position = parse_cursor(cursor) if cursor else None
        is_full_sync = position is None or position.below is not None
        opened = self._opened(name, again=not is_full_sync)
        if position is None:
            position = FolderPosition(
                opened.uid_validity,
                opened.uid_next,
                opened.mod_seq,
                opened.message_count,
                below=opened.uid_next,
            )
        if position.uid_validity != opened.uid_validity:
            raise CursorExpired("The server has numbered the messages of the folder anew.")
        if is_full_sync:
            return self._page_of_full_sync(opened, position, limit)
        return self._page_of_changes(opened, position, limit)

    def fetch_next_pages(
        self, positions: Sequence[tuple[FeedRef, Cursor | None]], *, limit: int
    ) -> Mapping[FeedId, Page]:
        pages = {}
        for feed, cursor in positions:
            with suppress(CursorExpired, FolderGone, ProviderRejected):
                pages[feed.id] = self.fetch_page(feed, cursor, limit=limit)
        return pages

    def list_folder_messages(self, folder: FolderRef) -> MessageListing:
        opened = self._opened(folder_name(folder.remote_id), again=True)
        items = self._connected().fetch(self._all_uids(), STATE_ITEMS)
        entries = (to_listed_message(self._place(uid), each) for uid, each in sorted(items.items()))
        return MessageListing(tuple(entries), opened.message_count)

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | GoneMessage | UnreadableMessage]:
        found: dict[RemoteId, Message | UnreadableMessage] = {}
        places = sorted(map(parse_message_id, ids))
        for (folder, uid_validity), group in groupby(places, key=lambda it: it[:2]):
            with suppress(FolderGone):
                if self._opened(folder).uid_validity == uid_validity:
                    uids = [each.uid for each in group]
                    with self._ahead.around_messages(uids):
                        found |= self._read_whole(uids)
        return [found.get(each, GoneMessage(each)) for each in ids]

    def close(self) -> None:
        if self._connection:
            self._connection.close()

    def _page_of_full_sync(self, opened: OpenFolder, position: FolderPosition, limit: int) -> Page:
        below = position.below or 0
        left = [uid for uid in self._all_uids() if uid < below]
        page = left[-limit:]
        items = self._ahead.take_list(page) or self._listed(page, LISTED_ITEMS)
        self._ahead.begin_page(items, left[-2 * limit : -limit])
        changes = (to_state_change(self._place(uid), each) for uid, each in sorted(items.items()))
        has_more = len(left) > limit
        after = FolderPosition(
            position.uid_validity,
            position.uid_next,
            position.mod_seq,
            position.message_count,
            below=left[-limit] if has_more else None,
        )
        prefix = id_prefix(opened.name, opened.uid_validity)
        return Page(tuple(changes), after.to_cursor(), has_more, valid_id_prefix=prefix)

    def _page_of_changes(self, opened: OpenFolder, position: FolderPosition, limit: int) -> Page:
        changed, vanished = self._changed_flags(opened, position)
        arrived = self._arrived(opened, position)
        changed |= self._listed(arrived[:limit], LISTED_ITEMS)
        removed = self._confirmed(vanished, position.uid_next)
        has_more = len(arrived) > limit
        after = FolderPosition(
            opened.uid_validity,
            arrived[limit] if has_more else max(opened.uid_next, position.uid_next),
            position.mod_seq if has_more else opened.mod_seq,
            opened.message_count,
        )
        return Page(
            (
                *(RemovedMessage(self._place(uid).to_id()) for uid in removed),
                *(to_state_change(self._place(uid), each) for uid, each in sorted(changed.items())),
            ),
            after.to_cursor(),
            has_more,
            listed_ids=self._listed_after_removals(opened, position, len(arrived)),
        )

    def _changed_flags(
        self, opened: OpenFolder, position: FolderPosition
    ) -> tuple[dict[int, FetchedItems], list[range]]:
        """Return the known messages whose flags changed, and the UIDs that vanished, as far as the
        server tells."""
        if not position.mod_seq or opened.mod_seq in (None, position.mod_seq):
            return {}, []
        changed, vanished = self._connected().fetch_changes(position.mod_seq, STATE_ITEMS)
        return {uid: each for uid, each in changed.items() if uid < position.uid_next}, vanished

    def _arrived(self, opened: OpenFolder, position: FolderPosition) -> list[int]:
        """Return the UIDs of new messages. A search above the highest UID may return that one."""
        if opened.uid_next == position.uid_next:
            return []
        found = self._connected().search(f"UID {position.uid_next}:4294967295")
        return [uid for uid in found if uid >= position.uid_next]

    def _listed_after_removals(
        self, opened: OpenFolder, position: FolderPosition, arrived: int
    ) -> frozenset[RemoteId] | None:
        """Return the ids of all messages if some were removed that the server does not name. None
        as well if the server contradicts its own count; the verification then decides."""
        removed = position.message_count + arrived - opened.message_count
        if self._connected().has_qresync or removed <= 0:
            return None
        uids = self._all_uids(again=True)
        if len(uids) != opened.message_count:
            return None
        return frozenset(self._place(uid).to_id() for uid in uids)

    def _listed(self, uids: Sequence[int], items: str) -> dict[int, FetchedItems]:
        """Fetch items of messages that the server listed. A message that the response lacks is
        requested again, and then searched for: silence does not prove that it is gone.

        Raises:
            ProviderUnavailable: the server lists messages of which it sends nothing.
        """
        connection = self._connected()
        found = connection.fetch(uids, items)
        for _ in range(2):
            if not (lacking := set(uids) - found.keys()):
                return found
            found |= connection.fetch(lacking, items)
        lacking = set(uids) - found.keys()
        if lacking & set(connection.search(f"UID {min(lacking)}:{max(lacking)}")):
            raise ProviderUnavailable("The mail server lists messages that it does not send.")
        return found

    def _confirmed(self, vanished: Iterable[range], below: int) -> list[int]:
        """Return those of the UIDs that the server reports as removed and that it does not list."""
        known = [range(each.start, min(each.stop, below)) for each in vanished]
        known = [each for each in known if each]
        if not known:
            return []
        there = set(self._all_uids(again=True))
        return [uid for each in known for uid in each if uid not in there]

    def _read_whole(self, uids: Sequence[int]) -> dict[RemoteId, Message | UnreadableMessage]:
        connection = self._connected()
        found: dict[RemoteId, Message | UnreadableMessage] = {}
        items = {
            u: each for u, each in connection.fetch(uids, WHOLE_ITEMS).items() if has_body(each)
        }
        for uid in uids:
            place = self._place(uid)
            each = items.get(uid) or connection.fetch([uid], WHOLE_ITEMS).get(uid, {})
            if has_body(each):
                found[place.to_id()] = to_message(place, each)
            elif uid in connection.search(f"UID {uid}:{uid}"):
                found[place.to_id()] = UnreadableMessage(
                    place.to_id(),
                    "unanswered",
                    "The mail server lists this message without its text.",
                )
        return found

    def _place(self, uid: int) -> MessagePlace:
        assert self._open
        return MessagePlace(self._open.name, self._open.uid_validity, uid)

    def _all_uids(self, *, again: bool = False) -> Sequence[int]:
        """Return the UIDs of the open folder, in ascending order."""
        if self._uids is None or again:
            self._uids = self._connected().search("UID 1:4294967295")
        return self._uids

    def _opened(self, name: bytes, *, again: bool = False) -> OpenFolder:
        """Return the folder as it was when it was opened; open it if it is not, or `again`.

        Raises:
            FolderGone: the server does not list a folder of this name.
        """
        if self._open is None or self._open.name != name or again:
            self._open = self._uids = None
            self._ahead = ReadAhead(self._connected())
            try:
                self._open = self._connected().examine(name)
            except ProviderRejected:
                if self._exists(RemoteId(name.decode("latin-1"))):
                    raise
                raise FolderGone("The folder no longer exists.") from None
        return self._open

    def _exists(self, remote_id: RemoteId) -> bool:
        listed = self._connected().list_folders()
        return any(each.name == folder_name(remote_id) and is_selectable(each) for each in listed)

    def _connected(self) -> ImapConnection:
        """Return the connection, signed in.

        Raises:
            AccessRevoked: the server refused the password.
        """
        if self._connection is None:
            access = self._access.current_token()
            ip_addresses = find_server(self._servers, self._address)
            for attempt in range(2):
                connection = ImapConnection(self._address, ip_addresses, self._context)
                with ExitStack() as on_failure:
                    on_failure.callback(connection.close)
                    try:
                        connection.login(
                            self._address.user_name, access.token, is_token=not access.is_password
                        )
                    except LoginRefused:
                        if attempt:
                            raise ProviderThrottled("The mail server refuses the login.") from None
                        access = self._access.renew_token(access)
                        continue
                    on_failure.pop_all()
                self._connection = connection
                break
        assert self._connection
        return self._connection
