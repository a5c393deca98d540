"""One mailbox, opened for one step of one run."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache

from mailsync.credentials import open_access
from mailsync.credentials.vault import SealedColumn, SealingContext, Vault
from mailsync.decisions.budget import MAX_PAUSE_S
from mailsync.errors import AccessRevoked, CursorExpired, ProviderThrottled
from mailsync.log import logger
from mailsync.model import Account, Cursor, FolderId, KnownFolder, RunRef, Sealed
from mailsync.providers import AccessSource, MailProvider, open_provider
from mailsync.settings import load_settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import Database, open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.quarantine_store import QuarantineStore
from mailsync.store.removal_store import RemovalStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What a step works with: the provider's side and ours.

    `max_in_flight` is how many requests at a time were allowed when it was opened.
    """

    run: RunRef
    access: AccessSource
    provider: MailProvider
    database: Database
    vault: Vault
    max_in_flight: int

    @property
    def mail(self) -> MailStore:
        return MailStore(self.database)

    @property
    def folders(self) -> FolderStore:
        return FolderStore(self.database)

    @property
    def quarantine(self) -> QuarantineStore:
        return QuarantineStore(self.database)

    @property
    def removals(self) -> RemovalStore:
        return RemovalStore(self.database)

    @property
    def leases(self) -> LeaseStore:
        return LeaseStore(self.database)

    @property
    def runs(self) -> RunStore:
        return RunStore(self.database)

    @property
    def run_folders(self) -> RunFolderStore:
        return RunFolderStore(self.database)

    def cursor(self, folder: KnownFolder) -> Cursor | None:
        """Where the folder is to be asked; None when its full sync has not begun.

        Raises:
            CursorExpired: what is stored does not open; read the folder again.
        """
        sealed = folder.position.cursor
        if sealed is None:
            return None
        try:
            return Cursor(self.vault.open(self._place(folder.ref.id), sealed))
        except AccessRevoked:
            raise CursorExpired(
                f"The stored cursor of folder {folder.ref.id} does not open; reading it again."
            ) from None

    def sealed(self, folder_id: FolderId, cursor: Cursor) -> Sealed:
        return self.vault.seal(self._place(folder_id), cursor)

    def note_limits(self, failure: ProviderThrottled | None = None) -> None:
        """Keep other workers to what was learnt here: to a pause that the provider asked for, where
        that is longer than a function sleeps, and to as many requests at a time as it took."""
        asked_s = (failure.retry_after_s if failure else None) or 0.0
        pause_s = max(asked_s, self.provider.throttled_for_s)
        if pause_s > MAX_PAUSE_S:
            self.leases.save_throttle(self.run, pause_s)
        if self.provider.max_in_flight < self.max_in_flight:
            self.leases.save_in_flight(self.run.account_id, self.provider.max_in_flight)

    def _place(self, folder_id: FolderId) -> SealingContext:
        return SealingContext(SealedColumn.CURSOR, f"{self.run.account_id}/{folder_id}")


def require_unthrottled(account: Account) -> None:
    """Raises ProviderThrottled while the provider has asked for no requests to this mailbox."""
    if account.throttled_for_s > 0:
        raise ProviderThrottled(
            "The provider asked for a pause, which is not over.",
            retry_after_s=account.throttled_for_s,
        )


@contextmanager
def open_mailbox(run: RunRef, *, at_once: int | None = None) -> Iterator[Mailbox]:
    """Renew the lease, open both sides, and count the requests when the step ends.

    `at_once` is how many steps work on the mailbox at a time, each with one request in flight;
    None: this one alone.

    Raises:
        AccountNotFound, AccountNotConnected: there is nothing to sync any more.
        LeaseLost: another execution owns the mailbox.
        AccessRevoked: no usable token can be had.
        ProviderThrottled: the provider has asked for a pause, which is not over.
    """
    settings = load_settings()
    database = open_database()
    account = AccountStore(database).active_account(run.account_id)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id, provider=account.provider)
    LeaseStore(database).renew(run)
    require_unthrottled(account)
    credentials = CredentialStore(database)
    vault = open_vault()
    access = open_access(account.id, credentials, vault, settings)
    if at_once:
        account = replace(account, max_in_flight=at_once)
    provider = open_provider(account, access, settings)
    mailbox = Mailbox(run, access, provider, database, vault, provider.max_in_flight)
    with closing(provider), used(mailbox):
        yield mailbox
    LeaseStore(database).renew(run, requests=provider.requests)


@contextmanager
def used(mailbox: Mailbox) -> Iterator[None]:
    """Keep what the step learns about the provider's limits, also when it is throttled."""
    try:
        yield
    except ProviderThrottled as failure:
        mailbox.note_limits(failure)
        raise
    mailbox.note_limits()


@cache
def open_vault() -> Vault:
    """The vault of this process: one that is kept remembers the data key."""
    return Vault(load_settings().token_key_arn, CredentialStore(open_database()))
