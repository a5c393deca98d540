"""One mailbox, opened for one step of one run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from mailsync.access import open_access
from mailsync.access.vault import Vault
from mailsync.errors import AccessRevoked, CursorExpired
from mailsync.log import logger
from mailsync.model import Cursor, FolderId, KnownFolder, RunRef, Sealed
from mailsync.providers import AccessSource, MailProvider, open_provider
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What a step works with: the provider's side and ours."""

    run: RunRef
    access: AccessSource
    provider: MailProvider
    mail: MailStore
    runs: RunStore
    vault: Vault

    def cursor(self, folder: KnownFolder) -> Cursor | None:
        """Where the folder is to be asked; None when its walk has not begun.

        Raises:
            CursorExpired: what is stored does not open; walk the folder again.
        """
        sealed = folder.position.cursor
        if sealed is None:
            return None
        try:
            return Cursor(self.vault.open(self._owner(folder.ref.id), sealed))
        except AccessRevoked:
            raise CursorExpired(
                f"The stored cursor of folder {folder.ref.id} does not open; walking it again."
            ) from None

    def sealed(self, folder_id: FolderId, cursor: Cursor) -> Sealed:
        return self.vault.seal(self._owner(folder_id), cursor)

    def _owner(self, folder_id: FolderId) -> str:
        return f"{self.run.account_id}/{folder_id}"


@contextmanager
def open_mailbox(run: RunRef) -> Iterator[Mailbox]:
    """Renews the lease, opens both sides, and counts the requests when the step ends.

    Raises:
        AccountNotFound, AccountNotConnected: there is nothing to sync any more.
        LeaseLost: another execution owns the mailbox.
        AccessRevoked: no usable token can be had.
    """
    settings = load_settings()
    database = open_database()
    runs = RunStore(database)
    account = runs.active_account(run.account_id)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id, provider=account.provider)
    runs.renew_lease(run)
    credentials = CredentialStore(database)
    vault = open_vault()
    access = open_access(account.id, credentials, vault, settings)
    provider = open_provider(account, access, settings)
    try:
        yield Mailbox(run, access, provider, MailStore(database), runs, vault)
    finally:
        provider.close()
    runs.renew_lease(run, requests=provider.requests)


@cache
def open_vault() -> Vault:
    """The vault of this process: one that is kept remembers the data key."""
    return Vault(load_settings().token_key_arn, CredentialStore(open_database()))
