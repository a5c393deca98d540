"""Read a Microsoft 365 mailbox through Microsoft Graph.

Each folder has a delta feed; the mailbox as a whole has none. A cursor contains the link to the
next page of a feed. Requests to a delta feed never contain `$top`: in such a request `$top` limits
the history instead of the page (microsoft-graph-docs #7946).

Exchange keeps the state of a delta feed in the mailbox itself, so a full mailbox cannot have a
delta feed (Microsoft Graph docs, "mailFolder: delta"). National clouds have no delta feeds. In such
mailboxes folders are read as plain lists, completely in each run, until a delta feed can be
started. If a feed fails for a page of one message, a feed without bodies replaces it; if that feed
fails too, a list of ids replaces it (ADR 6).

Sources: Microsoft Graph docs, "Get incremental changes to messages in a folder", "Combine multiple
    HTTP requests using JSON batching".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import quote

from mailsync.errors import (
    CursorExpired,
    FolderGone,
    MailsyncError,
    ProviderRejected,
    ProviderUnavailable,
)
from mailsync.log import logger
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderListing,
    FolderRef,
    FolderTreeReadingMode,
    Message,
    MessageListing,
    MessageNotFoundByIdResult,
    NewestInboxMessages,
    Page,
    RemoteId,
    StoredFolder,
    TimeSlice,
    TimeSlicePage,
    UnreadableMessage,
)
from mailsync.providers import (
    AccessTokenSource,
    FeedUnreadableError,
    ProviderTraits,
    ProviderTuning,
    ResponseTooLarge,
)
from mailsync.providers.graph import http as graph_http
from mailsync.providers.graph.cursor import (
    CURSOR_AFTER_LAST_LIST_PAGE,
    FEED_KINDS_IN_FALLBACK_ORDER,
    FeedPageLink,
    GraphFeedKind,
    is_usable_delta_cursor,
    parse_cursor,
)
from mailsync.providers.graph.errors import (
    MAILBOX_FULL_ERROR_CODE,
    TOO_LARGE_RESPONSE_STATUS,
    GraphResponse,
    RequestedResourceKind,
    to_mailsync_error,
)
from mailsync.providers.graph.folders import read_folder_tree
from mailsync.providers.graph.http import GraphClient, build_mailbox_path
from mailsync.providers.graph.listing import (
    MESSAGE_IDS_PER_LIST_PAGE,
    MESSAGES_WITH_CONTENTS_PER_LIST_PAGE,
    build_repeated_page_link_error,
    iter_pages_of_complete_messages,
    list_messages,
)
from mailsync.providers.graph.message_responses import read_message_response, to_unreadable_message
from mailsync.providers.graph.messages import (
    MESSAGE_PROPERTIES,
    parse_change,
    parse_change_without_body,
)
from mailsync.providers.graph.newest import fetch_newest_mail_and_folder_tree
from mailsync.providers.graph.responses import parse_object_list
from mailsync.providers.graph.slices import build_time_slice_request, read_time_slice
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget

PROVIDER_TUNING = ProviderTuning(
    messages_per_fetch=graph_http.MAX_BATCH_REQUESTS, max_messages_in_batch_of_small_folders=1_000
)
MIN_PAGE_SIZE_TO_READ_AHEAD = 100
"""The page size from which on the next page is requested ahead. Smaller pages follow a failure, and
each has another size than the page before it."""
_NEWEST_FIRST = "$orderby=receivedDateTime%20desc"
_NO_DELTA = frozenset({400, 404, 405, 501})
"""The statuses with which a cloud without delta may reject a delta feed; no source lists them."""


class GraphMailbox:
    """A client for one Microsoft 365 mailbox; implements `MailProvider` with one HTTP call in
    flight at a time.

    user: id or address of the mailbox's user. None: the person who granted the access token.
    """

    provider_tuning = PROVIDER_TUNING
    provider_traits = ProviderTraits()

    def __init__(
        self,
        *,
        base_url: str,
        access: AccessTokenSource,
        ca_bundle: str | None,
        user: str | None = None,
        budget: RetryBudget | None = None,
        max_in_flight: int | None = None,
        memory: ResponseMemoryShare | None = None,
    ) -> None:
        self.used_quota_units = 0
        self._tree_responses: Mapping[str, GraphResponse] = {}
        self._graph = GraphClient(
            base_url=base_url,
            mailbox=build_mailbox_path(user),
            access=access,
            ca_bundle=ca_bundle,
            budget=budget or RetryBudget(),
            on_request=self._count,
            max_in_flight=max_in_flight,
            memory=memory,
        )

    @property
    def max_requests_in_flight(self) -> int:
        return self._graph.max_in_flight

    @property
    def remaining_provider_pause_s(self) -> float:
        return self._graph.remaining_provider_pause_s

    def close(self) -> None:
        self._graph.close()

    def fetch_newest_inbox_mail(self, *, limit: int) -> NewestInboxMessages | None:
        reading = fetch_newest_mail_and_folder_tree(self._graph, limit)
        self._tree_responses = reading.folder_tree_responses
        return reading.newest_inbox_mail

    def list_folders(
        self, known: Sequence[StoredFolder], reading: FolderTreeReadingMode
    ) -> FolderListing:
        responses, self._tree_responses = self._tree_responses, {}
        return read_folder_tree(self._graph, known, reading, responses)

    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        folder = _folder_of(feed)
        if cursor is None:
            return self._first_page(
                folder,
                limit,
                FEED_KINDS_IN_FALLBACK_ORDER[min(fallback, len(FEED_KINDS_IN_FALLBACK_ORDER) - 1)],
            )
        link = parse_cursor(cursor)
        size = link.feed_kind.choose_page_size(limit)
        response = self._graph.get(link.path, page_size=size, is_one_message=limit == 1)
        if limit == 1 and response.can_failure_be_caused_by_message:
            response = self._retry_single_message(link, response)
        if not response.has_status_200:
            raise self._page_error(folder, response, RequestedResourceKind.STORED_PAGE_LINK)
        if limit == 1 and self._leads_to(response, link):
            raise CursorExpired(
                "A page link leads to itself, whatever the page size; reading the folder again."
            )
        return self._page_before_next(link, response, limit)

    def fetch_next_page_of_each_feed(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[FeedId, Page]:
        links = self._next_links(positions, limit)
        paths = [link.path for link in links.values()]
        responses = self._graph.get_batch(paths, page_size=limit)
        ahead = [link.path for link in self._next_links(following, limit).values()]
        self._graph.read_batch_ahead(ahead, page_size=limit)
        pages = {}
        for (feed_id, link), response in zip(links.items(), responses, strict=True):
            try:
                if not response.has_status_200:
                    raise to_mailsync_error(response, RequestedResourceKind.STORED_PAGE_LINK)
                pages[feed_id] = self._page(link, response)
            except MailsyncError as failure:
                logger.info("feed_not_read", feed_id=feed_id, cause=type(failure).__name__)
        return pages

    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        return list_messages(self._graph, self._messages(folder), self._error_in(folder))

    def fetch_first_page_of_message_ids(self, feed: FeedRef, *, limit: int) -> Page | None:
        folder, kind = _folder_of(feed), GraphFeedKind.DELTA_WITHOUT_BODIES
        path = f"{self._first_link(folder, kind, limit).path}&{_NEWEST_FIRST}"
        response = self._graph.get(path, page_size=kind.choose_page_size(limit))
        return self._page(FeedPageLink(path, kind), response) if response.has_status_200 else None

    def fetch_time_slice(
        self, feed: FeedRef, part: TimeSlice, *, following: TimeSlice | None = None
    ) -> TimeSlicePage | None:
        folder = _folder_of(feed)
        request = build_time_slice_request(self._messages(folder), part)
        ahead = build_time_slice_request(self._messages(folder), following) if following else None
        return read_time_slice(self._graph, request, ahead, folder.remote_id, self._require_mailbox)

    def iter_pages_of_complete_messages(
        self, folder: FolderRef
    ) -> Iterator[Sequence[Message | UnreadableMessage]]:
        first = self._first_link(folder, GraphFeedKind.LIST, MESSAGES_WITH_CONTENTS_PER_LIST_PAGE)
        return iter_pages_of_complete_messages(self._graph, first.path, self._error_in(folder))

    def note_feed_to_read_ahead(self, feed: FeedRef | None) -> None:
        """Do nothing: no feed is read ahead."""

    def note_groups_before_fetch(self, groups: Mapping[RemoteId, str]) -> None:
        """Do nothing: each message is fetched by its own id."""

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult | UnreadableMessage]:
        """Fetch messages in batches; Graph processes four items of a batch at the same time."""
        paths = [self._message_path(remote_id) for remote_id in ids]
        responses = self._get_one_by_one(paths) if one_by_one else self._graph.get_batch(paths)
        statuses = {response.status for response in responses}
        if not one_by_one and TOO_LARGE_RESPONSE_STATUS in statuses:
            if len(paths) > 1:
                raise ResponseTooLarge
            responses = self._get_one_by_one(paths)
        found = [read_message_response(*pair) for pair in zip(ids, responses, strict=True)]
        if responses and not any(found):
            self._require_mailbox(responses[0])
        return [
            message or to_unreadable_message(remote_id, response)
            for remote_id, response, message in zip(ids, responses, found, strict=True)
        ]

    def _get_one_by_one(self, paths: Sequence[str]) -> list[GraphResponse]:
        """Get each path with a request of its own.

        Raises:
            ResponseTooLarge: several responses together exceed the limit of one response.
        """
        responses: list[GraphResponse] = []
        end = self._graph.total_decompressed_response_bytes + graph_http.MAX_RESPONSE_BYTES
        for path in paths:
            responses.append(self._graph.get(path, is_one_message=True))
            if self._graph.total_decompressed_response_bytes > end and len(paths) > 1:
                raise ResponseTooLarge
        return responses

    def _count(self, requests: int) -> None:
        self.used_quota_units += requests

    def _first_page(self, folder: FolderRef, limit: int, feed: GraphFeedKind) -> Page:
        link = self._first_link(folder, feed, limit)
        page_size = None if feed.is_list else limit
        response = self._graph.get(link.path, page_size=page_size, is_one_message=limit == 1)
        if limit == 1 and response.can_failure_be_caused_by_message:
            response = self._retry_single_message(link, response)
        lacks_delta = response.status in _NO_DELTA or response.error_code == MAILBOX_FULL_ERROR_CODE
        if lacks_delta and not feed.is_list:
            kinds = GraphFeedKind.LIST, GraphFeedKind.LIST_WITHOUT_BODIES
            link = self._first_link(folder, kinds[feed.lacks_bodies], limit)
            listed = self._graph.get(link.path, is_one_message=limit == 1)
            response = listed if listed.has_status_200 else response
        if not response.has_status_200:
            raise self._page_error(folder, response, RequestedResourceKind.IN_MAILBOX)
        return self._page_before_next(link, response, limit)

    def _retry_single_message(self, link: FeedPageLink, failed: GraphResponse) -> GraphResponse:
        """Check that the mailbox responds; then request the failed page of one message again.

        Raises:
            FeedUnreadableError: the page fails again, and another kind of feed is left to try.
        """
        self._require_mailbox(failed)
        page_size = None if link.feed_kind.is_list else 1
        response = self._graph.get(link.path, page_size=page_size, is_one_message=True)
        has_fallback = link.feed_kind is not FEED_KINDS_IN_FALLBACK_ORDER[-1]
        if response.can_failure_be_caused_by_message and has_fallback:
            raise FeedUnreadableError
        return response

    def _require_mailbox(self, failed: GraphResponse) -> None:
        """Raise the error of a failed response if the mailbox does not respond to a simple request
        either."""
        response = self._graph.get(f"{self._graph.mailbox}/mailFolders/inbox?$select=id")
        if not response.has_status_200:
            raise to_mailsync_error(failed, RequestedResourceKind.IN_MAILBOX)

    def _error_in(self, folder: FolderRef) -> Callable[[GraphResponse], MailsyncError]:
        return lambda response: self._page_error(folder, response, RequestedResourceKind.IN_MAILBOX)

    def _page_error(
        self, folder: FolderRef, response: GraphResponse, target: RequestedResourceKind
    ) -> MailsyncError:
        """Return the error of a failed page. The folder is gone only if a request for the folder
        says so."""
        named = target is RequestedResourceKind.IN_MAILBOX and response.is_requested_object_missing
        if response.status != 404 and not named:
            return to_mailsync_error(response, target)
        found = self._graph.get(f"{self._folder(folder)}?$select=id")
        if found.has_status_200:
            return ProviderUnavailable(
                "Microsoft Graph returns the folder, and an error for its messages"
                f" ({response.status} {response.error_code}); trying again."
            )
        if found.is_requested_object_missing:
            return FolderGone(
                f"The folder no longer exists at Microsoft Graph ({found.error_code})."
            )
        return to_mailsync_error(found, RequestedResourceKind.IN_MAILBOX)

    def _page_before_next(self, link: FeedPageLink, response: GraphResponse, limit: int) -> Page:
        """Return the page, and request the next page of the round ahead (ADR 23). After a page of a
        list of ids nothing is requested ahead: the caller fetches the messages of the page first.
        """
        page = self._page(link, response)
        is_list_of_ids = link.feed_kind is GraphFeedKind.LIST_WITHOUT_BODIES
        if page.has_more and limit >= MIN_PAGE_SIZE_TO_READ_AHEAD and not is_list_of_ids:
            following, size = parse_cursor(page.next_cursor), link.feed_kind.choose_page_size(limit)
            self._graph.read_page_ahead(following.path, page_size=size)
        return page

    def _page(self, link: FeedPageLink, response: GraphResponse) -> Page:
        read = parse_change_without_body if link.feed_kind.lacks_bodies else parse_change
        changes = tuple(read(item) for item in parse_object_list(response, "value"))
        more, last = (response.body.get(f"@odata.{name}") for name in ("nextLink", "deltaLink"))
        if self._leads_to(response, link):
            raise build_repeated_page_link_error()
        if more or last:
            following = FeedPageLink(
                self._graph.extract_path_from_link(more or last), link.feed_kind
            )
            return Page(changes, following.cursor_to_store, has_more=bool(more))
        if link.feed_kind.is_list:
            return Page(
                changes, CURSOR_AFTER_LAST_LIST_PAGE, has_more=False, next_round_is_full_sync=True
            )
        raise ProviderUnavailable("Microsoft Graph sent a page without a link; trying again.")

    def _next_links(
        self, positions: Sequence[tuple[FeedRef, Cursor | None]], limit: int
    ) -> dict[FeedId, FeedPageLink]:
        return {
            feed.id: parse_cursor(cursor)
            if cursor
            else self._first_link(_folder_of(feed), GraphFeedKind.DELTA, limit)
            for feed, cursor in positions
            if cursor is None or is_usable_delta_cursor(cursor)
        }

    def _first_link(self, folder: FolderRef, feed: GraphFeedKind, limit: int) -> FeedPageLink:
        if not feed.is_list:
            return FeedPageLink(
                f"{self._messages(folder)}/delta?$select={feed.selected_properties}", feed
            )
        size = MESSAGE_IDS_PER_LIST_PAGE if feed.lacks_bodies else limit
        return FeedPageLink(
            f"{self._messages(folder)}?$select={feed.selected_properties}&{_NEWEST_FIRST}&$top={size}",
            feed,
        )

    def _folder(self, folder: FolderRef) -> str:
        return f"{self._graph.mailbox}/mailFolders/{quote(folder.remote_id, safe='')}"

    def _messages(self, folder: FolderRef) -> str:
        return f"{self._folder(folder)}/messages"

    def _message_path(self, remote_id: RemoteId) -> str:
        path = f"{self._graph.mailbox}/messages/{quote(remote_id, safe='')}"
        return f"{path}?$select={MESSAGE_PROPERTIES}"

    def _leads_to(self, response: GraphResponse, link: FeedPageLink) -> bool:
        more = response.body.get("@odata.nextLink")
        return more is not None and self._graph.extract_path_from_link(more) == link.path


def _folder_of(feed: FeedRef) -> FolderRef:
    """Return the folder of a feed; every feed of Microsoft Graph has one.

    Raises:
        ProviderRejected: the feed is of a whole mailbox.
    """
    if feed.folder is None:
        raise ProviderRejected("Microsoft Graph has no change feed of a whole mailbox.")
    return feed.folder
