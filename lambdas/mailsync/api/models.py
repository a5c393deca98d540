"""Base class and shared models of the API: snake_case in Python, camelCase in JSON."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator
from pydantic.alias_generators import to_camel

from mailsync.model import FolderId, SyncScope, SyncType


class CamelModel(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        # The text below a field is its description in the OpenAPI document.
        use_attribute_docstrings=True,
    )


PositiveId = Annotated[int, Field(ge=1, le=2**53 - 1, strict=True)]
"""An id of a row, up to the largest integer that every JSON reader keeps exactly (RFC 8259, 6)."""


class SyncRequest(CamelModel):
    """The mailbox to sync, and how."""

    account_id: UUID
    sync_type: SyncType = SyncType.MANUAL
    folders: (
        Annotated[tuple[PositiveId, ...], FailFast(), Field(min_length=1, max_length=1000)] | None
    ) = None
    """The only folders that a `full` sync reads again from the beginning. Null: all folders."""

    @model_validator(mode="after")
    def _require_full_sync_of_folders(self) -> "SyncRequest":
        has_other_type = (
            "sync_type" in self.model_fields_set and self.sync_type is not SyncType.FULL
        )
        if self.folders and has_other_type:
            raise ValueError("folders need the syncType full")
        return self

    def to_sync_scope(self) -> SyncScope:
        """Return what to sync. A request that names folders is a full sync of those folders."""
        if not self.folders:
            return SyncScope(self.sync_type)
        folder_ids = tuple(FolderId(folder_id) for folder_id in sorted({*self.folders}))
        return SyncScope(SyncType.FULL, folder_ids)


class SyncAccepted(CamelModel):
    """The run that syncs the mailbox: a new run, the open run that the request joined, or the run
    of an earlier request with the same Idempotency-Key."""

    success: bool = True
    run_id: str
    execution_arn: str
    """The Step Functions execution. Empty: not started yet."""
    status: str
    """The status of the run: `queued`, `running`, or the final status of an ended run."""
    status_url: str
    message: str


class SyncStopped(CamelModel):
    """The result of a request to stop a sync."""

    success: bool = True
    account_id: str
    run_id: str | None
    """The stopped run. Null: no sync was running."""
    message: str


class Failure(CamelModel):
    """An error of a sync."""

    name: str
    """The stable name of the error, listed in the documentation."""
    message: str
    """An explanation for people. Its wording may change."""


def to_failure(name: str | None, message: str | None) -> Failure | None:
    """Convert a stored error name and message to the API's error object; None without an error
    name."""
    return Failure(name=name, message=message or "") if name else None


class SelfTestStarted(CamelModel):
    """The started execution of the self-test."""

    success: bool = True
    message: str = "Test sync started!"
    execution_arn: str
    event_id: str
    """The name of the execution."""


class Health(CamelModel):
    """The database accepts writes and has the current schema."""

    status: str = "ok"
