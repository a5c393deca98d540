"""Accounts: as a sync reads them, and as the API shows them to their users."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from mailsync.errors import AccountNotConnected, AccountNotFound
from mailsync.model import Account, AccountId, Provider
from mailsync.store.connection import Database, Transaction
from mailsync.store.removal_store import HiddenMail, hidden_mail_of_accounts

_BEFORE_ALL = (datetime(1, 1, 1, tzinfo=UTC), "00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account with the state of its sync.

    verified_at: when the counts of every folder last agreed with the provider's.
    compared_at: every folder's ids and versions were compared after this time; None where some have
        not been compared yet.
    """

    id: str
    email_address: str
    provider: str
    status: str
    sync_status: str
    last_sync_at: datetime | None
    initial_sync_completed: bool
    verified_at: datetime | None
    compared_at: datetime | None
    last_error: str | None
    last_error_message: str | None
    next_sync_at: datetime
    created_at: datetime
    removal: HiddenMail


@dataclass(frozen=True, slots=True)
class FolderChoice:
    """A folder and whether it is mirrored (`selected`); other fields are as in `FolderStatus`."""

    id: int
    display_name: str
    role: str
    parent_remote_id: str | None
    remote_id: str
    selected: bool
    hidden: bool
    total: int
    unread: int
    remote_total: int
    count_offset: int
    unread_offset: int
    verified_at: datetime | None
    compared_at: datetime | None
    differing: int


@dataclass(frozen=True, slots=True)
class FoundDifference:
    """A message about which the provider contradicts its own listing of a folder.

    cause: a value of `decisions.verify.ContradictionCause`.
    """

    folder_id: int
    message_id: str
    cause: str
    found_at: datetime


@dataclass(frozen=True, slots=True)
class AccountWithFolders:
    """An account with its existing folders, and the differences that remain in them."""

    row: AccountRow
    folders: tuple[FolderChoice, ...]
    differences: tuple[FoundDifference, ...]


class AccountStore:
    """Raises StoreUnavailable and StoreRejected. Another user's account is reported as missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def account(self, account_id: AccountId) -> Account:
        """Return the account. Raises AccountNotFound, also for an id that is no uuid."""
        if not _is_uuid(account_id):
            raise AccountNotFound("There is no account of this id.")
        with self._database.transaction() as tx:
            found = tx.run("find_account", account_id=account_id)
        if not found:
            raise AccountNotFound(f"There is no account {account_id}.")
        return read_account(found[0])

    def active_account(self, account_id: AccountId) -> Account:
        """Return an account that can be synced. Raises AccountNotFound, AccountNotConnected."""
        account = self.account(account_id)
        if account.status != "active":
            raise AccountNotConnected(
                f"Account {account_id} is {account.status}; connect or resume it first."
            )
        return account

    def accounts_of_user(
        self, user_id: str, after: tuple[datetime, str] | None, limit: int
    ) -> tuple[AccountRow, ...]:
        """Return the user's accounts, the first connected first, after the position `after`."""
        at, number = after or _BEFORE_ALL
        with self._database.transaction() as tx:
            return _accounts(
                tx, user_id, account_id=None, after_at=at, after_id=number, limit=limit
            )

    def account_of_user(self, account_id: AccountId, user_id: str) -> AccountWithFolders | None:
        """Return the account with its folders, or None if the user has no such account."""
        with self._database.transaction() as tx:
            at, number = _BEFORE_ALL
            asked = {"account_id": account_id, "after_at": at, "after_id": number, "limit": 1}
            found = _accounts(tx, user_id, **asked)
            if not found:
                return None
            folders = tx.run("folder_choices", account_id=account_id)
            differences = tx.run("proof_differences", account_id=account_id)
        return AccountWithFolders(
            row=found[0],
            folders=tuple(_folder(each) for each in folders),
            differences=tuple(FoundDifference(*each) for each in differences),
        )


def _accounts(tx: Transaction, user_id: str, **asked: Any) -> tuple[AccountRow, ...]:
    found = tx.run("accounts_of_user", user_id=user_id, **asked)
    removals = hidden_mail_of_accounts(tx, [AccountId(row[0]) for row in found])
    return tuple(_account([*row, removals[row[0]]]) for row in found)


def _account(values: list[Any]) -> AccountRow:
    return AccountRow(*values)


def _folder(row: list[Any]) -> FolderChoice:
    return FolderChoice(*row)


def read_account(row: Sequence[Any]) -> Account:
    """Return the account in a row of `find_account`."""
    number, provider, status, is_complete, remote_id, organisation_id, *limits = row
    max_in_flight, throttled_for_s = limits
    return Account(
        id=AccountId(number),
        provider=Provider(provider),
        status=status,
        initial_sync_completed=is_complete,
        remote_id=remote_id,
        organisation_id=organisation_id,
        max_in_flight=max_in_flight,
        throttled_for_s=throttled_for_s,
    )


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
