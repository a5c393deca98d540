"""Define types for status fields and account ids, so that the OpenAPI document lists the values of
a status and the format of an id.

In Python a status is plain text, because the database checks the values. The type of a status names
a schema of the OpenAPI document; `ENUM_SCHEMA_BY_NAME` has the schemas by name.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from mailsync.decisions.verify import ListingContradictionKind
from mailsync.model import Role, SyncType


def _named(name: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "title": name})


AccountIdFieldType = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
AccountStatusFieldType = Annotated[str, _named("AccountStatus")]
AccountOrOpenRunStatusFieldType = Annotated[str, _named("MailboxStatus")]
LatestSyncStatusFieldType = Annotated[str, _named("SyncStatus")]
RunStatusFieldType = Annotated[str, _named("RunStatus")]
RunFolderStatusFieldType = Annotated[str, _named("RunFolderStatus")]
SyncTypeFieldType = Annotated[str, _named("SyncType")]
FolderRoleFieldType = Annotated[str, _named("FolderRole")]
ContradictionKindFieldType = Annotated[ListingContradictionKind, _named("ListingContradictionKind")]

_STATUSES_OF_ACCOUNT = ("active", "paused", "reauth_required", "disconnected")


def _one_of(values: Iterable[str], description: str) -> dict[str, Any]:
    return {"type": "string", "enum": [*values], "description": description}


ENUM_SCHEMA_BY_NAME = {
    "AccountStatus": _one_of(
        _STATUSES_OF_ACCOUNT,
        "`active`: the mailbox is synced. `paused`: the user paused it. `reauth_required`: the"
        " provider refuses access, so the user must connect it again. `disconnected`: the user"
        " disconnected it and kept its mail.",
    ),
    "MailboxStatus": _one_of(
        ("queued", "syncing", *_STATUSES_OF_ACCOUNT),
        "`queued` or `syncing` while a run of an active account is open, else the status of the"
        " account.",
    ),
    "SyncStatus": _one_of(
        ("idle", "queued", "syncing", "completed", "failed"),
        "`queued`: a run waits for its execution. `syncing`: a run reads the mailbox. Without an"
        " open run, the result of the last one: `completed`, `failed`, or `idle` if there was none"
        " or it was stopped.",
    ),
    "RunStatus": _one_of(
        ("queued", "running", "completed", "failed", "cancelled"),
        "`queued`: the run waits for its execution. `cancelled`: the user stopped it.",
    ),
    "RunFolderStatus": _one_of(
        ("running", "completed", "failed", "cancelled"),
        "How far the run is with the folder, or how its work there ended.",
    ),
    "SyncType": _one_of(
        SyncType, "The type of a sync. Only the type `full` reads every folder again."
    ),
    "FolderRole": _one_of(
        Role, "The purpose of a folder, which does not depend on its name. `other`: none of these."
    ),
    "ListingContradictionKind": _one_of(
        ListingContradictionKind,
        "`missing`: the folder's list contains the message, but a request by id does not find it."
        " `surplus`: a request by id finds the message, but the list does not contain it."
        " `misread`: the list and the response by id have different read states.",
    ),
}
