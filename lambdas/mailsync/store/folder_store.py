"""Store the folders of an account. Every method is one transaction; every writing method checks the
run's lease first.

Raises StoreUnavailable and StoreRejected; writing methods also raise LeaseLost.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mailsync.decisions.safety import (
    GONE_FOLDER_DESELECTION_RETENTION,
    MIN_TIME_FROM_REMOVAL_TO_DELETION,
)
from mailsync.decisions.verify import (
    FAILED_FOLDER_COMPARISON_RETRY_DELAY,
    MAX_TIME_BETWEEN_FOLDER_COMPARISONS,
    FolderCounts,
    MessageContradictingListing,
)
from mailsync.errors import FolderGone
from mailsync.model import (
    AccountId,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    MessageListing,
    RemoteFolder,
    RemoteId,
    Role,
    RunRef,
    StoredFeed,
    StoredFolder,
)
from mailsync.store import rows
from mailsync.store.connection import Database, Transaction
from mailsync.store.feed_store import columns_to_feed_position
from mailsync.store.fence import FencedTransaction

GONE_FOLDER_SQL_TIME_LIMITS_S = {
    "confirmed_s": MIN_TIME_FROM_REMOVAL_TO_DELETION.total_seconds(),
    "choice_s": GONE_FOLDER_DESELECTION_RETENTION.total_seconds(),
}
"""Time limits in seconds, as parameters of SQL statements about folders that are gone at the
provider. `confirmed_s`: the minimum time between the two reports that a folder is gone.
`choice_s`: how long a user's deselection of the folder is kept."""
MAX_STORED_LISTING_CONTRADICTIONS_PER_FOLDER = 100
"""The maximum number of message ids that are stored per folder as examples of contradictions of the
provider. The number of all contradictions is stored as well."""


@dataclass(frozen=True, slots=True)
class FolderWithCounts:
    """A mirrored folder with its counts.

    stored_and_remote_counts: the stored counts and the provider's counts.
    is_full_sync_complete: whether the folder's full sync has ended.
    total_and_unread_of_last_listing: numbers of all and of unread messages in the provider's last
        list of the folder. None: that list was incomplete, or the folder was never listed.
    listing_contradiction_count: number of messages for which the provider's response by id
        contradicted this list. A verification by counts resets the number to 0.
    """

    stored_and_remote_counts: FolderCounts
    is_full_sync_complete: bool
    total_and_unread_of_last_listing: tuple[int, int] | None
    listing_contradiction_count: int


