"""Read accounts for a sync, and list and show them for the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mailsync.errors import AccountNotConnected, AccountNotFound
from mailsync.model import Account, AccountId, ProviderName
from mailsync.store.connection import Database, Transaction
from mailsync.store.removal_store import MailPendingDeletionSummary, hidden_mail_summary_by_account

_BEFORE_ALL = (datetime(1, 1, 1, tzinfo=UTC), "00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A connected mailbox with the state of its sync.

    counts_verified_at: when the message counts of every folder last agreed with the provider's.
    oldest_id_comparison_at: time of the last comparison of message ids and versions in the folder
        whose last comparison is the oldest. None: some folder has no `message_ids_compared_at`.
    hidden_mail_summary: how much of the mailbox is hidden and may be deleted.
    """

    id: str
    email_address: str
    provider: str
    status: str
    sync_status: str
    last_sync_at: datetime | None
    is_initial_sync_completed: bool
    counts_verified_at: datetime | None
    oldest_id_comparison_at: datetime | None
    last_error_name: str | None
    last_error_message: str | None
    next_sync_at: datetime
    created_at: datetime
    hidden_mail_summary: MailPendingDeletionSummary


@dataclass(frozen=True, slots=True)
class FolderWithSelection:
    """A folder of a mailbox, and whether its mail is mirrored.

    selected: whether the folder's mail is mirrored.
    stored_total, stored_unread: numbers of all and of unread stored messages.
    remote_total: the provider's count of all messages. If the provider does not count the folder,
        it equals `stored_total`.
    remote_total_overcount, remote_unread_overcount: by how much the provider's own counts of all
        and of unread messages exceed the true numbers.
    message_ids_compared_at: when ids and versions were last compared with a complete list. None:
        there was no such comparison, or the next one is due.
    listing_contradiction_count: number of messages for which, at the last comparison, the
        provider's response by id contradicted its list.
    """

    id: int
    display_name: str
    role: str
    parent_remote_id: str | None
    remote_id: str
    selected: bool
    is_hidden_at_provider: bool
    stored_total: int
    stored_unread: int
    remote_total: int
    remote_total_overcount: int
    remote_unread_overcount: int
    verified_at: datetime | None
    message_ids_compared_at: datetime | None
    listing_contradiction_count: int


@dataclass(frozen=True, slots=True)
class ListingContradictionRow:
    """A message for which the provider's response by id contradicts its own list of the folder.

    cause: a value of `decisions.verify.ListingContradictionKind`.
    """

    folder_id: int
    message_id: str
    cause: str
    found_at: datetime


@dataclass(frozen=True, slots=True)
class AccountWithFolders:
    """An account with its folders.

    messages_contradicting_listing: messages for which the provider's response by id contradicts the
        provider's list of the message's folder.
    """

    account: AccountRow
    folders: tuple[FolderWithSelection, ...]
    messages_contradicting_listing: tuple[ListingContradictionRow, ...]


class AccountStore:
    """Reads accounts from the database. Methods with a `user_id` treat an account of another user
    as if it did not exist.

    Every method raises StoreUnavailable and StoreRejected.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_account(self, account_id: AccountId) -> Account:
        """Return the account with this id.

        Raises:
            AccountNotFound: there is no such account, or the id is not a UUID.
        """
        if not _is_uuid(account_id):
            raise AccountNotFound("There is no account of this id.")
        with self._database.transaction() as tx:
            found = tx.run("find_account", account_id=account_id)
        if not found:
            raise AccountNotFound(f"There is no account {account_id}.")
        return row_to_account(found[0])

    def is_mailbox_in_another_account(self, account: Account) -> bool:
        """Return whether another account that is not disconnected has the same mailbox."""
        with self._database.transaction() as tx:
            [[is_connected]] = tx.run(
                "is_connected_by_others",
                account_id=account.id,
                provider=account.provider,
                provider_account_id=account.remote_account_id,
            )
        return bool(is_connected)

    def read_active_account(self, account_id: AccountId) -> Account:
        """Return the account with this id if it may be synced.

        Raises:
            AccountNotFound: there is no such account.
            AccountNotConnected: the account is paused, disconnected or closed.
        """
        account = self.read_account(account_id)
        if account.status != "active":
            raise AccountNotConnected(
                f"Account {account_id} is {account.status}; connect or resume it first."
            )
        return account

    def list_accounts_of_user(
        self, user_id: str, after: tuple[datetime, str] | None, limit: int
    ) -> tuple[AccountRow, ...]:
        """Return a page of the user's accounts in the order in which they were connected.

        after: position of the last account of the previous page. None: return the first page.
        """
        at, number = after or _BEFORE_ALL
        with self._database.transaction() as tx:
            return _accounts(
                tx, user_id, account_id=None, after_at=at, after_id=number, limit=limit
            )

    def find_account_of_user(
        self, account_id: AccountId, user_id: str
    ) -> AccountWithFolders | None:
        """Return the account with its folders. None: the user has no such account."""
        with self._database.transaction() as tx:
            at, number = _BEFORE_ALL
            asked = {"account_id": account_id, "after_at": at, "after_id": number, "limit": 1}
            found = _accounts(tx, user_id, **asked)
            if not found:
                return None
            folders = tx.run("folder_choices", account_id=account_id)
            differences = tx.run("proof_differences", account_id=account_id)
        return AccountWithFolders(
            account=found[0],
            folders=tuple(_folder(each) for each in folders),
            messages_contradicting_listing=tuple(
                ListingContradictionRow(*each) for each in differences
            ),
        )


def _accounts(tx: Transaction, user_id: str, **asked: Any) -> tuple[AccountRow, ...]:
    found = tx.run("accounts_of_user", user_id=user_id, **asked)
    removals = hidden_mail_summary_by_account(tx, [AccountId(row[0]) for row in found])
    return tuple(_account([*row, removals[row[0]]]) for row in found)


def _account(values: list[Any]) -> AccountRow:
    return AccountRow(*values)


def _folder(row: list[Any]) -> FolderWithSelection:
    return FolderWithSelection(*row)


def row_to_account(row: Sequence[Any]) -> Account:
    """Convert a row that the query `find_account` returned to an Account."""
    number, provider, status, is_complete, remote_id, organisation_id, *limits = row
    max_in_flight, throttled_for_s, are_placements_backfilled = limits
    return Account(
        id=AccountId(number),
        provider=ProviderName(provider),
        status=status,
        is_initial_sync_completed=is_complete,
        remote_account_id=remote_id,
        granting_organisation_id=organisation_id,
        max_requests_in_flight=max_in_flight,
        remaining_provider_pause_s=throttled_for_s,
        has_placements_of_all_messages=are_placements_backfilled,
    )


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
