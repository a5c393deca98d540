"""How accounts and their folders stand: for the API one, as its owner may see it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.model import AccountId
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.removal_store import Removal, removals_of

MAX_ACCOUNTS = 1000


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """`total` and `unread` are ours, `remote_total` the provider's; both may lag while syncing.

    `count_offset` and `unread_offset`: by how much the provider's counts are wrong. `verified_at`:
    when the counts last agreed; `compared_at`: when ids and versions were last compared, None where
    that is still to be done. `differing`: messages about which the provider contradicted itself at
    the last comparison.
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
    """`run_started_at` and `run_inserted` belong to the open run, if there is one."""

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
        """When the folder that was compared first was; None: there are folders that were not."""
        times = [each.compared_at for each in self.folders if each.compared_at]
        return min(times) if times and len(times) == len(self.folders) else None


class StatusStore:
    """Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def status(self, account_id: AccountId, user_id: str) -> AccountStatus | None:
        """None when there is no such account or it is not this user's; the two look the same."""
        found = self._read(account_id=account_id, user_id=user_id, limit=1)
        return found[0] if found else None

    def of_all_users(self, account_id: AccountId | None = None) -> tuple[AccountStatus, ...]:
        """Return accounts, or one, whoever owns them: for operators, never for the API.

        In the order of their addresses, `MAX_ACCOUNTS` at most.
        """
        return self._read(account_id=account_id, user_id=None, limit=MAX_ACCOUNTS)

    def _read(self, **which: Any) -> tuple[AccountStatus, ...]:
        folders: dict[str, list[FolderStatus]] = defaultdict(list)
        with self._database.transaction() as tx:
            accounts = tx.run("account_status", **which)
            ids = [AccountId(row[0]) for row in accounts]
            for account_id, *values in tx.run("folder_status", account_ids=rows.to_json(ids)):
                folders[account_id].append(FolderStatus(*values))
            removals = removals_of(tx, ids)
        read: list[list[Any]] = [
            [*row, tuple(folders[row[0]]), removals[row[0]]] for row in accounts
        ]
        return tuple(AccountStatus(*values) for values in read)
