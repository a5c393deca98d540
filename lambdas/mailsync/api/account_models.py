"""What the API accepts and shows of accounts."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, FailFast, Field, StrictBool, model_validator
from pydantic.alias_generators import to_camel

from mailsync.api.models import CamelModel, Failure, PositiveId
from mailsync.api.removal_models import PendingRemoval
from mailsync.decisions.verify import Cause
from mailsync.model import FolderId

MAX_FOLDERS = 1000


class AccountView(CamelModel):
    """`next_sync_at` matters while the status is `active`.

    `verified_at`: when the counts of every folder last agreed with the provider's. `compared_at`:
    since then the ids and versions of every folder were compared with the provider's, which is
    done within a week; None: some are still to be compared.
    """

    account_id: str
    email_address: str
    provider: str
    status: str
    sync_status: str
    last_sync_at: datetime | None
    initial_sync_completed: bool
    verified_at: datetime | None
    compared_at: datetime | None
    pending_removal: PendingRemoval | None
    next_sync_at: datetime
    last_error: Failure | None
    created_at: datetime


class AccountList(CamelModel):
    """In the order in which they were connected; `next_cursor` None: there are no more."""

    accounts: tuple[AccountView, ...]
    next_cursor: str | None


class FolderSelection(CamelModel):
    """A folder that is mirrored (`selected`) or not; `parent_id` None: none above it.

    `remote_total` is the provider's own count; `count_offset` and `unread_offset`: by how much its
    counts are wrong, as a comparison by ids has shown. `verified_at`: when the counts last agreed;
    `compared_at`: when ids and versions were last compared, None: that is still to be done.
    `differing`: how many messages the provider contradicted itself about then. A folder that is
    gone at the provider is not listed; should it come back, its `selected` is as before.
    """

    id: int
    parent_id: int | None
    display_name: str
    role: str
    selected: bool
    hidden: bool
    total: int
    unread: int
    remote_total: int
    count_offset: int
    unread_offset: int
    verified_at: datetime | None
    compared_at: datetime | None
    differing: int


class DifferenceView(CamelModel):
    """A message about which the provider contradicts itself; what it says by id is stored.

    `cause`: `missing` is listed in the folder and gone by id, `surplus` is not listed and there
    by id, `misread` has another read state in the list than by id.
    """

    folder_id: int
    message_id: str
    cause: Cause
    found_at: datetime


class AccountDetail(AccountView):
    """With every folder that the mailbox has, and of each the first hundred differences."""

    folders: tuple[FolderSelection, ...]
    differences: tuple[DifferenceView, ...]


class FolderPatch(CamelModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    id: PositiveId
    selected: StrictBool


class AccountPatch(CamelModel):
    """What is left out stays; a word that is not known here is refused."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    paused: StrictBool | None = None
    folders: Annotated[tuple[FolderPatch, ...], FailFast(), Field(max_length=MAX_FOLDERS)] = ()

    @model_validator(mode="after")
    def _names_each_folder_once(self) -> "AccountPatch":
        if len(self.choices()) < len(self.folders):
            raise ValueError("a folder is named twice")
        return self

    def choices(self) -> dict[FolderId, bool]:
        return {FolderId(each.id): each.selected for each in self.folders}
