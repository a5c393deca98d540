"""Read a Gmail mailbox through the Gmail API.

The mailbox has one change feed, its history. A full sync first stores the present `historyId`, then
lists the ids of all messages, and then reads the history after the stored id. So the history
reports what happened during the listing. The contents of messages are fetched by id.

Source: Gmail API documentation, "Synchronize clients with Gmail".
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from mailsync.errors import CursorExpired, MailsyncError, ProviderRejected, ProviderUnavailable
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
    Page,
    PlacementOrFlagChange,
    RemoteId,
    StoredFolder,
    UnreadableMessage,
)
from mailsync.providers import AccessTokenSource, ProviderTraits, ProviderTuning
from mailsync.providers.gmail import units
from mailsync.providers.gmail.bodies import MessageReader
from mailsync.providers.gmail.cursor import HistoryCursor, MessageListCursor, parse_cursor
from mailsync.providers.gmail.errors import GmailResponse, to_mailsync_error
from mailsync.providers.gmail.folders import read_folders
from mailsync.providers.gmail.history import parse_history, parse_thread_id_by_message_id
from mailsync.providers.gmail.http import GmailClient, GmailRequest
from mailsync.providers.gmail.labels import ALL_MAIL_FOLDER_ID
from mailsync.providers.gmail.listing import MAX_IDS_PER_PAGE, MessageListReader
from mailsync.providers.gmail.responses import (
    MalformedResponse,
    read_count,
    read_number_sent_as_text,
    read_object_list,
    read_page_token,
)
from mailsync.providers.quota import QuotaUnitSource
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.providers.retry_budget import RetryBudget

PROVIDER_TUNING = ProviderTuning(
    messages_per_fetch=100,
    max_messages_in_batch_of_small_folders=150,
    is_full_batch_allowed_if_shared=True,  # the client divides the messages of a call itself
    max_feed_read_interval_while_pending_s=5.0,
)
MAX_HISTORY_RECORDS_PER_PAGE = 500
"""The maximum number of records on a page of the history (Gmail API documentation,
"users.history.list")."""
MIN_REQUESTED_MESSAGES_FOR_FULL_PAGES = 50
"""The value of `limit` from which on pages have as many ids as Gmail allows, because a page without
contents is small. Callers set a lower limit after failures, and then get pages of `limit` ids."""
HISTORY_RETRY_PAUSE_S = 2.0
"""The pause in seconds before the history is requested once more, because it does not report the
newest change yet."""
_PROFILE = GmailRequest("profile", units.GET_PROFILE_COST)


class GmailMailbox:
    """A client for one Gmail mailbox; implements `MailProvider`.

    used_quota_units: units of the quota that this object has used.
    """

    provider_tuning = PROVIDER_TUNING
    provider_traits = ProviderTraits(
        has_feed_per_folder=False,
        has_one_folder_per_message=False,
        all_mail_folder_id=ALL_MAIL_FOLDER_ID,
        is_listing_cheaper_than_fetching=True,
    )

    def __init__(
        self,
        *,
        base_url: str,
        access: AccessTokenSource,
        ca_bundle: str | None,
        budget: RetryBudget | None = None,
        max_in_flight: int | None = None,
        memory: ResponseMemoryShare | None = None,
        quota: QuotaUnitSource | None = None,
    ) -> None:
        self.used_quota_units = 0
        self._client = GmailClient(
            base_url=base_url,
            access=access,
            ca_bundle=ca_bundle,
            budget=budget or RetryBudget(),
            on_units=self._count,
            quota=quota,
            max_in_flight=max_in_flight,
            memory=memory,
        )
        self._lists = MessageListReader(self._client)
        self._messages = MessageReader(self._client)

    @property
    def max_requests_in_flight(self) -> int:
        return self._client.max_in_flight

    @property
    def remaining_provider_pause_s(self) -> float:
        return self._client.remaining_provider_pause_s

    def close(self) -> None:
        self._client.close()

    def count_messages(self) -> int:
        """Return the number of messages that Gmail counts in the mailbox. The request costs 1 quota
        unit. The number may lack Trash and Spam."""
        with _believed():
            response = self._client.get(_PROFILE)
            if not response.has_status_200:
                raise to_mailsync_error(response)
            count = read_count(response.body, "messagesTotal")
            if count is None:
                raise MalformedResponse("messagesTotal")
            return count

    def fetch_newest_inbox_mail(self, *, limit: int) -> None:
        """Return None: the first page of the mailbox's feed already names its newest messages."""

    def list_folders(
        self, known: Sequence[StoredFolder], reading: FolderTreeReadingMode
    ) -> FolderListing:
        with _believed():
            return read_folders(self._client, self._lists, known, reading)

    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        _require_feed_of_mailbox(feed)
        with _believed():
            if cursor is None:
                return self._list_page(MessageListCursor(self._history_id()), limit)
            position = parse_cursor(cursor)
            if isinstance(position, MessageListCursor):
                return self._list_page(position, limit)
            return self._history_page(position, limit)

    def fetch_next_page_of_each_feed(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[FeedId, Page]:
        pages = {}
        for feed, cursor in positions:
            try:
                pages[feed.id] = self.fetch_feed_page(feed, cursor, limit=limit)
            except MailsyncError as failure:
                logger.info("feed_not_read", feed_id=feed.id, cause=type(failure).__name__)
        return pages

    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        with _believed():
            return self._lists.list_folder_messages(folder, has_flags=has_flags)

    def note_feed_to_read_ahead(self, feed: FeedRef | None) -> None:
        """Do nothing: no feed is read ahead."""

    def note_groups_before_fetch(self, groups: Mapping[RemoteId, str]) -> None:
        self._messages.thread_of.update({each: RemoteId(it) for each, it in groups.items()})

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult | UnreadableMessage]:
        """Fetch messages, several at the same time.

        one_by_one: send fewer requests at the same time, because other workers use the mailbox too.
        """
        return self._messages.fetch_messages(ids, is_shared=one_by_one) if ids else ()

    def _count(self, used_units: int) -> None:
        self.used_quota_units += used_units

    def _history_id(self) -> int:
        """Return the present `historyId` of the mailbox."""
        response = self._client.get(_PROFILE)
        if not response.has_status_200:
            raise to_mailsync_error(response)
        return read_number_sent_as_text(response.body, "historyId")

    def _list_page(self, position: MessageListCursor, limit: int) -> Page:
        size = _page_size(limit, MAX_IDS_PER_PAGE)
        response = self._lists.fetch_page(position.page_token, size)
        if response.is_invalid_argument and position.page_token:
            position = position.to_restarted_cursor()
            response = self._lists.fetch_page(None, size)
        if not response.has_status_200:
            raise to_mailsync_error(response)
        threads, token = self._lists.parse_page(response, position.page_token)
        following = (
            MessageListCursor(position.history_id, token, position.restart_count)
            if token
            else HistoryCursor(position.history_id)
        )
        changes = tuple(
            PlacementOrFlagChange(each, conversation_id=it) for each, it in threads.items()
        )
        return Page(changes, following.to_text(), has_more=bool(token), has_only_message_ids=True)

    def _history_page(self, position: HistoryCursor, limit: int) -> Page:
        newest = self._history_id() if position.page_token is None else 0
        if newest == position.start_history_id:
            return Page((), position.to_text(), has_more=False)
        response = self._client.get(_history_request(position, limit))
        is_refused = response.is_invalid_argument and position.page_token is not None
        if is_refused:
            position = HistoryCursor(position.start_history_id)
        if is_refused or (
            _is_behind(response, newest)
            and self._client.sleep_if_retry_budget_allows(HISTORY_RETRY_PAUSE_S)
        ):
            response = self._client.get(_history_request(position, limit))
        if not response.has_status_200:
            raise _history_error(response)
        body = response.body
        reported = read_number_sent_as_text(body, "historyId")
        next_start = position.next_start_history_id or max(position.start_history_id, reported)
        token = read_page_token(body, position.page_token)
        following = (
            HistoryCursor(position.start_history_id, token, next_start)
            if token
            else HistoryCursor(next_start)
        )
        records = read_object_list(body, "history")
        changes = parse_history(records)
        self._messages.thread_of |= parse_thread_id_by_message_id(records)
        return Page(changes, following.to_text(), has_more=bool(token))


