"""Read the database for the pages of the dashboard.

If a store of the product has a query for the rows of a page, the module calls the store. Every
transaction is read-only and uses one of at most four connections. In the returned JSON objects, the
members' names are the column names in camelCase.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from queue import LifoQueue
from typing import Any
from uuid import UUID

from dashboard.events import EventListItem, event_list_item_of_outbox_row
from dashboard.to_json import JsonObject, to_camel_case
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.account_store import FolderWithSelection, ListingContradictionRow
from mailsync.store.connection import Database, Transaction
from mailsync.store.history_store import RunFolderRow
from mailsync.store.statements import load_sql_statements
from mailsync.store.status_store import AccountStatus, StatusStore

MAX_DATABASE_CONNECTIONS = 4
SQL_FILE = Path(__file__).with_name("queries.sql")
MAX_ROW_ID = 2**63 - 1


class RowNotFound(Exception):
    """Raised if no row has the requested id. The message names the kind of row, such as run or
    folder."""


class ReadOnlyDatabase(Database):
    """A database whose transactions cannot write; it runs the product's and the dashboard's SQL
    statements."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, {**load_sql_statements(), **load_sql_statements(SQL_FILE)})

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as tx:
            tx.run("read_only")
            yield tx


class DashboardQueries:
    """Reads from the database what the dashboard's pages show. Safe to use from several threads.

    Every method raises StoreUnavailable if the database does not respond, and StoreRejected if the
    database rejects the statement.
    """

    def __init__(self, settings: Settings) -> None:
        self._free: LifoQueue[Database] = LifoQueue()
        self._left_to_close = MAX_DATABASE_CONNECTIONS
        for _ in range(MAX_DATABASE_CONNECTIONS):
            self._free.put(ReadOnlyDatabase(settings))

    def close(self) -> None:
        """Wait until running queries end, then close all connections. Safe to call twice."""
        while self._left_to_close:
            self._free.get().close()
            self._left_to_close -= 1

    @contextmanager
    def _database(self) -> Iterator[Database]:
        database = self._free.get()
        try:
            yield database
        finally:
            self._free.put(database)

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        with self._database() as database, database.transaction() as tx:
            yield tx

    def _rows(self, statement: str, **parameters: Any) -> list[list[Any]]:
        with self._transaction() as tx:
            return tx.run(statement, **parameters)

    def _records(self, statement: str, **parameters: Any) -> list[JsonObject]:
        with self._transaction() as tx:
            return _camel(tx.run_returning_dicts(statement, **parameters))

    def _record(self, statement: str, kind: str, **parameters: Any) -> JsonObject:
        found = self._records(statement, **parameters)
        if not found:
            raise RowNotFound(f"There is no {kind} of this id.")
        return found[0]

    def count_accounts_and_open_runs(self) -> JsonObject:
        """Return the number of accounts and the number of open runs."""
        return self._records("totals")[0]

    def read_data_fingerprint(self) -> tuple[Any, ...]:
        """Return a few values from the accounts, the outbox and the open runs.

        At least one of the values changes when an account or an open run changes, and when an event
        is added to the outbox or published. The caller compares the result with an earlier one.
        """
        return tuple(self._rows("change_version")[0])

    def list_execution_arns_of_open_runs(self) -> list[str]:
        """Return the execution ARNs of the twenty oldest open runs that have an execution."""
        return [arn for (arn,) in self._rows("open_executions")]

    def list_runs(
        self,
        *,
        account_id: str | None = None,
        status: str | None = None,
        trigger: str | None = None,
        before: tuple[datetime, str],
        limit: int,
    ) -> list[JsonObject]:
        """Return the runs that match the filters, newest first, at most `limit`.

        account_id, status, trigger: filters; None matches every run.
        before: creation time and id of a run; only older runs are returned.
        """
        if not is_uuid_or_none(account_id):
            return []
        at, run_id = before
        which = {"account_id": account_id, "status": status, "trigger": trigger, "run_id": None}
        return self._records("runs", **which, before_at=at, before_id=run_id, limit=limit)

    def read_run(self, run_id: str) -> JsonObject:
        """Return a run as its column values by column name.

        Raises:
            RowNotFound: there is no such run.
        """
        return self.read_run_with_folders(run_id)[0]

    def read_run_with_folders(
        self, run_id: str
    ) -> tuple[JsonObject, list[RunFolderRow], dict[int, str]]:
        """Return a run, the run's record for each folder, and the names of the account's folders by
        folder id.

        Raises:
            RowNotFound: there is no such run.
        """
        which = {"account_id": None, "status": None, "trigger": None, "run_id": run_id}
        with self._transaction() as tx:
            found = tx.run_returning_dicts(
                "runs", **which, before_at="infinity", before_id="", limit=1
            )
            if not found:
                raise RowNotFound("There is no run of this id.")
            folders = tx.run("run_folders", run_id=run_id)
            names = tx.run("folder_names", account_id=found[0]["account_id"])
        return (
            _camel(found)[0],
            [RunFolderRow(*row) for row in folders],
            {n: name for n, name in names},
        )

    def read_folder_id_at_provider(self, folder_id: int) -> str:
        """Return the id that the folder has at the provider.

        Raises:
            RowNotFound: there is no such folder.
        """
        return str(self._record("remote_folder", "folder", folder_id=folder_id)["remoteId"])

    def list_account_page_and_total(
        self,
        *,
        search: str | None,
        status: str | None,
        after: tuple[str, str],
        limit: int,
        address: str | None = None,
    ) -> tuple[tuple[AccountStatus, ...], int]:
        """Return one page of the accounts that match the filters, and the total number of accounts
        that match the filters.

        Accounts are ordered by email address. The page has at most `limit` accounts. The total
        includes accounts before the page; it is 0 if the page is empty.

        search: a part of the email address, or the id of an account. None: every account.
        address: the whole email address, in upper or lower case. None: every address.
        status: the stored status, or `failing` for accounts whose last sync left an error. None:
            every status.
        after: email address and id of the last account on the previous page. For the first page:
            an empty text and a UUID of zeros.
        """
        which = {"search": search, "address": address, "status": status}
        which |= {"after_address": after[0], "after_id": after[1]}
        found = self._rows("account_page", **which, limit=limit)
        with self._database() as database:
            ids = [AccountId(row[0]) for row in found]
            return StatusStore(database).statuses_across_users(ids), found[0][1] if found else 0

    def read_account_status(self, account_id: str) -> AccountStatus:
        """Return the sync status of an account.

        Raises:
            RowNotFound: there is no such account.
        """
        with self._database() as database:
            known = [AccountId(account_id)] if is_uuid_or_none(account_id) else []
            found = StatusStore(database).statuses_across_users(known)
        if not found:
            raise RowNotFound("There is no account of this id.")
        return found[0]

    def list_all_folders_of_account(self, account_id: str) -> list[FolderWithSelection]:
        return [
            FolderWithSelection(*row) for row in self._rows("folder_choices", account_id=account_id)
        ]

    def list_messages_contradicting_listing(self, account_id: str) -> list[ListingContradictionRow]:
        found = self._rows("proof_differences", account_id=account_id)
        return [ListingContradictionRow(*row) for row in found]

    def list_quarantined_messages(self, account_id: str) -> list[JsonObject]:
        """Return the messages of an account that cannot be fetched or stored (the quarantine).

        At most 200 messages are returned, the most recently retried message first.
        """
        return self._records("quarantine", account_id=account_id)

    def list_messages(
        self, folder_id: int, before: tuple[datetime | None, int], limit: int
    ) -> list[JsonObject]:
        """Return the next messages of a folder's list, newest first, at most `limit`.

        before: time and id of the last message on the previous page; only messages after it in the
            list are returned. For the first page: None and MAX_ROW_ID. Messages without a time come
            first in the list.

        Raises:
            RowNotFound: there is no such folder, or the folder is deleted at the provider.
        """
        folder = self._record("folder_account", "folder", folder_id=folder_id)
        at, number = before
        place: JsonObject = {
            "before_at": at,
            "before_id": number,
            "max_id": MAX_ROW_ID,
            "limit": limit,
        }
        place |= {"account_id": folder["accountId"], "folder_id": folder_id}
        if folder["arePlacementsFilled"]:
            return self._records("messages", **place)
        return self._records("messages_without_placements", **place)

    def read_message(self, message_id: int) -> JsonObject:
        """Return a message as its column values by column name, without its body.

        Raises:
            RowNotFound: there is no such message, or the message is hidden.
        """
        return self._record("message", "message", message_id=message_id)

    def read_remote_id_and_mailbox(self, message_id: int) -> JsonObject:
        """Return the present id of a message at the provider, as `remoteId`, and the email address
        of the message's mailbox, as `emailAddress`.

        Raises:
            RowNotFound: there is no such message, or the message is hidden.
        """
        return self._record("remote_message", "message", message_id=message_id)

    def read_subject_and_bodies(self, message_id: int) -> tuple[str, str | None, str | None]:
        """Return the subject, the HTML body and the plain-text body of a message.

        A body that the message does not have is None.

        Raises:
            RowNotFound: there is no such message, or the message is hidden.
        """
        found = self._record("body", "message", message_id=message_id)
        return found["subject"], found["html"], found["text"]

    def list_outbox_events(self, before: int, limit: int) -> list[EventListItem]:
        return [
            event_list_item_of_outbox_row(*row)
            for row in self._rows("sent_events", before=before, limit=limit)
        ]


def _camel(records: list[JsonObject]) -> list[JsonObject]:
    return [{to_camel_case(name): value for name, value in record.items()} for record in records]


def is_uuid_or_none(text: str | None) -> bool:
    """Return whether the text is a UUID. Return True if the text is None, because None is a filter
    that matches every account."""
    try:
        return text is None or bool(UUID(text))
    except ValueError:
        return False
