"""Give access to all stores of a mailbox, which use one database connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mailsync.model import RunRef
from mailsync.store.connection import Database
from mailsync.store.feed_store import FeedStore
from mailsync.store.fence import DatabaseInOpenTransaction, FencedTransaction
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.message_key_store import ProviderMessageKeyStore
from mailsync.store.newest_store import NewestMailStore
from mailsync.store.quarantine_store import QuarantineStore
from mailsync.store.removal_store import RemovalStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore
from mailsync.store.slice_store import SliceStore
from mailsync.store.sweep import FullSyncSweepStore


class MailboxStores:
    """Base class of classes that have a `database`: adds one property for each store that works on
    a mailbox."""

    __slots__ = ()
    database: Database

    @property
    def mail_store(self) -> MailStore:
        return MailStore(self.database)

    @property
    def newest_mail_store(self) -> NewestMailStore:
        return NewestMailStore(self.database)

    @property
    def slice_store(self) -> SliceStore:
        return SliceStore(self.database)

    @property
    def provider_message_key_store(self) -> ProviderMessageKeyStore:
        return ProviderMessageKeyStore(self.database)

    @property
    def folder_store(self) -> FolderStore:
        return FolderStore(self.database)

    @property
    def feed_store(self) -> FeedStore:
        return FeedStore(self.database)

    @property
    def quarantine_store(self) -> QuarantineStore:
        return QuarantineStore(self.database)

    @property
    def removal_store(self) -> RemovalStore:
        return RemovalStore(self.database)

    @property
    def full_sync_sweep_store(self) -> FullSyncSweepStore:
        return FullSyncSweepStore(self.database)

    @property
    def lease_store(self) -> LeaseStore:
        return LeaseStore(self.database)

    @property
    def run_store(self) -> RunStore:
        return RunStore(self.database)

    @property
    def run_folder_store(self) -> RunFolderStore:
        return RunFolderStore(self.database)

    @contextmanager
    def begin_transaction(self, run: RunRef) -> Iterator["StoresInTransaction"]:
        """Yield the stores for a `with` block. All statements of the block are one transaction,
        which checks the lease once.

        The changes of the block are stored only when the block ends. So the block must not send
        requests to the provider, catch errors of the stores, or close a run.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
        """
        with FencedTransaction(self.database, run) as tx:
            yield StoresInTransaction(DatabaseInOpenTransaction(tx, run))


@dataclass(frozen=True, slots=True)
class StoresInTransaction(MailboxStores):
    """The stores of a mailbox, all on one open transaction."""

    database: Database