def _history_request(position: HistoryCursor, limit: int) -> GmailRequest:
    token = position.page_token
    params = (
        ("startHistoryId", str(position.start_history_id)),
        ("maxResults", str(_page_size(limit, MAX_HISTORY_RECORDS_PER_PAGE))),
        *([("pageToken", token)] if token else []),
    )
    return GmailRequest("history", units.LIST_HISTORY_COST, params)


def _is_behind(response: GmailResponse, newest: int) -> bool:
    """Return whether a page of the history reports nothing, though the mailbox has changed: the
    history can follow seconds later (corsairdev/corsair #445). newest: the mailbox's historyId."""
    body = response.body
    if (
        not response.has_status_200
        or read_object_list(body, "history")
        or body.get("nextPageToken")
    ):
        return False
    return read_number_sent_as_text(body, "historyId") < newest


def _history_error(response: GmailResponse) -> MailsyncError:
    """Return the error of a failed page of the history. Gmail keeps the history for about a week,
    and responds with 404 to older ids."""
    if response.is_not_found or response.is_invalid_argument:
        return CursorExpired(
            f"The Gmail API returned {response.status} {response.error_reason} to the stored"
            " historyId; the mailbox needs a full sync, which fetches only what is missing."
        )
    return to_mailsync_error(response)


def _page_size(limit: int, largest: int) -> int:
    return largest if limit >= MIN_REQUESTED_MESSAGES_FOR_FULL_PAGES else max(1, limit)


def _require_feed_of_mailbox(feed: FeedRef) -> None:
    if feed.folder is not None:
        raise ProviderRejected("Gmail has one change feed of the whole mailbox, none of a label.")


@contextmanager
def _believed() -> Iterator[None]:
    """Translate a response that does not have the documented form into the product's error."""
    try:
        yield
    except MalformedResponse as wrong:
        raise ProviderUnavailable(
            f"The Gmail API sent a response without a valid '{wrong}'. Nothing of it was stored;"
            " trying again."
        ) from None
