"""The state of one account, as the API shows it to its user."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.model import AccountId
from mailsync.store.connection import Database
from mailsync.store.removal_store import Removal, removal_of


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """A mirrored folder with its counts.

    total, unread: our counts; remote_total: the provider's. Both may lag during a sync.
    count_offset, unread_offset: by how much the provider's counts are wrong.
    verified_at: when the counts last agreed.
    compared_at: when ids and versions were last compared; None before the first comparison.
    differing: messages about which the provider contradicted itself at the last comparison.
    """

    id: int
    display_name: str
    role: str
    total: int
    unread: int
    remote_total: int
    count_offset: int
    unread_offset: int
    verified_at: datetime | None
    compared_at: datetime | None
    error: str | None
    error_message: str | None
    walking: bool
    quarantined: int
    differing: int


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """An account with its folders. `run_started_at` and `run_inserted` belong to the open run, if
    any."""

    id: AccountId
    email_address: str
    provider: str
    status: str
    sync_status: str
    last_sync_at: datetime | None
    initial_sync_completed: bool
    verified_at: datetime | None
    last_error: str | None
    last_error_message: str | None
    next_sync_at: datetime
    failures: int
    run_id: str | None
    run_started_at: datetime | None
    run_inserted: int
    folders: tuple[FolderStatus, ...]
    removal: Removal

    @property
    def compared_at(self) -> datetime | None:
        """The earliest comparison of a folder; None if some folder has not been compared."""
        times = [each.compared_at for each in self.folders if each.compared_at]
        return min(times) if times and len(times) == len(self.folders) else None


class StatusStore:
    """Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def status(self, account_id: AccountId, user_id: str) -> AccountStatus | None:
        """Return the account, or None if it does not exist or is another user's."""
        with self._database.transaction() as tx:
            found = tx.run("account_status", account_id=account_id, user_id=user_id)
            if not found:
                return None
            folders = tx.run("folder_status", account_id=account_id)
            removal = removal_of(tx, account_id)
        shown = tuple(FolderStatus(*each) for each in folders)
        values: tuple[Any, ...] = (*found[0], shown, removal)
        return AccountStatus(*values)
