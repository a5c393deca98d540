"""Read runs for the API: the runs of an account, and the work that each run did in each folder."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailsync.model import AccountId, RunId
from mailsync.store.connection import Database

_AFTER_ALL = (datetime(9999, 1, 1, tzinfo=UTC), "")


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as the API returns it.

    folder_ids: the folders to which a full sync was limited. None: the sync was not limited.
    """

    id: str
    account_id: str
    status: str
    sync_type: str
    trigger_name: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    request_count: int
    repair_round_count: int
    error_name: str | None
    error_message: str | None
    folder_ids: list[int] | None


@dataclass(frozen=True, slots=True)
class RunWithFolders:
    """A run, with the work that it did in each folder.

    next_sync_at: when the schedule syncs the mailbox next. None: a sync is running, or the schedule
        does not sync this mailbox.
    """

    run_row: RunRow
    run_folders: tuple["RunFolderRow", ...]
    next_sync_at: datetime | None


@dataclass(frozen=True, slots=True)
class RunFolderRow:
    """The work that a run did in one folder. All numbers count messages, except for
    `attempts`, `page_count`, `requests` and `full_sync_restart_count`.

    folder_id: id of the folder. None: the work was done in the feed of the whole mailbox.
    page_count: number of stored pages.
    full_sync_restart_count: how many times the run restarted the full sync of the folder's feed.
    """

    folder_id: int | None
    display_name: str
    role: str
    status: str
    attempts: int
    page_count: int
    requests: int
    inserted: int
    updated: int
    unchanged: int
    removed: int
    quarantined: int
    full_sync_restart_count: int
    error: str | None
    error_message: str | None
    started_at: datetime
    finished_at: datetime | None


class RunHistoryStore:
    """Reads runs for the API. Methods treat a run or account of another user as if the run or the
    account did not exist.

    Raises StoreUnavailable and StoreRejected.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs_of_account(
        self, account_id: AccountId, user_id: str, before: tuple[datetime, str] | None, limit: int
    ) -> tuple[RunRow, ...]:
        """Return one page of the runs of an account, the newest run first.

        before: position of the last run of the previous page. None: return the newest runs.
        """
        at, number = before or _AFTER_ALL
        with self._database.transaction() as tx:
            found = tx.run(
                "account_runs",
                account_id=account_id,
                user_id=user_id,
                before_at=at,
                before_id=number,
                limit=limit,
            )
        return tuple(_run(each) for each in found)

    def run_with_folders(self, run_id: RunId, user_id: str) -> RunWithFolders | None:
        with self._database.transaction() as tx:
            found = tx.run("run_of_user", run_id=run_id, user_id=user_id)
            if not found:
                return None
            steps = tx.run("run_folders", run_id=run_id)
        *run, next_sync_at = found[0]
        return RunWithFolders(_run(run), tuple(_run_folder(each) for each in steps), next_sync_at)


def _run(row: list[Any]) -> RunRow:
    return RunRow(*row)


def _run_folder(row: list[Any]) -> RunFolderRow:
    return RunFolderRow(*row)
