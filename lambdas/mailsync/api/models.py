"""Define the base class of all API models and the models that several routes share.

Field names are snake_case in Python and camelCase in JSON.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from mailsync.api.documented_values import AccountIdFieldType, RunStatusFieldType
from mailsync.model import FolderId, SyncType, SyncTypeAndFolders


class CamelModel(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        # The text below a field is its description in the OpenAPI document.
        use_attribute_docstrings=True,
        # Every response has every field, those with a default as well.
        json_schema_serialization_defaults_required=True,
        # A cold start builds the validators of its own route only.
        defer_build=True,
    )


PositiveId = Annotated[int, Field(ge=1, le=2**53 - 1, strict=True)]
"""The id of a database row, at most the largest integer that every JSON reader keeps exactly (RFC
8259, 6)."""


class SyncRequest(CamelModel):
    """The body of a request to start a sync: the account to sync, the type of the sync, and the
    folders."""

    account_id: UUID
    sync_type: SyncType = SyncType.MANUAL
    # Not FailFast in an Annotated: Python before 3.11.9 and 3.12.3 cannot hash it in a union.
    folders: tuple[PositiveId, ...] | None = Field(
        None, min_length=1, max_length=1000, fail_fast=True
    )
    """Ids of the folders to read again from the beginning; requires the sync type `full`, which is
    then the default. Null: sync all folders."""

    @model_validator(mode="after")
    def _require_full_sync_of_folders(self) -> "SyncRequest":
        has_other_type = (
            "sync_type" in self.model_fields_set and self.sync_type is not SyncType.FULL
        )
        if self.folders and has_other_type:
            raise ValueError("folders need the syncType full")
        return self

    def to_sync_scope(self) -> SyncTypeAndFolders:
        """Return the type of the sync and its folders. A request that names folders is a full sync
        of those folders."""
        if not self.folders:
            return SyncTypeAndFolders(self.sync_type)
        folder_ids = tuple(FolderId(folder_id) for folder_id in sorted({*self.folders}))
        return SyncTypeAndFolders(SyncType.FULL, folder_ids)


class SyncAccepted(CamelModel):
    """The response to a request to start a sync. It names the run that syncs the mailbox: a new
    run, the open run that the request joined, or the run of an earlier request with the same
    Idempotency-Key."""

    success: Literal[True] = True
    run_id: str
    execution_arn: str
    """ARN of the run's current Step Functions execution. Empty: it has not started yet."""
    status: RunStatusFieldType
    status_url: str
    message: str


class SyncStopped(CamelModel):
    """The response to a request to stop a sync."""

    success: Literal[True] = True
    account_id: AccountIdFieldType
    run_id: str | None
    """Id of the stopped run. Null: no sync was running."""
    message: str


class Failure(CamelModel):
    """The error of a failed sync, for programs (`name`) and for people (`message`)."""

    name: str
    """The stable name of the error, listed in the documentation."""
    message: str
    """An explanation for people. Its wording may change."""


def stored_error_to_failure_or_none(name: str | None, message: str | None) -> Failure | None:
    """Return the API's error object for a stored error name and error message. Return None if there
    is no error name."""
    return Failure(name=name, message=message or "") if name else None


class SelfTestStarted(CamelModel):
    """The response to a request to start the self-test: the execution that was started."""

    success: Literal[True] = True
    message: str = "Test sync started!"
    execution_arn: str
    event_id: str
    """Name of the Step Functions execution."""


class Health(CamelModel):
    """The response of the health check: the database accepts writes and has the schema of this
    version."""

    status: Literal["ok"] = "ok"
