"""The interface to a mail provider, and the registry of its implementations."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailsync.errors import ProviderRejected
from mailsync.model import (
    AccessToken,
    Account,
    Cursor,
    FolderId,
    FolderListing,
    FolderRef,
    GoneMessage,
    IdListing,
    Message,
    Page,
    Provider,
    RemoteId,
    StoredFolder,
    Subscription,
    TreeReadingDepth,
    Unreadable,
)
from mailsync.providers.response_memory import MemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.settings import Settings


class AccessTokenSource(Protocol):
    """The access token of one account."""

    def current(self) -> AccessToken: ...

    def renew(self, refused: AccessToken) -> AccessToken:
        """Return a token to use instead of one that the provider rejected.

        Returns the rejected token itself where it is too new for a renewal to help.
        """
        ...


class FeedFailed(Exception):
    """The change feed cannot get past a message; read the folder anew by the next fallback.

    Internal: the workflow does not know this error.
    """


class ResponseTooLarge(Exception):
    """The requested messages exceed the memory limit of one response; request fewer at a time.

    Internal: the workflow does not know this error.
    """


class MailProvider(Protocol):
    """One mailbox: folders, and pages of changes.

    Every method may raise ProviderThrottled (after the pauses that fit into the budget),
    ProviderUnavailable (nothing was changed; retry later), ProviderRejected (a retry will not help)
    and AccessRevoked.
    """

    requests: int
    """Requests sent by this object, in units of the provider's quota."""

    @property
    def max_in_flight(self) -> int:
        """The number of concurrent requests that the provider accepts, at least 1."""
        ...

    @property
    def throttled_for_s(self) -> float:
        """Seconds until the pause that the provider asked for ends."""
        ...

    def list_folders(
        self, known: Sequence[StoredFolder], reading: TreeReadingDepth
    ) -> FolderListing:
        """List the mail folders of all levels, hidden ones included, without search folders.

        known: the folders of the last reading, the most important first. A known folder that no
            list contains is requested by its id.
        """
        ...

    def fetch_page(
        self, folder: FolderRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        """Fetch the changes after `cursor`, about `limit` messages; None starts a full sync.

        A cursor may be used again: the provider repeats the page. `fallback` is the number of the
        provider's feeds that have failed for this folder; it decides which feed None starts.

        Raises:
            CursorExpired: the provider rejects the cursor; repeat with None.
            FeedFailed: a page of a single message fails; repeat with None and the next fallback.
            FolderGone: the folder, requested by its id, does not exist.
        """
        ...

    def probe(
        self, positions: Sequence[tuple[FolderRef, Cursor | None]], *, limit: int
    ) -> Mapping[FolderId, Page]:
        """Fetch the next page of many folders in as few requests as the provider allows.

        A folder without a cursor gets its first page. A folder that fails is left out of the
        result; `fetch_page` raises its error.
        """
        ...

    def list_ids(self, folder: FolderRef) -> IdListing:
        """List every current message of the folder, without the change feed.

        Raises:
            FolderGone: the folder, requested by its id, does not exist.
        """
        ...

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | GoneMessage | Unreadable]:
        """Fetch messages by id; return one result per id, in the order of the ids.

        A message is Unreadable with the cause `unanswered` where its request fails while the
        mailbox responds, and with `too_large` where it exceeds the memory limit. `one_by_one` keeps
        one request in
        flight: for steps that share the mailbox with other workers.

        Raises:
            ResponseTooLarge: request fewer ids at a time; never for a single id.
        """
        ...

    def close(self) -> None: ...


def open_provider(
    account: Account,
    access: AccessTokenSource,
    settings: Settings,
    budget: RetryBudget | None = None,
    memory: MemoryShare | None = None,
) -> MailProvider:
    """Connect to the account's mailbox; import only its provider.

    memory: the share of memory for its responses, where one function opens several mailboxes. A
        call that finds no memory left raises ProviderUnavailable.

    Raises:
        ProviderRejected: this release has no implementation for the provider.
    """
    if account.provider is Provider.MICROSOFT:
        from mailsync.providers.graph.provider import GraphMailbox

        return GraphMailbox(
            base_url=settings.graph_url,
            access=access,
            ca_bundle=settings.ca_bundle,
            user=_graph_user(account),
            budget=budget,
            max_in_flight=account.max_in_flight,
            memory=memory,
        )
    raise ProviderRejected(f"Accounts of provider '{account.provider}' cannot be synced yet.")


PUSH_PROVIDERS = (Provider.MICROSOFT,)
"""Providers that send notifications of changes."""


class PushProvider(Protocol):
    """The push subscriptions of one mailbox.

    Every method may raise what the methods of `MailProvider` raise.
    """

    def subscribe(self, callback_url: str, secret: str, until: datetime) -> Subscription:
        """Create a subscription: the provider notifies `callback_url` of changed mail.

        Each notification carries `secret`. The provider calls `callback_url` before this method
        returns, and may grant less time than `until`.
        """
        ...

    def renew(self, remote_id: RemoteId, callback_url: str, until: datetime) -> datetime | None:
        """Renew a subscription; return its new expiry, or None if it does not exist with
        `callback_url`."""
        ...

    def find(self, callback_urls: Sequence[str]) -> Iterator[Sequence[RemoteId]]:
        """Yield pages of this mailbox's subscriptions that notify one of these URLs.

        An empty page says nothing about the next one. The provider may leave some subscriptions
        out, and list some that have ended.
        """
        ...

    def unsubscribe(self, remote_id: RemoteId) -> bool:
        """End a subscription; return False when the provider says that it does not exist."""
        ...

    def close(self) -> None: ...


def open_push(
    account: Account,
    access: AccessTokenSource,
    settings: Settings,
    budget: RetryBudget | None = None,
) -> PushProvider:
    """Connect to the provider's push service for the account.

    Raises:
        ProviderRejected: the provider is not in `PUSH_PROVIDERS`.
    """
    if account.provider is Provider.MICROSOFT:
        from mailsync.providers.graph.owner import user_id_of_remote_account
        from mailsync.providers.graph.subscriptions import GraphPush

        return GraphPush(
            base_url=settings.graph_url,
            access=access,
            ca_bundle=settings.ca_bundle,
            owner=user_id_of_remote_account(account.remote_id),
            user=_graph_user(account),
            budget=budget,
        )
    raise ProviderRejected(f"The provider '{account.provider}' does not notify of changes.")


def _graph_user(account: Account) -> str | None:
    """Return the user that paths must name for a token of the application, None for a person's
    token."""
    from mailsync.providers.graph.owner import user_id_of_remote_account

    return user_id_of_remote_account(account.remote_id) if account.organisation_id else None


def webhook_path(provider: Provider) -> str:
    """Return the route of the API that receives the provider's notifications."""
    return f"/api/webhooks/{provider}"
