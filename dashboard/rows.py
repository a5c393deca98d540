"""Rows as the dashboard's statements give them: columns in the order of the fields."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.store.removal_store import Removal


@dataclass(frozen=True, slots=True)
class Run:
    id: str
    account_id: str
    address: str
    status: str
    trigger: str
    sync_type: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class OneRun(Run):
    """`account_status` and `next_sync_at` are the mailbox's, as they are now."""

    execution_arn: str | None
    account_status: str
    next_sync_at: datetime


@dataclass(frozen=True, slots=True)
class RunFolder:
    folder_id: int
    name: str
    status: str
    pages: int
    inserted: int
    updated: int
    unchanged: int
    removed: int
    quarantined: int
    requests: int
    attempts: int
    error: str | None
    error_message: str | None
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """`run_…` belong to the open run; `stored` and `remote` are messages of selected folders."""

    id: str
    address: str
    provider: str
    status: str
    sync_status: str
    initial_sync_completed: bool
    verified_at: datetime | None
    compared_at: datetime | None
    last_sync_at: datetime | None
    next_sync_at: datetime
    last_error: str | None
    last_error_message: str | None
    failures: int
    run_id: str | None
    run_started_at: datetime | None
    run_inserted: int
    stored: int
    remote: int
    walking: bool
    quarantined: int
    removal: Removal


@dataclass(frozen=True, slots=True)
class Folder:
    """`verified_at`: the counts agreed; `compared_at`: ids and versions were compared. `differing`:
    messages about which the provider contradicted itself then."""

    id: int
    parent_id: int | None
    name: str
    role: str
    total: int
    unread: int
    remote_total: int
    count_offset: int
    unread_offset: int
    quarantined: int
    walking: bool
    selected: bool
    hidden: bool
    verified_at: datetime | None
    compared_at: datetime | None
    error: str | None
    error_message: str | None
    differing: int


@dataclass(frozen=True, slots=True)
class Difference:
    """`cause` is one of `mailsync.decisions.verify.Cause`."""

    message_id: str
    folder: str
    cause: str
    found_at: datetime


@dataclass(frozen=True, slots=True)
class Quarantined:
    message_id: str
    folder: str | None
    cause: str
    detail: str
    attempts: int
    last_tried_at: datetime
    next_try_at: datetime


@dataclass(frozen=True, slots=True)
class ListedMessage:
    id: int
    subject: str
    from_name: str | None
    from_address: str | None
    received_at: datetime | None
    is_read: bool
    is_flagged: bool
    has_attachments: bool
    snippet: str


@dataclass(frozen=True, slots=True)
class Message:
    """Recipients are lists of `{name, address}`; `remote_id` is the provider's."""

    id: int
    account_id: str
    address: str
    folder_id: int
    folder: str
    remote_id: str
    internet_message_id: str | None
    subject: str
    from_name: str | None
    from_address: str | None
    to: list[dict[str, Any]]
    cc: list[dict[str, Any]]
    bcc: list[dict[str, Any]]
    reply_to: list[dict[str, Any]]
    received_at: datetime | None
    sent_at: datetime | None
    is_read: bool
    is_draft: bool
    is_flagged: bool
    has_attachments: bool
    importance: str
    categories: list[str]
    snippet: str


@dataclass(frozen=True, slots=True)
class SentEvent:
    id: int
    at: datetime
    type: str
    detail: dict[str, Any]
