"""Define the models of accounts and folders: response bodies, and the request body of PATCH."""

from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, FailFast, Field, StrictBool, model_validator
from pydantic.alias_generators import to_camel

from mailsync.api.documented_values import (
    AccountIdFieldType,
    AccountStatusFieldType,
    ContradictionKindFieldType,
    FolderRoleFieldType,
    LatestSyncStatusFieldType,
)
from mailsync.api.models import CamelModel, Failure, PositiveId
from mailsync.api.removal_models import PendingRemoval
from mailsync.decisions.push_health import PushHealth
from mailsync.model import FolderId

MAX_FOLDERS_PER_PATCH = 1000


class AccountView(CamelModel):
    """One connected mailbox of the caller."""

    account_id: AccountIdFieldType
    email_address: str
    provider: str
    status: AccountStatusFieldType
    sync_status: LatestSyncStatusFieldType
    last_sync_at: datetime | None
    """When the last successful sync or check ended."""
    initial_sync_completed: bool
    verified_at: datetime | None
    """When the stored message counts of all folders last matched the provider's counts. Null: not
    yet."""
    compared_at: datetime | None
    """The oldest `comparedAt` of the mirrored folders. Mailsync compares the message ids and
    versions of each folder with the provider once a week. Null: a folder has not been compared yet.
    """
    pending_removal: PendingRemoval | None
    """Mail that disappeared at the provider; Mailsync hides it and has not deleted it yet. Null: no
    mail is hidden."""
    next_sync_at: datetime
    """When Mailsync next checks the mailbox for changes. Valid only while `status` is `active`."""
    last_error: Failure | None
    """The error of the last sync. It is `SuspiciousRemoval` if the last sync completed and most of
    the mailbox would be deleted. Null: no error."""
    created_at: datetime


class AccountList(CamelModel):
    """A page of the caller's accounts, sorted by the time when they were connected."""

    accounts: tuple[AccountView, ...]
    next_cursor: str | None
    """The `cursor` of the next page. Null: this is the last page."""


class FolderSelection(CamelModel):
    """A folder of the mailbox, with the user's decision whether Mailsync mirrors its mail. Folders
    that were deleted at the provider are not listed."""

    id: int
    parent_id: int | None
    """The id of the parent folder. Null: a top-level folder."""
    display_name: str
    role: FolderRoleFieldType
    selected: bool
    """Whether Mailsync mirrors the folder. Mailsync remembers the value even if the folder is
    deleted at the provider."""
    hidden: bool
    """Whether the provider marks the folder as hidden."""
    total: int
    """Number of messages that Mailsync stores for the folder."""
    unread: int
    """Number of unread messages that Mailsync stores for the folder."""
    remote_total: int
    """Number of messages in the folder that the provider reports. It can be wrong; see
    `countOffset`."""
    count_offset: int
    """By how much `remoteTotal` is too high, as the last comparison of message ids found. The
    correct number is `remoteTotal - countOffset`."""
    unread_offset: int
    """By how much the number of unread messages that the provider reports is too high, as the last
    comparison of read states found."""
    verified_at: datetime | None
    """When the stored message counts of the folder last matched the provider's counts. Null: not
    yet."""
    compared_at: datetime | None
    """When Mailsync last compared the ids and versions of all messages of the folder with the
    provider. Null: not compared yet."""
    differing: int
    """Number of messages for which the provider contradicted itself when the folder was last
    compared: its response by id differed from its list of the folder."""


class DifferenceView(CamelModel):
    """A message for which the provider contradicts itself: its response to a request for this
    message by id differs from its list of the folder's messages.

    Mailsync stores what the response by id says.
    """

    folder_id: int
    message_id: str
    cause: ContradictionKindFieldType
    found_at: datetime


class Notifications(CamelModel):
    """Whether the provider notifies Mailsync of changed mail in a mailbox at present, and its last
    notification. Without notifications, scheduled checks find the changes later."""

    state: PushHealth
    """`working`; `silent`: the provider did not announce the last change that Mailsync found;
    `lapsed`: the provider has no subscription, and Mailsync keeps trying to create one."""
    expires_at: datetime | None
    """When the subscription ends unless Mailsync renews it. Null: there is no subscription."""
    last_received_at: datetime | None
    """When the last notification arrived. Null: none has arrived."""
    last_error: str | None
    """The name of the error of the last attempt to create or renew the subscription. Null: the
    attempt succeeded."""


class AccountDetail(AccountView):
    """One connected mailbox of the caller, with all its folders."""

    notifications: Notifications | None
    """The provider's notifications of changed mail. Null: this mailbox has none, or its first sync
    has not ended."""

    folders: tuple[FolderSelection, ...]
    differences: tuple[DifferenceView, ...]
    """Messages for which the provider contradicts itself, at most 100 of each folder."""


class FolderPatch(CamelModel):
    """The user's decision whether Mailsync mirrors one folder."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    id: PositiveId
    selected: StrictBool


class AccountPatch(CamelModel):
    """The body of a request that changes an account. An omitted field stays unchanged; an unknown
    field is an error."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)

    paused: StrictBool | None = None
    """True pauses the account, false resumes it."""
    folders: Annotated[
        tuple[FolderPatch, ...], FailFast(), Field(max_length=MAX_FOLDERS_PER_PATCH)
    ] = ()
    """The folders to mirror or to stop mirroring, each at most once. Folders that are not named
    stay unchanged."""

    @model_validator(mode="after")
    def _reject_duplicate_folders(self) -> "AccountPatch":
        if len(self.map_folder_ids_to_is_selected()) < len(self.folders):
            raise ValueError("a folder is named twice")
        return self

    def map_folder_ids_to_is_selected(self) -> dict[FolderId, bool]:
        """Return the decisions of this request by folder id. True: mirror the folder."""
        return {FolderId(folder.id): folder.selected for folder in self.folders}
