"""Values with defaults; a test states only what it is about."""

from datetime import UTC, datetime
from typing import Any

from mailsync.credentials.identity import require_oauth_access_of_provider
from mailsync.decisions.plan import plan_database_writes_of_page
from mailsync.model import (
    AccountId,
    Address,
    Cursor,
    FeedId,
    FeedPosition,
    FeedRef,
    FolderId,
    FolderListing,
    FolderRef,
    Message,
    Page,
    ProviderName,
    RemoteFolder,
    RemoteId,
    Role,
    RunId,
    RunRef,
    SealedSecret,
    StoredFeed,
    StoredFolder,
    SyncType,
)
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.page_writes import PageWrite
from mailsync.store.run_store import RunStore
from tests.store.rows import rows

MICROSOFT = ProviderName("microsoft")
OAUTH = require_oauth_access_of_provider(MICROSOFT)
A_MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_message(
    remote_id: str = "m1", folder: str = "F1", *more_folders: str, **fields: Any
) -> Message:
    defaults: dict[str, Any] = {
        "subject": f"Subject of {remote_id}",
        "sender": Address("Ann", "ann@example.org"),
        "to": (Address("Bo", "bo@example.org"),),
        "body_html": f"<p>{remote_id}</p>",
        "received_at": A_MOMENT,
    }
    folders = tuple(map(RemoteId, (folder, *more_folders)))
    return Message(
        remote_id=RemoteId(remote_id), folder_remote_ids=folders, **{**defaults, **fields}
    )


def a_page(
    *changes: Any, next_cursor: str = "c1", has_more: bool = False, void_id_prefix: str = ""
) -> Page:
    return Page(
        tuple(changes), Cursor(next_cursor), has_more, invalidated_message_id_prefix=void_id_prefix
    )


def a_page_write(feed: StoredFeed, page: Page) -> PageWrite:
    """Under the first data key of the store; the cursor is not really sealed."""
    next_cursor = SealedSecret(1, page.next_cursor.encode())
    return PageWrite(feed, page, plan_database_writes_of_page(page), next_cursor, request_count=1)


def a_remote_folder(remote_id: str = "F1", **fields: Any) -> RemoteFolder:
    defaults: dict[str, Any] = {
        "parent_remote_id": None,
        "display_name": f"Folder {remote_id}",
        "role": Role.OTHER,
        "message_count": 0,
        "unread_message_count": 0,
    }
    return RemoteFolder(remote_id=RemoteId(remote_id), **{**defaults, **fields})


def a_known_folder(number: int = 1, remote_id: str = "F1", **fields: Any) -> StoredFolder:
    defaults: dict[str, Any] = {
        "parent_remote_id": None,
        "display_name": f"Folder {remote_id}",
        "role": Role.OTHER,
        "is_hidden_at_provider": False,
        "is_mirrored": True,
    }
    ref = FolderRef(FolderId(number), RemoteId(remote_id))
    position = fields.pop("position", FeedPosition(None, 1, True))
    own = StoredFeed(FeedRef(FeedId(number), ref), position, fields.pop("feed_read_at", None))
    return StoredFolder(ref=ref, feed=fields.pop("feed", own), **{**defaults, **fields})


def a_listing(*folders: RemoteFolder, **fields: Any) -> FolderListing:
    """A whole reading of a mailbox that has these folders, and an inbox unless they hold one."""
    if not any(each.role is Role.INBOX for each in folders):
        folders = (a_remote_folder("inbox", role=Role.INBOX), *folders)
    for name in ("gone_folder_remote_ids", "existing_unlisted_folder_remote_ids"):
        fields[name] = frozenset(map(RemoteId, fields.get(name, ())))
    return FolderListing(folders, **fields)


def connect_account(database: Database, who: str, provider: ProviderName = MICROSOFT) -> AccountId:
    """An account without credentials, and a data key under which something may be sealed."""
    credentials = CredentialStore(database)
    credentials.add_data_key(b"wrapped")
    return credentials.connect_account(
        user_id=who,
        provider=provider,
        provider_account_id=f"{who}.tenant",
        email_address=f"{who}@example.org",
    )


def complete_verified(database: Database, run: RunRef) -> None:
    """Complete the run as if all folders were read to their end and equal the provider's.

    A mailbox without a stored folder gets one.
    """
    folders = FolderStore(database)
    if not folders.read_existing_folders(run.account_id):
        folders.save_tree_changes(run, [a_remote_folder()], [])
    rows(database, "UPDATE mailsync.change_feeds SET walking = false RETURNING 1")
    folders.mark_verified_by_counts(
        run, [each.ref.id for each in folders.read_existing_folders(run.account_id)]
    )
    assert RunStore(database).complete_or_fail_run(run)


def begin_run(
    database: Database, account_id: AccountId, run_id: str = "run-1", arn: str = "arn-1"
) -> RunRef:
    """A run that holds the lease of the mailbox, for the execution of that ARN."""
    epoch = LeaseStore(database).take_lease(
        account_id, RunId(run_id), arn, SyncType.AUTOMATIC, "test"
    )
    assert epoch is not None
    return RunRef(account_id, RunId(run_id), epoch)
