"""What the tables say, as plain values: accounts, runs, folders, messages, events.

Every reading is one transaction that may not write, on one of a few connections.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from queue import LifoQueue
from typing import Any
from uuid import UUID

from dashboard.rows import (
    Account,
    Difference,
    Folder,
    ListedMessage,
    Message,
    OneRun,
    Quarantined,
    Run,
    RunFolder,
    SentEvent,
)
from mailsync.decisions.safety import SMALLEST_SUSPECT
from mailsync.settings import Settings
from mailsync.store.connection import Database, Transaction
from mailsync.store.removal_store import Removal
from mailsync.store.statements import statements

CONNECTIONS = 4
QUERIES = Path(__file__).with_name("queries.sql")
ABOVE_ALL = 2**63 - 1
"""No id is higher."""
REMOVAL_COLUMNS = len(fields(Removal))


class NotFound(Exception):
    """There is nothing of that id; the sentence says of what."""


class Queries:
    """Safe to use from several threads. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, settings: Settings) -> None:
        self._free: LifoQueue[Database] = LifoQueue()
        self._left_to_close = CONNECTIONS
        for _ in range(CONNECTIONS):
            self._free.put(Database(settings, statements(QUERIES)))

    def close(self) -> None:
        """Waits for queries under way; may be repeated."""
        while self._left_to_close:
            self._free.get().close()
            self._left_to_close -= 1

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        database = self._free.get()
        try:
            with database.transaction() as tx:
                tx.run("read_only")
                yield tx
        finally:
            self._free.put(database)

    def _rows(self, statement: str, **parameters: Any) -> list[list[Any]]:
        with self._transaction() as tx:
            return tx.run(statement, **parameters)

    def _row(self, statement: str, what: str, **parameters: Any) -> list[Any]:
        found = self._rows(statement, **parameters)
        if not found:
            raise NotFound(f"There is no {what} of this id.")
        return found[0]

    def totals(self) -> tuple[int, int]:
        """How many accounts there are, and how many runs are open."""
        accounts, runs = self._rows("totals")[0]
        return accounts, runs

    def change_version(self) -> tuple[Any, ...]:
        """Values that differ as soon as anything has happened."""
        return tuple(self._rows("change_version")[0])

    def open_executions(self) -> list[str]:
        """Their ARNs, twenty at most."""
        return [each for (each,) in self._rows("open_executions")]

    def runs(
        self,
        *,
        account_id: str | None = None,
        status: str | None = None,
        trigger: str | None = None,
        before: tuple[datetime, str],
        limit: int,
    ) -> list[Run]:
        """From the newest on; `before` is the time and id of a run that comes above."""
        if not _is_uuid(account_id):
            return []
        rows = self._rows(
            "runs",
            account_id=account_id,
            status=status,
            trigger=trigger,
            before_at=before[0],
            before_id=before[1],
            limit=limit,
        )
        return [Run(*row) for row in rows]

    def run(self, run_id: str) -> OneRun:
        """Raises NotFound."""
        return OneRun(*self._row("run", "run", run_id=run_id))

    def whole_run(self, run_id: str) -> tuple[OneRun, list[RunFolder], dict[int, str]]:
        """With its part in each folder, and the names of all folders of its account, from one
        transaction. Raises NotFound."""
        with self._transaction() as tx:
            found = tx.run("run", run_id=run_id)
            if not found:
                raise NotFound("There is no run of this id.")
            run = OneRun(*found[0])
            folders = tx.run("run_folders", run_id=run_id)
            names = tx.run("folder_names", account_id=run.account_id)
        return run, [RunFolder(*row) for row in folders], {number: name for number, name in names}

    def remote_folder(self, folder_id: int) -> str:
        """The provider's id of a folder. Raises NotFound."""
        return str(self._row("remote_folder", "folder", folder_id=folder_id)[0])

    def accounts(self) -> list[Account]:
        """A thousand at most."""
        found = self._rows("accounts", account_id=None, smallest=SMALLEST_SUSPECT)
        return [_account(row) for row in found]

    def account(self, account_id: str) -> Account:
        """Raises NotFound."""
        if not _is_uuid(account_id):
            raise NotFound("There is no account of this id.")
        asked = {"account_id": account_id, "smallest": SMALLEST_SUSPECT}
        return _account(self._row("accounts", "account", **asked))

    def folders(self, account_id: str) -> list[Folder]:
        return [Folder(*row) for row in self._rows("folders", account_id=account_id)]

    def quarantine(self, account_id: str) -> list[Quarantined]:
        """Two hundred at most, from what was tried last on."""
        return [Quarantined(*row) for row in self._rows("quarantine", account_id=account_id)]

    def differences(self, account_id: str) -> list[Difference]:
        """Two hundred at most."""
        return [Difference(*row) for row in self._rows("differences", account_id=account_id)]

    def messages(
        self, folder_id: int, before: tuple[datetime | None, int], limit: int
    ) -> list[ListedMessage]:
        """From the newest on, those without a time first. Raises NotFound."""
        at, number = before
        account_id = self._row("folder_account", "folder", folder_id=folder_id)[0]
        asked = {"account_id": account_id, "folder_id": folder_id, "before_id": number}
        rows: list[list[Any]] = []
        with self._transaction() as tx:
            if at is None:
                rows += tx.run("undated_messages", **asked, limit=limit)
                asked["before_id"] = ABOVE_ALL
            if len(rows) < limit:
                asked |= {"before_at": at or "infinity", "limit": limit - len(rows)}
                rows += tx.run("dated_messages", **asked)
        return [ListedMessage(*row) for row in rows]

    def message(self, message_id: int) -> Message:
        """Raises NotFound."""
        return Message(*self._row("message", "message", message_id=message_id))

    def body(self, message_id: int) -> tuple[str, str | None, str | None]:
        """Subject, HTML and plain text. Raises NotFound."""
        subject, html, text = self._row("body", "message", message_id=message_id)
        return subject, html, text

    def sent_events(self, before: int, limit: int) -> list[SentEvent]:
        return [SentEvent(*row) for row in self._rows("sent_events", before=before, limit=limit)]


def _account(row: list[Any]) -> Account:
    values = [*row[:-REMOVAL_COLUMNS], Removal(*row[-REMOVAL_COLUMNS:])]
    return Account(*values)


def _is_uuid(text: str | None) -> bool:
    """None passes: nothing was asked for."""
    try:
        return text is None or bool(UUID(text))
    except ValueError:
        return False