class FolderStore:
    """Reads and writes folders, each with the change feed that reports its changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_existing_folders(self, account_id: AccountId) -> tuple[StoredFolder, ...]:
        """Return the account's stored folders that exist at the provider."""
        with self._database.transaction() as tx:
            found = tx.run("known_folders", account_id=account_id)
        return tuple(row_to_stored_folder(row) for row in found)

    def read_existing_and_gone_folders(
        self, account_id: AccountId
    ) -> tuple[tuple[StoredFolder, ...], tuple[StoredFolder, ...]]:
        """Return two results: the stored folders that exist at the provider, and the hidden folders
        that are due for another request by id, after which they may be deleted."""
        with self._database.transaction() as tx:
            known = tx.run("known_folders", account_id=account_id)
            gone = tx.run("hidden_folders", account_id=account_id, **GONE_FOLDER_SQL_TIME_LIMITS_S)
        return tuple(map(row_to_stored_folder, known)), tuple(map(row_to_stored_folder, gone))

    def read_folder(self, account_id: AccountId, folder_id: FolderId) -> StoredFolder:
        """Return the account's folder with this id.

        Raises:
            FolderGone: the account has no such folder, or the folder no longer exists at the
                provider.
        """
        with self._database.transaction() as tx:
            found = tx.run("find_folder", account_id=account_id, folder_id=folder_id)
        if not found:
            raise FolderGone(f"Folder {folder_id} no longer exists.")
        return row_to_stored_folder(found[0])

    def save_tree_changes(
        self,
        run: RunRef,
        changed: Sequence[RemoteFolder],
        gone: Sequence[FolderId],
        *,
        new_ids: Mapping[FolderId, RemoteId] | None = None,
        new_key_prefixes: Mapping[str, str] | None = None,
        has_feed_per_folder: bool = True,
        do_ids_survive_moves: bool = True,
    ) -> None:
        """Store new and changed folders; hide the folders that are gone.
        `MailStore.remove_batch_of_stored_unmirrored_mail` then hides their mail.

        new_ids: the new id at the provider, by the id of the stored folder. The folder keeps its
            selection and its mail, and starts a full sync. The folder is hidden instead if another
            stored folder has the new id.
        new_key_prefixes: the new prefixes of the provider's message ids, by the earlier prefixes.
            If a message gets an id that a hidden message has, the hidden message loses this id.
        has_feed_per_folder: whether each new folder gets its own change feed. False: one feed
            reports the changes of the whole mailbox.
        do_ids_survive_moves: see `ProviderTraits`. False: a folder that comes back starts a full
            sync, because its messages may have new ids.
        """
        with FencedTransaction(self._database, run) as tx:
            if new_ids:
                renamed = _change_remote_ids(tx, run.account_id, new_ids)
                gone = [*gone, *(new_ids.keys() - renamed)]
            _rename_keys(tx, run.account_id, new_key_prefixes or {})
            if changed:
                if not do_ids_survive_moves:
                    tx.run(
                        "restart_hidden_folders",
                        account_id=run.account_id,
                        folders=rows.folders_json(changed),
                    )
                feed_id = None if has_feed_per_folder else _add_mailbox_feed(tx, run.account_id)
                tx.run(
                    "save_folders",
                    account_id=run.account_id,
                    folders=rows.folders_json(changed),
                    feed_id=feed_id,
                )
            if gone:
                tx.run("hide_folders", account_id=run.account_id, ids=rows.to_jsonb(gone))

    def save_remote_counts(self, run: RunRef, folders: Sequence[RemoteFolder]) -> None:
        """Store the provider's message counts of the folders. A folder for which the provider lists
        no counts keeps its stored counts."""
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "save_remote_counts", account_id=run.account_id, folders=rows.folders_json(folders)
            )

    def record_folder_tree_reading(self, run: RunRef, *, is_thorough: bool) -> None:
        with FencedTransaction(self._database, run) as tx:
            tx.run("save_tree_reading", account_id=run.account_id, is_thorough=is_thorough)

    def delete_folders_reported_gone_twice(self, run: RunRef, gone: Iterable[RemoteId]) -> None:
        """Delete each folder of `gone` that contains no mail and that the provider has reported as
        gone twice. A deselected folder is kept longer, so that it is still deselected if it comes
        back."""
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "drop_gone_folders",
                account_id=run.account_id,
                remote_ids=rows.to_jsonb(sorted(gone)),
                **GONE_FOLDER_SQL_TIME_LIMITS_S,
            )

    def recount_stored_messages(
        self,
        run: RunRef,
        *,
        is_message_in_one_folder: bool = True,
        has_unread_counts: bool = False,
        counts_every_folder: bool = False,
    ) -> dict[FolderId, FolderWithCounts]:
        """Count the stored messages of each folder that has changed since its last count, or whose
        stored counts differ from the provider's. Return both counts of all mirrored folders.

        is_message_in_one_folder: whether each message is in only one folder. False: also count the
            messages of the account, because the counts of its folders add up to more.
        has_unread_counts: whether this verification has not fetched the provider's counts of some
            folders. The run then verifies only the folders with fetched counts, not the whole
            mailbox.
        counts_every_folder: whether to count folders without a change, too.
        """
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "recount",
                account_id=run.account_id,
                run_id=run.run_id,
                is_left=has_unread_counts,
                is_every=counts_every_folder,
            )
            if not is_message_in_one_folder:
                tx.run("count_messages", account_id=run.account_id)
            found = tx.run("folder_counts", account_id=run.account_id)
        return {FolderId(row[0]): _counted(*row[1:]) for row in found}

    def mark_verified_by_counts(
        self, run: RunRef, folders: Iterable[FolderId]
    ) -> frozenset[FolderId]:
        """Record that these folders are verified, because their counts equal the provider's. Delete
        the recorded contradictions and errors of these folders. Return all folders whose counts or
        message ids this run has found equal to the provider's."""
        ids = rows.to_jsonb(list(folders))
        with FencedTransaction(self._database, run) as tx:
            found = tx.run("mark_verified", run_id=run.run_id, ids=ids)
        return frozenset(FolderId(folder_id) for (folder_id,) in found)

    def mark_verified_by_id_comparison(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """Record that these folders are verified, because a comparison of ids has explained why
        their counts differ from the provider's."""
        with FencedTransaction(self._database, run) as tx:
            tx.run("save_verified", ids=rows.to_jsonb(list(folders)))

    def save_id_comparison(
        self,
        run: RunRef,
        folder_id: FolderId,
        listing: MessageListing,
        left: Sequence[MessageContradictingListing],
        *,
        has_flags: bool = True,
    ) -> None:
        """Record that the folder's message ids were compared with the provider's listing, and equal
        the listing now, except for contradictions.

        left: the messages for which the provider's response by id contradicts the listing.
        has_flags: whether the listing had flags, such as the read state. False: the folder counts
            as verified only if its counts agree with the provider's, too.
        """
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "mark_compared",
                run_id=run.run_id,
                folder_id=folder_id,
                has_flags=has_flags,
                **listing_counts_to_sql_parameters(listing),
            )
            if left:
                tx.run(
                    "save_differences",
                    account_id=run.account_id,
                    folder_id=folder_id,
                    number=len(left),
                    differences=rows.listing_contradictions_json(
                        left[:MAX_STORED_LISTING_CONTRADICTIONS_PER_FOLDER]
                    ),
                )

    def are_flags_compared_in_other_folder(
        self, run: RunRef, folder_id: FolderId, elsewhere: RemoteId
    ) -> bool:
        """Return whether the comparison of another folder covers the flags of this folder's
        messages. Return True if three conditions hold: this folder is due for a comparison, the
        other folder is mirrored, and the other folder was compared in this run or is due for a
        comparison.

        elsewhere: the provider's id of the other folder.
        """
        with self._database.transaction() as tx:
            return bool(
                tx.run(
                    "are_flags_compared_elsewhere",
                    run_id=run.run_id,
                    folder_id=folder_id,
                    remote_id=elsewhere,
                )
            )

    def make_message_id_comparison_due(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """Make the next verification compare the message ids of these folders with the
        provider's."""
        with FencedTransaction(self._database, run) as tx:
            tx.run("compare_soon", ids=rows.to_jsonb(list(folders)))

    def postpone_message_id_comparison(self, run: RunRef, folders: Iterable[FolderId]) -> None:
        """Postpone the next comparison of message ids in these folders by
        `FAILED_FOLDER_COMPARISON_RETRY_DELAY`. The caller does this before a comparison, in case
        the comparison fails. Folders whose comparison was requested stay due."""
        with FencedTransaction(self._database, run) as tx:
            tx.run(
                "compare_later",
                ids=rows.to_jsonb(list(folders)),
                ago_s=(
                    MAX_TIME_BETWEEN_FOLDER_COMPARISONS - FAILED_FOLDER_COMPARISON_RETRY_DELAY
                ).total_seconds(),
            )

    def save_remote_overcounts_of_folders(
        self, run: RunRef, offsets: Mapping[FolderId, tuple[int, int]]
    ) -> None:
        """Store for each folder by how much the provider's own message counts are wrong.

        offsets: for each folder, two numbers: how many messages, and how many unread messages, the
            provider counts in excess of the true number.
        """
        entries = [
            {"folder_id": folder_id, "total": total, "unread": unread}
            for folder_id, (total, unread) in offsets.items()
        ]
        with FencedTransaction(self._database, run) as tx:
            tx.run("save_offsets", offsets=rows.to_jsonb(entries))


def listing_counts_to_sql_parameters(listing: MessageListing) -> dict[str, int | None]:
    """Count the messages of a listing; return the statement parameters `total` (all messages) and
    `unread`. Both are None if the listing is incomplete. `unread` is also None if the listing has
    no read states."""
    if not listing.is_complete:
        return {"total": None, "unread": None}
    if any(entry.is_read is None for entry in listing.messages):
        return {"total": len(listing.messages), "unread": None}
    unread = sum(not entry.is_read for entry in listing.messages)
    return {"total": len(listing.messages), "unread": unread}


def row_to_stored_folder(row: Sequence[Any]) -> StoredFolder:
    """Convert a row that the query `known_folders` returned to a StoredFolder."""
    number, remote, parent, name, role, hidden, selected, feed_id, is_mailbox_feed, *rest = row
    *position, read_at, has_pending, total, unread, active_at, wants_counts = rest
    ref = FolderRef(FolderId(number), RemoteId(remote))
    return StoredFolder(
        ref=ref,
        parent_remote_id=RemoteId(parent) if parent else None,
        display_name=name,
        role=Role(role),
        is_hidden_at_provider=hidden,
        is_mirrored=selected,
        feed=StoredFeed(
            FeedRef(FeedId(feed_id), None if is_mailbox_feed else ref),
            columns_to_feed_position(position),
            read_at,
            has_pending,
        ),
        remote_total=total,
        remote_unread=unread,
        last_change_found_at=active_at,
        are_remote_counts_outdated=wants_counts,
    )


def _change_remote_ids(
    tx: Transaction, account_id: AccountId, new_ids: Mapping[FolderId, RemoteId]
) -> frozenset[FolderId]:
    entries = [{"folder_id": each, "remote_id": new_ids[each]} for each in sorted(new_ids)]
    found = tx.run("change_remote_ids", account_id=account_id, folders=rows.to_jsonb(entries))
    return frozenset(FolderId(folder_id) for (folder_id,) in found)


def _rename_keys(tx: Transaction, account_id: AccountId, prefixes: Mapping[str, str]) -> None:
    for old, new in prefixes.items():
        renaming = {"account_id": account_id, "old_prefix": old, "new_prefix": new}
        tx.run("void_keys_in_the_way", **renaming)
        tx.run("rename_keys", **renaming)


def _add_mailbox_feed(tx: Transaction, account_id: AccountId) -> FeedId:
    [[feed_id]] = tx.run("add_mailbox_feed", account_id=account_id)
    return FeedId(feed_id)


def _counted(*row: Any) -> FolderWithCounts:
    remote, stored, remote_unread, unread, quarantined, *rest = row
    offset, unread_offset, compared_at, full_sync_running, list_total, list_unread, differing = rest
    return FolderWithCounts(
        stored_and_remote_counts=FolderCounts(
            remote_total=remote,
            stored_total=stored,
            quarantined_message_count=quarantined,
            remote_unread=remote_unread,
            stored_unread=unread,
            remote_total_overcount=offset,
            remote_unread_overcount=unread_offset,
            message_ids_compared_at=compared_at,
        ),
        is_full_sync_complete=not full_sync_running,
        total_and_unread_of_last_listing=None if list_total is None else (list_total, list_unread),
        listing_contradiction_count=differing,
    )
