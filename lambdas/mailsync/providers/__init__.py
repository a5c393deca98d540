"""The one interface to a mailbox, and the choice of who implements it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from mailsync.errors import ProviderRejected
from mailsync.model import (
    Access,
    Account,
    Cursor,
    FolderId,
    FolderRef,
    Gone,
    Message,
    Page,
    Provider,
    PushChannel,
    RemoteEntry,
    RemoteFolder,
    RemoteId,
    Role,
    Unreadable,
)
from mailsync.providers.patience import Patience
from mailsync.settings import Settings


class AccessSource(Protocol):
    """Hands out the access token of one account."""

    def current(self) -> Access: ...

    def renew(self, refused: Access) -> Access:
        """Return a token to use instead of one that the provider refused.

        Returns the refused one itself where another one would not help, since it is too new.
        """
        ...


class MailProvider(Protocol):
    """One mailbox, seen as folders and pages of changes.

    Every method may raise `ProviderThrottled` (after the pauses that were worth waiting for),
    `ProviderUnavailable` (nothing happened, ask again later), `ProviderRejected` (asking again
    will not help) and `AccessRevoked`.
    """

    requests: int
    """HTTP requests (or IMAP commands) sent so far by this object."""

    def list_folders(self, known_roles: Mapping[RemoteId, Role]) -> Sequence[RemoteFolder]:
        """All mail folders at all levels, hidden ones too, without search folders.

        `known_roles` are the folders that were there before. It spares asking for roles again when
        it covers every folder that exists, and asking level by level where it does.
        """
        ...

    def fetch_page(self, folder: FolderRef, cursor: Cursor | None, *, limit: int) -> Page:
        """The changes after `cursor`, about `limit` messages; None walks from the start.

        The same cursor may be asked again: a page is never consumed.

        Raises:
            CursorExpired: the position is no longer honoured; ask again with None.
            FolderGone: the folder was deleted at the provider.
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

    def list_ids(self, folder: FolderRef) -> Iterable[RemoteEntry]:
        """Every message of the folder as the provider lists it now, without the change feed.

        Raises:
            FolderGone: the folder was deleted at the provider.
        """
        ...

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | Gone | Unreadable]:
        """Each of the messages as it is now, in any order, one answer per id.

        `one_by_one` is for steps that share the mailbox with others: it keeps one request in
        flight, where several at once would be refused together.
        """
        ...

    def close(self) -> None: ...


def open_provider(
    account: Account, access: AccessSource, settings: Settings, patience: Patience | None = None
) -> MailProvider:
    """Connects to the account's mailbox; imports only the provider that is asked for."""
    if account.provider is Provider.MICROSOFT:
        from mailsync.providers.graph import GraphMailbox

        return GraphMailbox(
            base_url=settings.graph_url,
            access=access,
            ca_bundle=settings.ca_bundle,
            user=_graph_user(account),
            patience=patience,
        )
    raise ProviderRejected(f"Accounts of provider '{account.provider}' cannot be synced yet.")


PUSHING = (Provider.MICROSOFT,)
"""The providers that notify us of changes."""


class PushProvider(Protocol):
    """The notifications of one mailbox.

    Every method may raise what those of `MailProvider` raise.
    """

    def open(self, callback_url: str, secret: str, until: datetime) -> PushChannel:
        """Has `callback_url` notified of changes of mail; each notification bears the secret.

        The provider calls `callback_url` before this returns, and may grant less time.
        """
        ...

    def extend(self, remote_id: RemoteId, until: datetime) -> datetime | None:
        """Until when it will notify us now; None when there is no such channel any more."""
        ...

    def end(self, remote_id: RemoteId) -> None:
        """No more notifications; one that does not exist is no failure."""
        ...

    def close(self) -> None: ...


def open_push(
    account: Account, access: AccessSource, settings: Settings, patience: Patience | None = None
) -> PushProvider:
    """Raises ProviderRejected for a provider that is not in `PUSHING`."""
    if account.provider is Provider.MICROSOFT:
        from mailsync.providers.graph_subscriptions import GraphPush

        return GraphPush(
            base_url=settings.graph_url,
            access=access,
            ca_bundle=settings.ca_bundle,
            user=_graph_user(account),
            patience=patience,
        )
    raise ProviderRejected(f"The provider '{account.provider}' does not notify of changes.")


def _graph_user(account: Account) -> str | None:
    """Whom paths must name, since a token of the application itself names nobody."""
    from mailsync.providers.graph_owner import user_of

    return user_of(account.remote_id) if account.organisation_id else None


def webhook_path(provider: Provider) -> str:
    """The route of the API that the provider's notifications go to."""
    return f"/api/webhooks/{provider}"
