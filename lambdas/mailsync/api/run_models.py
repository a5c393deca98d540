"""Models of runs: response bodies of `/api/email/runs`."""

from datetime import datetime

from mailsync.api.models import CamelModel, Failure


class RunView(CamelModel):
    """The record of one sync."""

    run_id: str
    account_id: str
    status: str
    sync_type: str
    folders: tuple[int, ...] | None
    """The only folders that this full sync read. Null: all selected folders."""
    trigger: str
    """What started the run, such as `api`, `schedule` or `event`."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    requests: int
    """Requests to the mail provider."""
    repair_rounds: int
    """Repairs after a failed verification."""
    error: Failure | None


class RunList(CamelModel):
    """A page of runs, the newest first."""

    runs: tuple[RunView, ...]
    next_cursor: str | None
    """The `cursor` of the next page. Null: there are no older runs."""


class RunFolderView(CamelModel):
    """What a run did in one folder. The counts are numbers of messages, except `pages`, `requests`
    and `resets`."""

    folder_id: int | None
    """Null: the provider reports the changes of all folders together."""
    display_name: str
    role: str
    status: str
    attempts: int
    pages: int
    requests: int
    """Requests to the mail provider."""
    inserted: int
    """Messages stored for the first time."""
    updated: int
    """Messages whose stored row changed."""
    unchanged: int
    """Messages whose stored row was already current."""
    removed: int
    """Messages removed from the folder."""
    quarantined: int
    """Messages that exist at the provider and cannot be stored."""
    resets: int
    """Full syncs of the folder that began in this run."""
    error: Failure | None
    started_at: datetime
    finished_at: datetime | None


class RunDetail(RunView):
    """A run with its work in each folder."""

    steps: tuple[RunFolderView, ...]
    """The folders that had changes."""
    next_sync_at: datetime | None
    """When the next check or the retry of a failed run is due. Null: a sync is running, or the
    account is not active."""
