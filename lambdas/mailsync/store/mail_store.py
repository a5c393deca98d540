"""Folders and messages: every method is one transaction, and every writer passes the fence.

A page may arrive twice (Step Functions retries) and in two processes at once (a timed-out
function may still be running): writing it twice changes nothing, and only the one that moves
the cursor from where the page was asked may write it at all.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mailsync.errors import FolderGone, LeaseLost
from mailsync.metrics import MESSAGES_STORED, count
from mailsync.model import (
    AccountId,
    Counts,
    FolderId,
    FolderRef,
    KnownFolder,
    Message,
    Page,
    PagePlan,
    Position,
    RemoteFolder,
    RemoteId,
    Role,
    RunRef,
    Sealed,
    Unreadable,
)
from mailsync.store import page_rows, rows
from mailsync.store.connection import Database, Transaction
from mailsync.sync.verify import Difference, FolderCount

PIECE = 2000
"""Messages that one transaction deletes; a second or so, bodies included."""

MOST_DIFFERENCES = 100
"""Kept of one folder; whoever looks for their cause needs examples, and the number."""


@dataclass(frozen=True, slots=True)
class PageWrite:
    """One page on its way into the store: from which position to which, and what it cost."""

    folder: KnownFolder
    page: Page
    plan: PagePlan
    next_cursor: Sealed
    requests: int


class MailStore:
    """Reads and writes the mail of accounts. Raises StoreUnavailable and StoreRejected."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def folders(self, account_id: AccountId) -> tuple[KnownFolder, ...]:
        with self._database.transaction() as tx:
            found = tx.run("known_folders", account_id=account_id)
        return tuple(known_folder(row) for row in found)

    def folder(self, account_id: AccountId, folder_id: FolderId) -> KnownFolder:
        """Raises FolderGone when the account has no such folder any more."""
        with self._database.transaction() as tx:
            found = tx.run("find_folder", account_id=account_id, folder_id=folder_id)
        if not found:
            raise FolderGone(f"Folder {folder_id} is not known any more.")
        return known_folder(found[0])

    def save_folders(
        self, run: RunRef, changed: Sequence[RemoteFolder], gone: Sequence[FolderId]
    ) -> None:
        """Mail of a folder that is gone is marked as removed, and verified before it is deleted."""
        with self._fenced(run) as tx:
            if changed:
                tx.run("save_folders", account_id=run.account_id, folders=rows.folder_rows(changed))
            if gone:
                tx.run("forget_folders", account_id=run.account_id, ids=rows.to_json(gone))

    def save_remote_counts(self, run: RunRef, folders: Sequence[RemoteFolder]) -> None:
        with self._fenced(run) as tx:
            tx.run(
                "save_remote_counts", account_id=run.account_id, folders=rows.folder_rows(folders)
            )

    def drop_gone_folders(self, run: RunRef) -> None:
        with self._fenced(run) as tx:
            tx.run("drop_gone_folders", account_id=run.account_id)

    def restart_walk(self, run: RunRef, folder_id: FolderId) -> None:
        with self._fenced(run) as tx:
            tx.run("restart_walk", folder_id=folder_id)
            tx.run("count_reset", run_id=run.run_id, folder_id=folder_id)

    def restart_walks(self, run: RunRef, folder_ids: Sequence[FolderId]) -> None:
        """Of these folders, or of all when none is named."""
        named = rows.to_json(folder_ids) if folder_ids else None
        with self._fenced(run) as tx:
            tx.run("restart_walks", account_id=run.account_id, ids=named)

    def drop_unselected(self, run: RunRef) -> int:
        """Deletes the mail of folders that are not mirrored, piece by piece; how many rows."""
        dropped = 0
        while True:
            with self._fenced(run) as tx:
                piece = tx.changed("drop_unselected", account_id=run.account_id, limit=PIECE)
            dropped += piece
            if piece < PIECE:
                return dropped

    def save_page_size(self, run: RunRef, folder_id: FolderId, page_size: int) -> None:
        with self._fenced(run) as tx:
            tx.run("save_page_size", folder_id=folder_id, page_size=page_size)

    def apply_page(self, run: RunRef, write: PageWrite) -> Counts | None:
        """Rows, removals, quarantine, cursor and, after the last page of a walk, the sweep.

        Returns None when another worker has moved the cursor meanwhile: nothing was written,
        ask for the position again.

        Raises:
            LeaseLost: another execution owns the mailbox.
            SuspiciousRemoval: the sweep would take most of a folder that the provider calls full.
        """
        counts = page_rows.setting_aside(lambda careful: self._apply_page(run, write, careful))
        _tell(counts)
        return counts

    def apply_messages(
        self,
        run: RunRef,
        folder: KnownFolder | None,
        messages: Sequence[Message],
        unreadable: Sequence[Unreadable] = (),
    ) -> Counts:
        """Messages that were fetched by id; each goes to the folder that it names, or else to
        `folder`. Without `folder` all of them must name a known one, and what is unreadable
        must be in quarantine already."""

        def write(careful: bool) -> Counts:
            with self._fenced(run) as tx:
                counts = page_rows.save_messages(tx, run, folder, messages, careful=careful)
                return counts + page_rows.quarantine(tx, run, folder, unreadable)

        counts = page_rows.setting_aside(write)
        _tell(counts)
        return counts

    def mark_removed(self, run: RunRef, folder_id: FolderId, ids: Sequence[RemoteId]) -> int:
        with self._fenced(run) as tx:
            return tx.changed(
                "mark_removed",
                account_id=run.account_id,
                folder_id=folder_id,
                ids=rows.to_json(ids),
            )

    def removed_ids(self, run: RunRef, after: str, limit: int) -> tuple[RemoteId, ...]:
        """Messages that left their folder and await the provider's word, in the order of id."""
        with self._database.transaction() as tx:
            found = tx.run("removed_ids", account_id=run.account_id, after=after, limit=limit)
        return tuple(RemoteId(each) for (each,) in found)

    def delete_emails(self, run: RunRef, ids: Collection[RemoteId]) -> int:
        """Deletes those of `ids` that are still marked as removed."""
        with self._fenced(run) as tx:
            return tx.changed(
                "delete_emails", account_id=run.account_id, ids=rows.to_json(list(ids))
            )

    def recount(self, run: RunRef) -> dict[FolderId, FolderCount]:
        """Counts every folder from its rows and sets them beside the provider's."""
        with self._fenced(run) as tx:
            tx.run("recount", account_id=run.account_id)
            found = tx.run("folder_counts", account_id=run.account_id)
        return {
            FolderId(folder_id): FolderCount(
                remote=remote,
                stored=stored,
                quarantined=quarantined,
                remote_unread=remote_unread,
                unread=unread,
            )
            for folder_id, remote, stored, remote_unread, unread, quarantined in found
        }

    def mark_verified(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """What was different in these folders is so no longer."""
        with self._fenced(run) as tx:
            tx.run("mark_verified", ids=rows.to_json(list(folders)))

    def mark_repaired(self, run: RunRef, folder_id: FolderId, left: Sequence[Difference]) -> None:
        """The folder is proven but for what is `left`; of that the first hundred ids are kept."""
        with self._fenced(run) as tx:
            tx.run("mark_verified", ids=rows.to_json([folder_id]))
            if left:
                tx.run(
                    "save_differences",
                    account_id=run.account_id,
                    folder_id=folder_id,
                    number=len(left),
                    differences=rows.difference_rows(left[:MOST_DIFFERENCES]),
                )

    def verified_folders(self, run: RunRef) -> frozenset[FolderId]:
        """The folders that were proven in this run."""
        with self._database.transaction() as tx:
            found = tx.run("verified_folders", run_id=run.run_id)
        return frozenset(FolderId(each) for (each,) in found)

    def entries(self, run: RunRef, folder_id: FolderId) -> dict[RemoteId, bool]:
        """The read state of each message that is stored in a folder."""
        with self._database.transaction() as tx:
            found = tx.run("folder_entries", account_id=run.account_id, folder_id=folder_id)
        return {RemoteId(message_id): is_read for message_id, is_read in found}

    def leave_quarantine(
        self, run: RunRef, ids: Collection[RemoteId], folder_id: FolderId | None = None
    ) -> None:
        """Messages that are gone, from everywhere or from one folder."""
        with self._fenced(run) as tx:
            tx.run(
                "leave_quarantine",
                account_id=run.account_id,
                folder_id=folder_id,
                ids=rows.to_json(list(ids)),
            )

    def due_in_quarantine(self, run: RunRef, limit: int) -> tuple[RemoteId, ...]:
        """Messages worth another try: 10 minutes after the first one, doubling to a day."""
        with self._database.transaction() as tx:
            found = tx.run("due_in_quarantine", account_id=run.account_id, limit=limit)
        return tuple(RemoteId(each) for (each,) in found)

    def quarantined(self, run: RunRef, folder_id: FolderId) -> frozenset[RemoteId]:
        with self._database.transaction() as tx:
            found = tx.run("quarantined_ids", account_id=run.account_id, folder_id=folder_id)
        return frozenset(RemoteId(each) for (each,) in found)

    def _apply_page(self, run: RunRef, write: PageWrite, careful: bool) -> Counts | None:
        folder, plan = write.folder, write.plan
        with self._fenced(run) as tx:
            if not self._advance(tx, write):
                return None
            counts = page_rows.save_messages(tx, run, folder, plan.upserts, careful=careful)
            counts += page_rows.remove(tx, run, folder, plan)
            counts += page_rows.quarantine(tx, run, folder, plan.unreadable)
            if folder.position.walking and not write.page.has_more:
                counts += page_rows.sweep(tx, run, folder)
            _count(tx, run, write, counts)
        return counts

    def _fenced(self, run: RunRef) -> "_Fenced":
        return _Fenced(self._database, run)

    @staticmethod
    def _advance(tx: Transaction, write: PageWrite) -> bool:
        position = write.folder.position
        return bool(
            tx.run(
                "advance_cursor",
                folder_id=write.folder.ref.id,
                walk=position.walk,
                cursor=position.cursor.data if position.cursor else None,
                next_key_id=write.next_cursor.key_id,
                next_cursor=write.next_cursor.data,
                has_more=write.page.has_more,
            )
        )


class _Fenced:
    """A transaction that begins by proving that this execution still holds the lease."""

    def __init__(self, database: Database, run: RunRef) -> None:
        self._transaction = database.transaction()
        self._run = run

    def __enter__(self) -> Transaction:
        tx = self._transaction.__enter__()
        try:
            if not tx.run(
                "check_lease", account_id=self._run.account_id, epoch=self._run.lease_epoch
            ):
                raise LeaseLost(
                    f"Run {self._run.run_id}: another execution owns the mailbox now;"
                    " nothing was written."
                )
        except BaseException as error:
            self._transaction.__exit__(type(error), error, error.__traceback__)
            raise
        return tx

    def __exit__(self, *raised: object) -> bool | None:
        return self._transaction.__exit__(*raised)  # type: ignore[arg-type]


def _count(tx: Transaction, run: RunRef, write: PageWrite, counts: Counts) -> None:
    if not (write.page.changes or write.folder.position.walking):
        return  # a probe that found nothing is not worth a row
    folder_id = write.folder.ref.id
    if counts.inserted or counts.removed:
        tx.run("add_progress", folder_id=folder_id, added=counts.inserted - counts.removed)
    tx.run(
        "count_page",
        run_id=run.run_id,
        folder_id=folder_id,
        requests=write.requests,
        inserted=counts.inserted,
        updated=counts.updated,
        unchanged=counts.unchanged,
        removed=counts.removed,
        quarantined=counts.quarantined,
        has_more=write.page.has_more,
    )


def _tell(counts: Counts | None) -> None:
    if counts and (stored := counts.inserted + counts.updated):
        count(MESSAGES_STORED, stored)


def known_folder(row: list[Any]) -> KnownFolder:
    """From a row of `known_folders`."""
    number, remote, parent, name, role, hidden, selected, *position = row
    key_id, cursor, walk, walking, size, midway = position
    return KnownFolder(
        ref=FolderRef(FolderId(number), RemoteId(remote)),
        parent_remote_id=RemoteId(parent) if parent else None,
        display_name=name,
        role=Role(role),
        hidden=hidden,
        selected=selected,
        position=Position(
            cursor=Sealed(key_id, cursor) if cursor is not None else None,
            walk=walk,
            walking=walking,
            page_size=size,
            midway=midway,
        ),
    )
