"""The folders of an account: every method is one transaction, and every writer passes the fence.

Raises StoreUnavailable and StoreRejected, and LeaseLost from writers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailsync.decisions.safety import CONFIRMATION_DELAY, SELECTION_RETENTION
from mailsync.decisions.verify import (
    COMPARISON_RETRY_AFTER,
    MAX_COMPARISON_AGE,
    Difference,
    FolderCount,
)
from mailsync.errors import FolderGone
from mailsync.model import (
    AccountId,
    FolderId,
    FolderRef,
    IdListing,
    KnownFolder,
    Position,
    RemoteFolder,
    RemoteId,
    Role,
    RunRef,
    Sealed,
)
from mailsync.store import rows
from mailsync.store.connection import Database
from mailsync.store.fence import Fenced

GONE_AFTER = {
    "confirmed_s": CONFIRMATION_DELAY.total_seconds(),
    "choice_s": SELECTION_RETENTION.total_seconds(),
}
"""How long a folder is hidden before its id is requested for the last time."""
MAX_DIFFERENCES = 100
"""Kept of one folder; whoever looks for their cause needs examples, and the number."""


@dataclass(frozen=True, slots=True)
class CountedFolder:
    """A selected folder as the verification sees it.

    `is_synced`: its full sync has ended. `listed` are the messages, and the unread ones, that the
    provider listed when the ids were last compared; None: that list was not complete.
    """

    count: FolderCount
    is_synced: bool
    listed: tuple[int, int] | None


class FolderStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def folders(self, account_id: AccountId) -> tuple[KnownFolder, ...]:
        """The folders that exist."""
        with self._database.transaction() as tx:
            found = tx.run("known_folders", account_id=account_id)
        return tuple(known_folder(row) for row in found)

    def hidden(self, account_id: AccountId) -> tuple[KnownFolder, ...]:
        """Folders that were gone when the provider was asked, and about which it is asked again."""
        with self._database.transaction() as tx:
            found = tx.run("hidden_folders", account_id=account_id, **GONE_AFTER)
        return tuple(known_folder(row) for row in found)

    def folder(self, account_id: AccountId, folder_id: FolderId) -> KnownFolder:
        """Raises FolderGone when the account has no such folder any more."""
        with self._database.transaction() as tx:
            found = tx.run("find_folder", account_id=account_id, folder_id=folder_id)
        if not found:
            raise FolderGone(f"Folder {folder_id} is not known any more.")
        return known_folder(found[0])

    def save(self, run: RunRef, changed: Sequence[RemoteFolder], gone: Sequence[FolderId]) -> None:
        """Store new and changed folders; hide those that are gone, with their mail."""
        with Fenced(self._database, run) as tx:
            if changed:
                tx.run("save_folders", account_id=run.account_id, folders=rows.folder_rows(changed))
            if gone:
                tx.run("hide_folders", account_id=run.account_id, ids=rows.to_json(gone))

    def save_remote_counts(self, run: RunRef, folders: Sequence[RemoteFolder]) -> None:
        """Store the provider's counts, where it gave any."""
        with Fenced(self._database, run) as tx:
            tx.run(
                "save_remote_counts", account_id=run.account_id, folders=rows.folder_rows(folders)
            )

    def save_tree_reading(self, run: RunRef, *, is_thorough: bool) -> None:
        with Fenced(self._database, run) as tx:
            tx.run("save_tree_reading", account_id=run.account_id, is_thorough=is_thorough)

    def drop_gone(self, run: RunRef, gone: Iterable[RemoteId]) -> None:
        """Delete folders that are gone for the second time of asking, and hold no mail."""
        with Fenced(self._database, run) as tx:
            tx.run(
                "drop_gone_folders",
                account_id=run.account_id,
                remote_ids=rows.to_json(sorted(gone)),
                **GONE_AFTER,
            )

    def restart_full_sync(
        self, run: RunRef, folder_id: FolderId, *, fallback: int | None = None
    ) -> None:
        """Forget the cursor; `fallback` is how many of the provider's feeds have failed, None: as
        many as before."""
        with Fenced(self._database, run) as tx:
            tx.run("restart_full_sync", folder_id=folder_id, fallback=fallback)
            tx.run("count_reset", run_id=run.run_id, folder_id=folder_id)

    def retry_feeds(self, run: RunRef) -> None:
        """Begin the feed anew in folders where it failed, a day after it did."""
        with Fenced(self._database, run) as tx:
            tx.run("retry_feeds", account_id=run.account_id)

    def restart_full_syncs(self, run: RunRef, folder_ids: Sequence[FolderId]) -> None:
        """Of these folders, or of all when none is named; of each once in a run."""
        named = rows.to_json(folder_ids) if folder_ids else None
        with Fenced(self._database, run) as tx:
            tx.run("restart_full_syncs", account_id=run.account_id, run_id=run.run_id, ids=named)

    def save_page_size(self, run: RunRef, folder_id: FolderId, page_size: int) -> None:
        with Fenced(self._database, run) as tx:
            tx.run("save_page_size", folder_id=folder_id, page_size=page_size)

    def recount(self, run: RunRef) -> dict[FolderId, CountedFolder]:
        """Count every folder from its rows, and return that beside the provider's counts."""
        with Fenced(self._database, run) as tx:
            tx.run("recount", account_id=run.account_id)
            found = tx.run("folder_counts", account_id=run.account_id)
        return {FolderId(row[0]): _counted(*row[1:]) for row in found}

    def mark_verified(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """What was different in these folders is so no longer."""
        with Fenced(self._database, run) as tx:
            tx.run("mark_verified", ids=rows.to_json(list(folders)))

    def save_verified(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """They were compared, and every difference of their counts is explained."""
        with Fenced(self._database, run) as tx:
            tx.run("save_verified", ids=rows.to_json(list(folders)))

    def equal(self, run: RunRef) -> frozenset[FolderId]:
        """The folders that were equal in this run, by their counts or by their ids."""
        with self._database.transaction() as tx:
            found = tx.run("equal_folders", run_id=run.run_id)
        return frozenset(FolderId(folder_id) for (folder_id,) in found)

    def mark_compared(
        self, run: RunRef, folder_id: FolderId, listing: IdListing, left: Sequence[Difference]
    ) -> None:
        """The folder equals its listing but for what is `left`, of which the first hundred ids
        are kept."""
        with Fenced(self._database, run) as tx:
            tx.run("mark_compared", folder_id=folder_id, **listed_counts(listing))
            if left:
                tx.run(
                    "save_differences",
                    account_id=run.account_id,
                    folder_id=folder_id,
                    number=len(left),
                    differences=rows.difference_rows(left[:MAX_DIFFERENCES]),
                )

    def compare_soon(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """Their ids are compared by the next verification."""
        with Fenced(self._database, run) as tx:
            tx.run("compare_soon", ids=rows.to_json(list(folders)))

    def compare_later(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """Should the comparison that is due fail, it is tried again some hours later."""
        with Fenced(self._database, run) as tx:
            tx.run(
                "compare_later",
                ids=rows.to_json(list(folders)),
                ago_s=(MAX_COMPARISON_AGE - COMPARISON_RETRY_AFTER).total_seconds(),
            )

    def save_offsets(self, run: RunRef, offsets: Mapping[FolderId, tuple[int, int]]) -> None:
        """By how much the provider's counts of messages and of unread ones are wrong."""
        entries = [
            {"folder_id": folder_id, "total": total, "unread": unread}
            for folder_id, (total, unread) in offsets.items()
        ]
        with Fenced(self._database, run) as tx:
            tx.run("save_offsets", offsets=rows.to_json(entries))


def listed_counts(listing: IdListing) -> dict[str, int | None]:
    """What a complete listing holds, as parameters of a statement."""
    if not listing.is_complete:
        return {"total": None, "unread": None}
    unread = sum(not entry.is_read for entry in listing.entries)
    return {"total": len(listing.entries), "unread": unread}


def known_folder(row: Sequence[Any]) -> KnownFolder:
    """From a row of `known_folders`."""
    number, remote, parent, name, role, hidden, selected, *rest = row
    key_id, cursor, generation, full_sync_running, size, mid_round, fallback, *counts = rest
    total, unread, active_at, read_at = counts
    return KnownFolder(
        ref=FolderRef(FolderId(number), RemoteId(remote)),
        parent_remote_id=RemoteId(parent) if parent else None,
        display_name=name,
        role=Role(role),
        hidden=hidden,
        selected=selected,
        position=Position(
            cursor=Sealed(key_id, cursor) if cursor is not None else None,
            generation=generation,
            full_sync_running=full_sync_running,
            page_size=size,
            mid_round=mid_round,
            fallback=fallback,
        ),
        remote_total=total,
        remote_unread=unread,
        active_at=active_at,
        read_at=read_at,
    )


def _counted(*row: Any) -> CountedFolder:
    remote, stored, remote_unread, unread, quarantined, *rest = row
    offset, unread_offset, compared_at, full_sync_running, list_total, list_unread = rest
    return CountedFolder(
        count=FolderCount(
            remote=remote,
            stored=stored,
            quarantined=quarantined,
            remote_unread=remote_unread,
            unread=unread,
            offset=offset,
            unread_offset=unread_offset,
            compared_at=compared_at,
        ),
        is_synced=not full_sync_running,
        listed=None if list_total is None else (list_total, list_unread),
    )
