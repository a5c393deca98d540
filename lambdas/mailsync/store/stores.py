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
from mailsync.store.message_key_store import MessageKeyStore
from mailsync.store.newest_store import NewestStore
from mailsync.store.quarantine_store import QuarantineStore
from mailsync.store.removal_store import RemovalStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore
from mailsync.store.slice_store import SliceStore
from mailsync.store.sweep import SweepStore


class MailboxStores:
    """Base class of classes that have a `database`: adds one property for each store that works on
    a mailbox."""

    __slots__ = ()
    database: Database

    @property
    def mail(self) -> MailStore:
        return MailStore(self.database)

    @property
    def newest_mail(self) -> NewestStore:
        return NewestStore(self.database)

    @property
    def slices(self) -> SliceStore:
        return SliceStore(self.database)

    @property
    def message_keys(self) -> MessageKeyStore:
        return MessageKeyStore(self.database)

    @property
    def folders(self) -> FolderStore:
        return FolderStore(self.database)

    @property
    def feeds(self) -> FeedStore:
        return FeedStore(self.database)

    @property
    def quarantine(self) -> QuarantineStore:
        return QuarantineStore(self.database)

    @property
    def removals(self) -> RemovalStore:
        return RemovalStore(self.database)

    @property
    def sweeps(self) -> SweepStore:
        return SweepStore(self.database)

    @property
    def leases(self) -> LeaseStore:
        return LeaseStore(self.database)

    @property
    def runs(self) -> RunStore:
        return RunStore(self.database)

    @property
    def run_folders(self) -> RunFolderStore:
        return RunFolderStore(self.database)

    @contextmanager
    def in_one_transaction(self, run: RunRef) -> Iterator["StoresInTransaction"]:
        """Yield the stores for a `with` block. All statements of the block are one transaction,
        which checks the lease once.

        The block must not send requests to the provider, catch errors of the stores, or close a
        run, because its changes are stored only when the block ends.

        Raises:
            LeaseLost: another execution holds the lease of the mailbox.
        """
        with FencedTransaction(self.database, run) as tx:
            yield StoresInTransaction(DatabaseInOpenTransaction(tx, run))


@dataclass(frozen=True, slots=True)
class StoresInTransaction(MailboxStores):
    """The stores of a mailbox, all on one open transaction."""

    database: Database
