"""The one interface to a mailbox, and the choice of who implements it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailsync.errors import ProviderRejected
from mailsync.model import (
    Access,
    Account,
    Cursor,
    FolderId,
    FolderListing,
    FolderRef,
    Gone,
    IdListing,
    KnownFolder,
    Message,
    Page,
    Provider,
    RemoteId,
    Subscription,
    TreeReading,
    Unreadable,
)
from mailsync.providers.response_memory import MemoryShare
from mailsync.providers.retry_budget import RetryBudget
from mailsync.settings import Settings


class AccessTokenSource(Protocol):
    """Hands out the access token of one account."""

    def current(self) -> Access: ...

    def renew(self, refused: Access) -> Access:
        """Return a token to use instead of one that the provider refused.

        Returns the refused one itself where another one would not help, since it is too new.
        """
        ...


class FeedFailed(Exception):
    """A folder's feed cannot get past a message; read the folder anew by the next fallback.

    Not a failure of a sync, so the workflow does not know it.
    """


class ResponseTooLarge(Exception):
    """The messages asked for are more than is held in memory at once; ask for fewer.

    Not a failure of a sync, so the workflow does not know it.
    """


class MailProvider(Protocol):
    """One mailbox, seen as folders and pages of changes.

    Every method may raise `ProviderThrottled` (after the pauses that were worth waiting for),
    `ProviderUnavailable` (nothing happened, ask again later), `ProviderRejected` (asking again
    will not help) and `AccessRevoked`.
    """

    requests: int
    """Sent so far by this object, as the provider's quota counts them."""

    @property
    def max_in_flight(self) -> int:
        """How many requests at a time the provider was found to take, at least 1."""
        ...

    @property
    def throttled_for_s(self) -> float:
        """Seconds until the provider, which asked for a pause, is sent another request."""
        ...

    def list_folders(self, known: Sequence[KnownFolder], reading: TreeReading) -> FolderListing:
        """Read the mail folders of all levels, hidden ones too, without search folders.

        `known` are the folders that were there before, the most important ones first; one that no
        list shows is asked for by its id.
        """
        ...

    def fetch_page(
        self, folder: FolderRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        """Fetch the changes after `cursor`, about `limit` messages; None reads from the beginning.

        The same cursor may be used again: a page is never consumed. `fallback` is how many of the
        provider's feeds have failed for this folder; it decides which one None begins.

        Raises:
            CursorExpired: the position is no longer honoured; ask again with None.
            FeedFailed: pages of a single message fail; ask with None and the next fallback.
            FolderGone: the provider, asked by its id, does not know the folder.
        """
        ...

    def probe(
        self, positions: Sequence[tuple[FolderRef, Cursor | None]], *, limit: int
    ) -> Mapping[FolderId, Page]:
        """The next page of many folders in as few requests as the provider allows; without a
        cursor the first one.

        A folder that failed for whatever reason is left out; `fetch_page` will say why.
        """
        ...

    def list_ids(self, folder: FolderRef) -> IdListing:
        """List every message of the folder as it is now, without the change feed.

        Raises:
            FolderGone: the provider, asked by its id, does not know the folder.
        """
        ...

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | Gone | Unreadable]:
        """Fetch each of the messages as it is now, in the order of the ids, one answer per id.

        A message for which the provider fails while the mailbox answers is Unreadable, with the
        cause `unanswered`, and one that is larger than is ever held with `too_large`. `one_by_one`
        is for steps that share the mailbox with others: it keeps one request in flight, where
        several at once would be refused together.

        Raises:
            ResponseTooLarge: never for a single id.
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

    `memory`: what its answers are taken from until it is closed, where several mailboxes are open
    at once; a call for which nothing is left raises ProviderUnavailable.
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
"""The providers that notify us of changes."""


class PushProvider(Protocol):
    """The notifications of one mailbox.

    Every method may raise what those of `MailProvider` raise.
    """

    def open(self, callback_url: str, secret: str, until: datetime) -> Subscription:
        """Has `callback_url` notified of changes of mail; each notification bears the secret.

        The provider calls `callback_url` before this returns, and may grant less time.
        """
        ...

    def extend(self, remote_id: RemoteId, callback_url: str, until: datetime) -> datetime | None:
        """Return when it expires now, or None if none of this id leads to `callback_url`."""
        ...

    def find(self, callback_urls: Sequence[str]) -> Iterator[Sequence[RemoteId]]:
        """Yield the pages of this mailbox' subscriptions that lead to one of these addresses.

        An empty page says nothing about the next one. The provider may leave some out, and name
        some that it has ended.
        """
        ...

    def end(self, remote_id: RemoteId) -> bool:
        """End its notifications; return False when the provider says that there is none."""
        ...

    def close(self) -> None: ...


def open_push(
    account: Account,
    access: AccessTokenSource,
    settings: Settings,
    budget: RetryBudget | None = None,
) -> PushProvider:
    """Raises ProviderRejected for a provider that is not in `PUSH_PROVIDERS`."""
    if account.provider is Provider.MICROSOFT:
        from mailsync.providers.graph.owner import user_of
        from mailsync.providers.graph.subscriptions import GraphPush

        return GraphPush(
            base_url=settings.graph_url,
            access=access,
            ca_bundle=settings.ca_bundle,
            owner=user_of(account.remote_id),
            user=_graph_user(account),
            budget=budget,
        )
    raise ProviderRejected(f"The provider '{account.provider}' does not notify of changes.")


def _graph_user(account: Account) -> str | None:
    """Whom paths must name, since a token of the application itself names nobody."""
    from mailsync.providers.graph.owner import user_of

    return user_of(account.remote_id) if account.organisation_id else None


def webhook_path(provider: Provider) -> str:
    """The route of the API that the provider's notifications go to."""
    return f"/api/webhooks/{provider}"
