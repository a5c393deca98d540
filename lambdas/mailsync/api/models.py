"""What the API accepts and shows; camelCase outside, our words inside."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator
from pydantic.alias_generators import to_camel

from mailsync.model import FolderId, SyncScope, SyncType


class CamelModel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


PositiveId = Annotated[int, Field(ge=1, le=2**53 - 1, strict=True)]
"""An id of ours, as large as every reader of JSON keeps exactly (RFC 8259, 6)."""


class SyncRequest(CamelModel):
    """`folders` are read again from their beginning, and only these; all of a `full` sync."""

    account_id: UUID
    sync_type: SyncType = SyncType.MANUAL
    folders: (
        Annotated[tuple[PositiveId, ...], FailFast(), Field(min_length=1, max_length=1000)] | None
    ) = None

    @model_validator(mode="after")
    def _folders_belong_to_a_full_sync(self) -> "SyncRequest":
        says_other = "sync_type" in self.model_fields_set and self.sync_type is not SyncType.FULL
        if self.folders and says_other:
            raise ValueError("folders need the syncType full")
        return self

    def scope(self) -> SyncScope:
        if not self.folders:
            return SyncScope(self.sync_type)
        return SyncScope(SyncType.FULL, tuple(FolderId(each) for each in sorted({*self.folders})))


class SyncAccepted(CamelModel):
    """`status` is that of the run: queued, running, or how a run of the same key has ended."""

    success: bool = True
    run_id: str
    execution_arn: str
    status: str
    status_url: str
    message: str


class SyncStopped(CamelModel):
    """`run_id` is the run that was stopped; None: none was under way."""

    success: bool = True
    account_id: str
    run_id: str | None
    message: str


class Failure(CamelModel):
    """`name` is stable, one of the product's error names; `message` is for people."""

    name: str
    message: str


def to_failure(name: str | None, message: str | None) -> Failure | None:
    return Failure(name=name, message=message or "") if name else None


class SelfTestStarted(CamelModel):
    """`event_id` is the name of the execution."""

    success: bool = True
    message: str = "Test sync started!"
    execution_arn: str
    event_id: str


class Health(CamelModel):
    status: str = "ok"
