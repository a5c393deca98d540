"""What the API accepts and shows; camelCase outside, our words inside."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from mailsync.model import SyncType


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class SyncRequest(_Camel):
    account_id: UUID
    sync_type: SyncType = SyncType.MANUAL


class SyncAccepted(_Camel):
    """`status` is that of the run: queued, running, or how a run of the same key has ended."""

    success: bool = True
    run_id: str
    execution_arn: str
    status: str
    status_url: str
    message: str


class Failure(_Camel):
    """`name` is stable, one of the product's error names; `message` is for people."""

    name: str
    message: str


class FolderView(_Camel):
    """`total` and `unread` count our rows, `remote_total` is the provider's own count."""

    id: int
    display_name: str
    role: str
    total: int
    unread: int
    remote_total: int
    quarantined: int
    walking: bool
    verified_at: datetime | None
    error: Failure | None


class SyncStatusView(_Camel):
    """`rate` is in messages per second since the run started; `eta_seconds` None: unknown.

    `next_retry_at` is set after a failure that is tried again by itself. `run_id` is the open
    run, if there is one.
    """

    account_id: str
    email_address: str
    provider: str
    status: str
    sync_status: str
    last_sync_at: datetime | None
    initial_sync_completed: bool
    sync_progress: int
    sync_total: int
    folders: tuple[FolderView, ...]
    rate: float
    eta_seconds: int | None
    last_error: Failure | None
    next_retry_at: datetime | None
    verified_at: datetime | None
    run_id: str | None


class SelfTestStarted(_Camel):
    """`event_id` is the name of the execution."""

    success: bool = True
    message: str = "Test sync started!"
    execution_arn: str
    event_id: str


class Health(_Camel):
    status: str = "ok"
