"""Models of accounts and folders: response bodies and the body of PATCH."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, FailFast, Field, StrictBool, model_validator
from pydantic.alias_generators import to_camel

from mailsync.api.models import CamelModel, Failure, PositiveId
from mailsync.api.removal_models import PendingRemoval
from mailsync.decisions.verify import ListingContradictionKind
from mailsync.model import FolderId

MAX_FOLDERS_PER_PATCH = 1000


class AccountView(CamelModel):
    """An account of the caller: one connected mailbox."""

    account_id: str
    email_address: str
    provider: str
    status: str
    """`active`, `paused`, `reauth_required` or `disconnected`."""
    sync_status: str
    last_sync_at: datetime | None
    """When the last successful sync or check ended."""
    initial_sync_completed: bool
    verified_at: datetime | None
    """When the message counts of every folder last matched the provider's counts."""
    compared_at: datetime | None
    """Since when every folder has been compared with the provider by message ids and versions.
    Mailsync compares each folder once a week. Null: a folder still has to be compared."""
    pending_removal: PendingRemoval | None
    """Mail that is hidden and not deleted yet. Null: no mail is hidden."""
    next_sync_at: datetime
    """When the next check is due. Meaningful only while `status` is `active`."""
    last_error: Failure | None
    """The error of the last failed sync. Null: the last sync did not fail."""
    created_at: datetime


class AccountList(CamelModel):
    """A page of accounts, in the order in which they were connected."""

    accounts: tuple[AccountView, ...]
    next_cursor: str | None
    """The `cursor` of the next page. Null: this is the last page."""


class FolderSelection(CamelModel):
    """A folder of the mailbox, and whether its mail is mirrored. Folders that were deleted at the
    provider are not listed."""

    id: int
    parent_id: int | None
    """The id of the parent folder. Null: a top-level folder."""
    display_name: str
    role: str
    """The well-known role, such as `inbox` or `sent`."""
    selected: bool
    """Whether Mailsync mirrors the folder. The choice survives deletion at the provider."""
    hidden: bool
    """Whether the provider marks the folder as hidden."""
    total: int
    """Messages stored in the folder."""
    unread: int
    """Unread messages stored in the folder."""
    remote_total: int
    """Messages in the folder by the provider's own count."""
    count_offset: int
    """Error of `remoteTotal`, found by comparing ids: `remoteTotal - countOffset` is correct."""
    unread_offset: int
    """Error of the provider's unread count, found by comparing read states."""
    verified_at: datetime | None
    """When the counts last matched the provider's counts."""
    compared_at: datetime | None
    """When ids and versions of all messages were last compared. Null: still to do."""
    differing: int
    """Messages about which the provider contradicted itself in that comparison."""


class DifferenceView(CamelModel):
    """A message for which the provider contradicts itself: its response by id differs from its list
    of the folder.

    The mirror stores the response by id.
    """

    folder_id: int
    message_id: str
    cause: ListingContradictionKind
    """`missing`: the list has the message, a request by id does not find it. `surplus`: a request
    by id finds the message, the list lacks it. `misread`: the read states differ."""
    found_at: datetime


class AccountDetail(AccountView):
    """An account with all folders of its mailbox."""

    folders: tuple[FolderSelection, ...]
    differences: tuple[DifferenceView, ...]
    """At most 100 differences of each folder."""


class FolderPatch(CamelModel):
    """The choice whether to mirror one folder."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    id: PositiveId
    selected: StrictBool


class AccountPatch(CamelModel):
    """Changes of an account. An omitted field stays unchanged; an unknown field is an error."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    paused: StrictBool | None = None
    """True pauses the account, false resumes it."""
    folders: Annotated[
        tuple[FolderPatch, ...], FailFast(), Field(max_length=MAX_FOLDERS_PER_PATCH)
    ] = ()
    """The folders whose selection changes, each at most once."""

    @model_validator(mode="after")
    def _reject_duplicate_folders(self) -> "AccountPatch":
        if len(self.selected_by_folder_id()) < len(self.folders):
            raise ValueError("a folder is named twice")
        return self

    def selected_by_folder_id(self) -> dict[FolderId, bool]:
        """Return for each named folder whether to mirror it."""
        return {FolderId(folder.id): folder.selected for folder in self.folders}
