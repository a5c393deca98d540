"""What the API shows of runs."""

from datetime import datetime

from mailsync.api.models import CamelModel, Failure


class RunView(CamelModel):
    """One sync. `requests` went to the mail provider; `folders`, if set, limited a full sync."""

    run_id: str
    account_id: str
    status: str
    sync_type: str
    folders: tuple[int, ...] | None
    trigger: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    requests: int
    repair_rounds: int
    error: Failure | None


class RunList(CamelModel):
    """The newest first; `next_cursor` None: there are no older ones."""

    runs: tuple[RunView, ...]
    next_cursor: str | None


class RunFolderView(CamelModel):
    """What a run did in one folder: messages by what became of them, and `resets`, the full syncs
    that began in the run."""

    folder_id: int
    display_name: str
    role: str
    status: str
    attempts: int
    pages: int
    requests: int
    inserted: int
    updated: int
    unchanged: int
    removed: int
    quarantined: int
    resets: int
    error: Failure | None
    started_at: datetime
    finished_at: datetime | None


class RunDetail(RunView):
    """With the folders that had something to do.

    `next_sync_at`: when the mailbox is synced next by itself, which is the next try of a run that
    failed; None: a sync is under way, or the account is not active.
    """

    steps: tuple[RunFolderView, ...]
    next_sync_at: datetime | None
