"""Read the state of accounts and their folders, for the API and for the operator's dashboard."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.decisions.remaining_time import QuotaStatus, ReadingProgress
from mailsync.model import AccountId
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.quota_store import quota_statuses_of_accounts
from mailsync.store.removal_store import MailPendingDeletionSummary, hidden_mail_summary_by_account


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """The state of a mirrored folder: its counts, and when it was last verified.

    stored_total, stored_unread: numbers of all and of unread stored messages. During a sync, the
        numbers may be older than the messages.
    remote_total: the provider's count of all messages, at the last reading. If the provider does
        not count the folder, it equals `stored_total`.
    remote_total_overcount, remote_unread_overcount: by how much the provider's own counts of
        all and of unread messages exceed the true numbers.
    verified_at: when the stored counts last agreed with the provider's.
    message_ids_compared_at: when ids and versions were last compared with a complete list. None:
        there was no such comparison, or the next one is due.
    is_full_sync_running: whether a full sync of the folder is running.
    quarantined_total: number of messages in quarantine.
    listing_contradiction_count: number of messages for which, at the last comparison, the
        provider's response by id contradicted its list.
    """

    id: int
    display_name: str
    role: str
    stored_total: int
    stored_unread: int
    remote_total: int
    remote_total_overcount: int
    remote_unread_overcount: int
    verified_at: datetime | None
    message_ids_compared_at: datetime | None
    error_name: str | None
    error_message: str | None
    is_full_sync_running: bool
    quarantined_total: int
    listing_contradiction_count: int


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """An account with its mirrored folders and its open run.

    sync_status: `queued` or `syncing` while a run is open, else the result of the last run.
    open_run_started_at: start of the open run. None: no run is open, or it has not begun.
    message_count: number of stored messages of the account at the last count. None: messages are
        counted only by folder, because each message of this provider is in one folder.
    successive_failed_sync_count: number of syncs that failed since the last successful one.
    reading_progress: how many messages and pages the open run has read.
    hidden_mail: how much of the mailbox is hidden and may be deleted.
    quota_status: state of the provider's quota of the mailbox. None: the provider has no quota, or
        no unit of it was taken yet.
    """

    id: AccountId
    email_address: str
    provider: str
    status: str
    sync_status: str
    last_sync_at: datetime | None
    is_initial_sync_completed: bool
    counts_verified_at: datetime | None
    last_error_name: str | None
    last_error_message: str | None
    next_sync_at: datetime
    successive_failed_sync_count: int
    open_run_id: str | None
    open_run_started_at: datetime | None
    message_count: int | None
    reading_progress: ReadingProgress
    folders: tuple[FolderStatus, ...]
    hidden_mail: MailPendingDeletionSummary
    quota_status: QuotaStatus | None = None

    @property
    def oldest_id_comparison_at(self) -> datetime | None:
        """Return the time of the last comparison of message ids in the folder whose last comparison
        is the oldest. None: some folder has no `message_ids_compared_at`, or there is no folder."""
        times = [
            each.message_ids_compared_at for each in self.folders if each.message_ids_compared_at
        ]
        return min(times) if times and len(times) == len(self.folders) else None


class StatusStore:
    """Reads the sync status of accounts. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def status_of_account(self, account_id: AccountId, user_id: str) -> AccountStatus | None:
        """Return the sync status of the user's account, with its folders. None: the user has no
        such account."""
        found = self._read([account_id], user_id=user_id, is_for_operator=False)
        return found[0] if found else None

    def statuses_across_users(self, account_ids: Sequence[AccountId]) -> tuple[AccountStatus, ...]:
        """Return the sync status of accounts of any users, ordered by email address. This is only
        for operators; the API never calls it."""
        return self._read(account_ids, user_id=None, is_for_operator=True)

    def _read(self, account_ids: Sequence[AccountId], **whose: Any) -> tuple[AccountStatus, ...]:
        folders: dict[str, list[FolderStatus]] = defaultdict(list)
        with self._database.transaction() as tx:
            accounts = tx.run("account_status", account_ids=rows.to_jsonb(account_ids), **whose)
            ids = [AccountId(row[0]) for row in accounts]
            for account_id, *values in tx.run("folder_status", account_ids=rows.to_jsonb(ids)):
                folders[account_id].append(FolderStatus(*values))
            removals = hidden_mail_summary_by_account(tx, ids)
            quotas = quota_statuses_of_accounts(tx, ids)
        read: list[list[Any]] = [
            [
                *row[:-6],
                ReadingProgress(*row[-6:]),
                tuple(folders[row[0]]),
                removals[row[0]],
                quotas.get(row[0]),
            ]
            for row in accounts
        ]
        return tuple(AccountStatus(*values) for values in read)
