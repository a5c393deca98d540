"""Define the interface to a mail provider."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from mailsync.model import (
    AccessToken,
    Cursor,
    FeedId,
    FeedRef,
    FolderListing,
    FolderRef,
    GoneMessage,
    Message,
    MessageListing,
    NewestMail,
    Page,
    RemoteId,
    Slice,
    SlicePage,
    StoredFolder,
    Subscription,
    TreeReadingMode,
    UnreadableMessage,
)


class AccessTokenSource(Protocol):
    """Interface of a source that returns the access token of one account."""

    def current_token(self) -> AccessToken: ...

    def renew_token(self, refused: AccessToken) -> AccessToken:
        """Return an access token to use instead of `refused`, which the provider rejected.

        The result is `refused` itself if that token was issued so recently that a renewal would not
        help.
        """
        ...


class FeedFailed(Exception):
    """The provider cannot deliver a page of the change feed, even a page of a single message.

    The caller reads the folder again from its beginning through the provider's next fallback feed.
    The workflow never receives this error.
    """


class ResponseTooLarge(Exception):
    """The requested messages exceed the memory limit of one response.

    The caller requests fewer messages at a time. The workflow never receives this error.
    """


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of a provider that determine how a sync divides its work.

    messages_per_fetch: number of messages that one call of `fetch_messages` fetches most
        efficiently.
    max_small_sync_messages: number of messages that the provider delivers in about half a minute.
    feeds_per_connection: number of change feeds that one Lambda function reads one after the other,
        so that it connects once. 1: connecting costs nothing.
    is_fetch_one_request: one call of `fetch_messages` is one request for all its messages. False:
        the provider counts a request per message, and processes several of them at the same time.
    news_interval_s: while messages are pending, the changes of their feed are read at least this
        often, in seconds. None: after all pending messages.
    messages_per_page: number of messages per page to request, where larger pages than those of the
        default size are more efficient. The provider's client bounds the bytes of such a page. 0:
        the default size.
    """

    messages_per_fetch: int
    max_small_sync_messages: int
    feeds_per_connection: int = 1
    is_fetch_one_request: bool = False
    news_interval_s: float | None = None
    messages_per_page: int = 0


@dataclass(frozen=True, slots=True)
class ProviderTraits:
    """The properties of mailboxes that differ between providers.

    has_feed_per_folder: each folder has a change feed of its own. False: one feed reports the
        changes of the whole mailbox.
    is_message_in_one_folder: each message is in one folder. False: a message can be in several
        folders (labels).
    do_ids_survive_moves: a message that is moved keeps its id. False: it leaves under one id and
        arrives under another, so an id that is gone does not prove that the message is gone.
    folder_of_all_mail: the provider's id of the folder that contains every message outside trash
        and junk. Placements in it follow from the other placements: after a PlacementChange the
        store puts the message into this folder, or takes it out. None: there is no such folder.
    are_lists_of_ids_cheap: comparing a folder repairs placements and read states from the
        provider's list, without requesting messages that are stored.
    """

    has_feed_per_folder: bool = True
    is_message_in_one_folder: bool = True
    do_ids_survive_moves: bool = True
    folder_of_all_mail: RemoteId | None = None
    are_lists_of_ids_cheap: bool = False


@runtime_checkable
class ContentsLister(Protocol):
    """A provider that lists the complete messages of a folder. Many messages of one folder then
    cost a request per page, not one each."""

    def list_contents(self, folder: FolderRef) -> Iterator[Sequence[Message | UnreadableMessage]]:
        """Yield the messages of a folder, page by page, as they are after the call. The list may
        lack messages, and ends early where a page cannot be delivered because of its messages.

        Raises:
            FolderGone: the folder does not exist, according to a request by its id.
            ProviderThrottled, ProviderUnavailable, ProviderRejected, AccessRevoked: see
                `MailProvider`.
        """
        ...


@runtime_checkable
class SliceReader(Protocol):
    """A provider of which several workers can fetch the messages of one folder by their times,
    while its change feed only names them. Every method may raise the errors of `MailProvider`."""

    def fetch_first_page_of_ids(self, feed: FeedRef, *, limit: int) -> Page | None:
        """Start the full sync of a folder's feed that names messages without their contents, newest
        first, because `fetch_slice` fetches them. `fetch_page` continues after the page's cursor.

        limit: approximate number of messages of a page with contents; this page may have more.

        Returns None if the provider rejects such a feed.

        Raises:
            FolderGone: the folder does not exist, according to a request by its id.
        """
        ...

    def fetch_slice(
        self, feed: FeedRef, part: Slice, *, following: Slice | None = None
    ) -> SlicePage | None:
        """Fetch the newest messages of a folder that arrived within the span of a slice, at most as
        many as the slice has. Several workers may do so at the same time, each in a process of its
        own.

        following: the slice of the next call. The provider may request it while the caller stores
            this one.

        Returns None if the provider rejects this request although it responds to others.
        """
        ...


