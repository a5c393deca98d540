"""Read a mailbox over IMAP: `ImapMailbox` implements `MailProvider` with one connection."""

import ssl
import time
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from functools import partial
from itertools import groupby

from mailsync.errors import (
    CursorExpired,
    FolderGone,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.model import (
    AccessToken,
    Cursor,
    FeedId,
    FeedRef,
    FolderListing,
    FolderRef,
    FolderTreeReadingMode,
    Message,
    MessageListing,
    MessageNotFoundByIdResult,
    Page,
    RemoteId,
    Role,
    StoredFolder,
    UnreadableMessage,
)
from mailsync.providers import AccessTokenSource, ProviderTraits, ProviderTuning
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.bodies import MessageReader
from mailsync.providers.imap.changes import is_folder_unchanged
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.cursor import parse_cursor
from mailsync.providers.imap.failures import TooManyConnectionsError
from mailsync.providers.imap.folder_commands import list_folders, read_folder_statuses
from mailsync.providers.imap.folder_reader import (
    MESSAGES_PER_SMALL_WINDOW,
    MESSAGES_PER_WINDOW,
    FolderReader,
)
from mailsync.providers.imap.folders import to_remote_folders
from mailsync.providers.imap.ids import (
    MessageUidLocation,
    parse_uid_location_of_message_id,
    to_folder_id,
    to_folder_name,
)
from mailsync.providers.imap.known_servers import DEFAULT_MAX_CONNECTIONS_TO_OPEN, find_known_server
from mailsync.providers.imap.listing import INBOX_NAME, FolderList, ListedFolder, is_inbox
from mailsync.providers.imap.login import LoginRefused
from mailsync.providers.imap.messages import listed_message_from_fetch_items
from mailsync.providers.imap.next_folder import NextFolderOpener
from mailsync.providers.imap.reconnect import RequestedPause, retry_on_disconnect
from mailsync.providers.imap.servers import AllowedServers, find_server_ip_addresses
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget

MESSAGES_PER_PAGE = 250
"""The maximum number of messages of a page and of a request. Their size in bytes is limited too
(MAX_MESSAGE_BATCH_BYTES)."""
MAX_FAILED_FEEDS_PER_FETCH_CALL = 3
"""The maximum number of folders whose pages may fail in one call; at the next failure the call
raises the error. A failure costs two logins if the server ends the connection, and some servers ban
an address that signs in often."""

PAUSE_AFTER_REFUSED_LOGINS_S = 600.0
"""The pause in seconds before the next login, after the server refused two access tokens or
passwords. Some hosts ban an address for 10 failures in this time (HybridAIOne/hybridclaw PR
1406)."""


class ImapMailbox:
    """A mailbox on an IMAP server; implements `MailProvider`. It connects to the server at its
    first request."""

    provider_tuning = ProviderTuning(
        messages_per_fetch=MESSAGES_PER_PAGE,
        messages_per_page=MESSAGES_PER_PAGE,
        max_messages_in_batch_of_small_folders=2_000,
        feeds_to_read_per_connection=20,
        is_full_batch_allowed_if_shared=True,
    )
    provider_traits = ProviderTraits(do_ids_survive_moves=False)

    def __init__(
        self,
        address: ImapMailboxLocation,
        access: AccessTokenSource,
        servers: AllowedServers,
        context: ssl.SSLContext,
        max_in_flight: int | None = None,
        *,
        budget: RetryBudget | None = None,
        memory: ResponseMemoryShare | None = None,
    ) -> None:
        self._address = address
        self._access = access
        self._servers = servers
        self._context = context
        self._connection: ImapConnection | None = None
        self.requested_pause = RequestedPause()
        self._open: FolderReader | None = None
        self._next = NextFolderOpener()
        self._begun: bytes | None = None  # the folder whose full sync began last
        self._page_limit = MESSAGES_PER_PAGE
        self._window = MESSAGES_PER_WINDOW
        self._statuses: dict[bytes, Mapping[str, int]] = {}
        self._budget, self._memory = budget or RetryBudget(), memory
        self._earlier_requests = 0
        known = find_known_server(address.host)
        most = known.max_connections_to_open if known else DEFAULT_MAX_CONNECTIONS_TO_OPEN
        self.max_requests_in_flight = min(max_in_flight or most, most)

    @property
    def used_quota_units(self) -> int:
        now = self._connection.sent_request_count if self._connection else 0
        return self._earlier_requests + now

    @property
    def remaining_provider_pause_s(self) -> float:
        return self.requested_pause.remaining_s

    @property
    def is_disconnected_by_server(self) -> bool:
        """Return whether the server ended the connection."""
        return self._connection is not None and self._connection.is_disconnected_by_server

    def fetch_newest_inbox_mail(self, *, limit: int) -> None:
        """Return None: a folder's first page already has its newest messages."""

    @retry_on_disconnect
    def list_folders(
        self, known: Sequence[StoredFolder], reading: FolderTreeReadingMode
    ) -> FolderListing:
        """List the folders of the mailbox's owner, at every depth, with their counts.

        The STATUS values of the folders are kept for the next `fetch_next_page_of_each_feed`, which
        opens only folders whose values have changed.
        """
        connection = self._connected()
        listed = list_folders(connection)
        own, prefixes = self._shown(listed)
        without = [each.name for each in own if not each.status_values]
        requested = read_folder_statuses(connection, without)
        results = {
            each.name: self._counted(each.name, each.status_values or requested.get(each.name, {}))
            for each in own
        }
        statuses = {name: it for name, it in results.items() if not isinstance(it, str)}
        folders = to_remote_folders(own, statuses, prefixes)
        self._statuses = dict(statuses)
        missing = {each.ref.remote_id for each in known} - {each.remote_id for each in folders}
        gone = self._gone(missing, listed)
        return FolderListing(
            folders,
            gone_folder_remote_ids=frozenset(gone),
            existing_unlisted_folder_remote_ids=frozenset(missing - gone),
            failure_reason_by_folder_remote_id={
                to_folder_id(name): f"The mail server does not open this folder: {it}"
                for name, it in results.items()
                if isinstance(it, str)
            },
            permanent_roles=frozenset({Role.INBOX}),
        )

    def _shown(self, listed: FolderList) -> tuple[Sequence[ListedFolder], Collection[bytes]]:
        """Return the listed folders that are mirrored, and the beginnings of folder names that the
        display names omit."""
        return [each for each in listed.own_folders if each.is_selectable], listed.personal_prefixes

    def _counted(self, name: bytes, status: Mapping[str, int] | str) -> Mapping[str, int] | str:
        """Return the STATUS values of a folder with its counts. If the server left out the counts
        (as 163.com does) or refused the STATUS, open the folder and count: without new counts, the
        stored counts would pass for the present ones. If the server does not open the folder,
        return the text of its refusal."""
        numbers = {} if isinstance(status, str) else status
        if {"MESSAGES", "UNSEEN"} <= numbers.keys():
            return numbers
        try:
            opened = self._opened(name, again=True).opened
        except (FolderGone, ProviderRejected) as failure:
            return status if isinstance(status, str) else str(failure)
        unread = self._connected().search("UNSEEN")
        return {**numbers, "MESSAGES": opened.message_count, "UNSEEN": len(unread)}

    def _gone(self, missing: AbstractSet[RemoteId], listed: FolderList) -> set[RemoteId]:
        """Return those of the missing folders that belong to other owners, or do not exist: the
        server refuses their STATUS. A list without the inbox proves nothing, nor does a server that
        refuses the STATUS of the inbox as well."""
        if not any(is_inbox(each.name) for each in listed.own_folders):
            return set()
        foreign = listed.folder_names_of_other_owners
        others = {each for each in missing if to_folder_name(each) in foreign}
        names = [to_folder_name(each) for each in sorted(missing - others)]
        statuses = read_folder_statuses(self._connected(), [*names, INBOX_NAME] if names else ())
        if isinstance(statuses.get(INBOX_NAME), str):
            return others
        return others | {to_folder_id(name) for name in names if isinstance(statuses[name], str)}

    @retry_on_disconnect
    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        assert feed.folder, "IMAP has a feed per folder"
        position = parse_cursor(cursor) if cursor else None
        is_full_sync = position is None or position.below is not None
        name, self._page_limit = to_folder_name(feed.folder.remote_id), limit
        if position is None:
            self._begun = name
        reader = self._opened(name, again=not is_full_sync, with_uids=is_full_sync)
        return reader.read_page(position, limit)

    def fetch_next_page_of_each_feed(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[FeedId, Page]:
        """Fetch the next page of many folders. Those that are unchanged according to the last list
        of folders are not opened."""
        pages, failures = {}, 0
        for feed, cursor in positions:
            try:
                unchanged = self._page_without_changes(feed, cursor)
                pages[feed.id] = unchanged or self.fetch_feed_page(feed, cursor, limit=limit)
            except (CursorExpired, FolderGone, ProviderRejected):
                continue
            except ProviderUnavailable:
                failures += 1
                if failures > MAX_FAILED_FEEDS_PER_FETCH_CALL or not self._is_responsive:
                    raise
        return pages

    def _page_without_changes(self, feed: FeedRef, cursor: Cursor | None) -> Page | None:
        """Return an empty page if the folder's STATUS values in the last list show no change, else
        None. The values of a list are used once."""
        name = to_folder_name(feed.folder.remote_id) if feed.folder else b""
        status = self._statuses.pop(name, {})
        if cursor and is_folder_unchanged(parse_cursor(cursor), status, time.time()):
            return Page((), cursor, has_more=False)
        return None

    @retry_on_disconnect
    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        reader = self._opened(to_folder_name(folder.remote_id), again=True)
        items = reader.read_flags(reader.list_all_uids())
        entries = (
            listed_message_from_fetch_items(self._place(uid), each)
            for uid, each in sorted(items.items())
        )
        return MessageListing(tuple(entries), reader.opened.message_count)

    def note_feed_to_read_ahead(self, feed: FeedRef | None) -> None:
        """Note the folder to open as soon as the messages of the present folder have been read."""
        folder = feed.folder if feed else None
        self._next.folder_name = to_folder_name(folder.remote_id) if folder else None

    def note_groups_before_fetch(self, groups: Mapping[RemoteId, str]) -> None:
        """Do nothing: each message is fetched alone, by its UID, also if messages form a group."""

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult | UnreadableMessage]:
        found: dict[RemoteId, Message | UnreadableMessage] = {}
        places = sorted(place for each in ids if (place := parse_uid_location_of_message_id(each)))
        for (folder, uid_validity), group in groupby(places, key=lambda it: it[:2]):
            with self.requested_pause.guard_requests(), suppress(FolderGone, CursorExpired):
                reader = MessageReader(
                    folder,
                    uid_validity,
                    partial(self._connected_to, folder, uid_validity),
                    self._budget,
                )
                opened, uids = self._opened(folder), [each.uid for each in group]
                with opened.ahead.take_messages_then_read_ahead(uids) as received:
                    read = reader.read(uids, opened.sizes, received)
                # If another client began the full sync, one more reading of this folder follows.
                is_over = opened.ahead.is_at_end and folder == self._begun
                if is_over and read.keys() == set(uids):
                    self._begin_next_folder()
                found |= {each.remote_id: each for each in read.values()}
        return [found.get(each, MessageNotFoundByIdResult(each)) for each in ids]

    def close(self) -> None:
        self._disconnect()
        if self._memory:
            self._memory.close()

    @property
    def _is_responsive(self) -> bool:
        """Return whether the last failure may concern a single folder only. Return False if the
        server was not reached or did not respond in time."""
        connection = self._connection
        return connection is not None and (
            connection.is_disconnected_by_server or not connection.is_broken
        )

    def _place(self, uid: int) -> MessageUidLocation:
        assert self._open
        return self._open.build_uid_location(uid)

    def _connected_to(self, name: bytes, uid_validity: int) -> ImapConnection:
        """Return a connection on which the folder is open.

        Raises:
            CursorExpired: the server has numbered the folder's messages anew.
        """
        if self._opened(name).opened.uid_validity != uid_validity:
            raise CursorExpired("The server has numbered the messages of the folder anew.")
        return self._connected()

    def _begin_next_folder(self) -> None:
        connection = self._connection
        if connection and self._next.open_in_background(connection, self._page_limit, self._window):
            self._open = None

    def _opened(self, name: bytes, *, again: bool = False, with_uids: bool = False) -> FolderReader:
        """Return the reader of a folder; open the folder first if it is not open.

        again: open the folder even if it is open, so that the reader has the present counts.
        with_uids: if the folder must be opened, list its messages in the same round trip.

        Raises:
            FolderGone: the server refuses to open the folder, and also refuses its STATUS.
        """
        connection = self._connected()
        self._open = self._next.take_reader_opened_ahead(name) or self._open
        if self._open is None or self._open.opened.name != name or again:
            self._open = None
            try:
                if with_uids:
                    opened, uids = connection.examine_and_list_uids(name)
                    self._open = FolderReader(connection, opened, self._window, uids)
                else:
                    self._open = FolderReader(connection, connection.examine(name), self._window)
            except ProviderRejected:
                status = read_folder_statuses(connection, [name])[name]
                if is_inbox(name) or not isinstance(status, str):
                    raise
                raise FolderGone("The folder no longer exists.") from None
        return self._open

    def _connected(self) -> ImapConnection:
        """Return the connection, signed in.

        Raises:
            AccessRevoked: the server refused the password.
        """
        if self.is_disconnected_by_server:
            self._window = MESSAGES_PER_SMALL_WINDOW
        if self._connection and self._connection.is_broken:
            self._disconnect()
        if self._connection is None:
            try:
                self._connection = self._signed_in()
            except ProviderThrottled as failure:
                if isinstance(failure.__cause__, TooManyConnectionsError):
                    self.max_requests_in_flight = max(1, self.max_requests_in_flight - 1)
                raise
        return self._connection

    def _signed_in(self) -> ImapConnection:
        """Return a new connection, signed in; renew a refused password or token once."""
        access = self._access.get_current_token()
        with suppress(LoginRefused):
            return self._signed_in_with(access)
        try:
            return self._signed_in_with(self._access.get_token_after_refusal(access))
        except LoginRefused:
            raise ProviderThrottled(
                "The mail server refuses a new access token as well. Stored mail stays readable;"
                " the sync is retried after a pause.",
                retry_after_s=PAUSE_AFTER_REFUSED_LOGINS_S,
            ) from None

    def _signed_in_with(self, access: AccessToken) -> ImapConnection:
        ip_addresses = find_server_ip_addresses(self._servers, self._address)
        connection = ImapConnection(self._address, ip_addresses, self._context, memory=self._memory)
        with ExitStack() as on_failure:
            on_failure.callback(connection.close)
            user_name = self._address.user_name
            connection.login(user_name, access.token, is_token=not access.holds_mailbox_password)
            on_failure.pop_all()
        return connection

    def _disconnect(self) -> None:
        if self._connection:
            self._earlier_requests += self._connection.sent_request_count
            self._connection.close()
        self._connection = self._open = None
        self._next.drop_folder_opened_ahead()
