"""Define the models of runs: response bodies of `/api/email/runs`."""

from datetime import datetime

from mailsync.api.documented_values import (
    AccountIdFieldType,
    FolderRoleFieldType,
    RunFolderStatusFieldType,
    RunStatusFieldType,
    SyncTypeFieldType,
)
from mailsync.api.models import CamelModel, Failure


class RunView(CamelModel):
    """A run: the record of one sync of a mailbox."""

    run_id: str
    account_id: AccountIdFieldType
    status: RunStatusFieldType
    sync_type: SyncTypeFieldType
    folders: tuple[int, ...] | None
    """Ids of the folders to which this full sync was limited. Null: the sync was not limited to
    some folders."""
    trigger: str
    """What started the run, such as `api`, `schedule` or `event`."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    requests: int
    """Number of requests to the mail provider in this run."""
    repair_rounds: int
    """How many times the run repaired the mirror after a failed verification."""
    error: Failure | None


class RunList(CamelModel):
    """A page of runs, the newest first."""

    runs: tuple[RunView, ...]
    next_cursor: str | None
    """The `cursor` of the next page. Null: there are no older runs."""


class RunFolderView(CamelModel):
    """What a run did in one folder. All counts except `attempts`, `pages`, `requests` and `resets`
    are numbers of messages."""

    folder_id: int | None
    """Id of the folder. Null: the provider reports the changes of all folders together, and this
    entry is about all of them."""
    display_name: str
    role: FolderRoleFieldType
    status: RunFolderStatusFieldType
    attempts: int
    pages: int
    requests: int
    """Number of requests to the mail provider for this folder."""
    inserted: int
    """Number of messages that the run stored for the first time."""
    updated: int
    """Number of messages whose stored data the run changed."""
    unchanged: int
    """Number of messages that the provider sent and that were already stored in this version."""
    removed: int
    """Number of messages that the run removed from the folder."""
    quarantined: int
    """Number of messages that exist at the provider and that Mailsync could not store."""
    resets: int
    """How often the run restarted the full sync of the folder because the provider rejected the
    position in its changes or could not deliver them."""
    error: Failure | None
    started_at: datetime
    finished_at: datetime | None


class RunDetail(RunView):
    """A run, with what it did in each folder."""

    steps: tuple[RunFolderView, ...]
    """What the run did in each folder that had changes."""
    next_sync_at: datetime | None
    """When Mailsync next checks the mailbox, or retries the sync if the run failed. Null: a sync is
    running, or the account is not active."""