class MailProvider(Protocol):
    """Interface of a client for one mailbox at its provider: reads folders, messages and change
    feeds.

    Every method raises:
        ProviderThrottled: the provider requests a pause that exceeds the retry budget.
        ProviderUnavailable: the provider failed; nothing was changed, and a retry can succeed.
        ProviderRejected: the provider rejects the request, and a retry would not help.
        AccessRevoked: no access token is available until a person acts.
    """

    @property
    def request_count(self) -> int:
        """Return the number of requests that this object has sent, in units of the provider's
        quota."""
        ...

    @property
    def limits(self) -> Limits: ...

    @property
    def traits(self) -> ProviderTraits: ...

    @property
    def max_requests_in_flight(self) -> int:
        """Return the number of concurrent requests that the provider accepts, at least 1."""
        ...

    @property
    def throttled_for_s(self) -> float:
        """Return the remaining seconds of a pause that the provider requested; 0 without a
        pause."""
        ...

    def fetch_newest(self, *, limit: int) -> NewestMail | None:
        """Fetch the Inbox and its newest messages, in fewer round trips than its change feed needs.

        The caller calls it before `list_folders`, for a mailbox of which nothing is stored. The
        provider may request at the same time what that call needs. A failure of this request alone
        raises no error.

        limit: maximum number of messages.

        Returns None if the Inbox could not be read, or if the provider has no faster way.
        """
        ...

    def list_folders(
        self, known: Sequence[StoredFolder], reading: TreeReadingMode
    ) -> FolderListing:
        """List the mail folders of all levels, including hidden folders and without search folders.

        known: the stored folders, the most recently changed folder first. Each stored folder that
            the provider's list lacks is requested by its id.
        reading: how much of the folder tree to read.
        """
        ...

    def fetch_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        """Fetch the next page of a change feed.

        feed: the feed of a folder, or of the mailbox if the provider has no feed per folder. If the
            feed of a folder reports a message as removed, the message left the folder; if the feed
            of a mailbox does, the message left all folders. A message in a page names the complete
            set of its folders.

        cursor: position after which changes are returned; each position can be used repeatedly.
            None: start a full sync.
        limit: approximate number of messages of the page.
        fallback: number of the provider's kinds of feeds that have failed for this folder or
            mailbox; it selects the kind of feed with which a full sync starts.

        Raises:
            CursorExpired: the provider rejects the cursor; repeat the call without a cursor.
            FeedFailed: a page of a single message fails; repeat without a cursor and with
                `fallback` + 1.
            FolderGone: the folder does not exist, according to a request by its id.
        """
        ...

    def fetch_next_pages(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[FeedId, Page]:
        """Fetch one page, the next, of each of many change feeds, in as few requests as possible.

        positions: feeds with their cursors. None as cursor: fetch the first page of a full sync.
        limit: approximate number of messages of each page.
        following: the positions of the next call. The provider may request their pages while the
            caller stores those of this call.

        Returns pages by feed id. A feed whose page fails is missing in the result; `fetch_page`
        raises the error of such a feed.
        """
        ...

    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        """List all current messages of the folder without using its change feed.

        has_flags: False: the caller needs the ids. The list may leave out read states and other
            flags if they cost more requests.

        Raises:
            FolderGone: the folder does not exist, according to a request by its id.
        """
        ...

    def note_next_feed(self, feed: FeedRef | None) -> None:
        """Note the feed whose full sync begins once the present feed is read, so that the provider
        may read it ahead. A provider that does not read ahead does nothing.

        feed: None: no feed follows.
        """
        ...

    def note_groups(self, groups: Mapping[RemoteId, str]) -> None:
        """Note the groups (`PlacementChange.group`) of messages that are fetched next. A provider
        without groups does nothing."""
        ...

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | GoneMessage | UnreadableMessage]:
        """Fetch messages by id; return one result per id, in the order of the ids.

        If the provider requests a pause meanwhile, or the memory limit is reached, the result may
        have the results of the first ids only, at least one, so that they are not lost. After a
        pause was requested, the next call raises ProviderThrottled.

        The result for a message is an UnreadableMessage with the cause `unanswered` if only the
        request of this message fails, and with the cause `too_large` if the message exceeds the
        memory limit.

        one_by_one: send one request at a time, because other workers use the mailbox as well.

        Raises:
            ResponseTooLarge: request fewer ids at a time; never raised for a single id.
        """
        ...

    def close(self) -> None: ...


class PushProvider(Protocol):
    """Interface of a client for the push subscriptions of one mailbox at its provider.

    Every method may raise the errors of `MailProvider`.
    """

    def subscribe(self, callback_url: str, secret: str, until: datetime) -> Subscription:
        """Create a subscription, so that the provider sends notifications of changed mail.

        callback_url: webhook that receives the notifications. The provider calls it before this
            method returns.
        secret: client state that each notification contains.
        until: requested expiry; the provider may grant less time.
        """
        ...

    def renew_subscription(
        self, remote_id: RemoteId, callback_url: str, until: datetime
    ) -> datetime | None:
        """Renew a subscription and return its new expiry.

        Returns None if no subscription with this id notifies `callback_url`.
        """
        ...

    def find_subscriptions(self, callback_urls: Sequence[str]) -> Iterator[Sequence[RemoteId]]:
        """Yield the ids of this mailbox's subscriptions that notify one of `callback_urls`, page by
        page.

        A page may be empty although later pages are not. The provider's list can lack existing
        subscriptions and contain ended ones.
        """
        ...

    def unsubscribe(self, remote_id: RemoteId) -> bool:
        """End a subscription at the provider. Return False if the provider reports that the
        subscription does not exist."""
        ...

    def close(self) -> None: ...
