"""Verify every folder by comparing its stored counts with the provider's counts: the work of the
state `recalculate-counts`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailsync.decisions.budget import has_time_for_more_folders
from mailsync.decisions.folders import (
    find_reason_of_incomplete_listing,
    sort_folders_by_last_change,
)
from mailsync.decisions.verify import (
    MAX_DUE_FOLDERS_COMPARED_PER_RUN,
    MAX_FOLDERS_PER_REPAIR_ROUND,
    MAX_REPAIRS_OF_SAME_FOLDER_PER_RUN,
    compute_max_repair_rounds,
    do_counts_match_provider,
    find_folders_due_for_comparison,
)
from mailsync.errors import ProviderUnavailable
from mailsync.log import logger
from mailsync.metrics import FOLDERS_LEFT_UNVERIFIED, FOLDERS_REPAIRED, add_to_metric
from mailsync.model import FolderId, FolderListing, FolderTreeReadingMode, StoredFolder
from mailsync.store.folder_store import FolderWithCounts
from mailsync.store.stores import MailboxStores
from mailsync.sync.folder_tree import FolderSyncResult
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.quarantine import retry_quarantined_messages
from mailsync.sync.removals import delete_or_show_hidden_messages
from mailsync.sync.stored_tree import remove_stored_unmirrored_mail, save_folder_tree
from mailsync.sync.unclear_messages import find_messages_to_request_by_id

FOLDER_NOT_READ_ERROR_NAME = "FolderNotRead"
"""Error name of a folder that was not synced because the provider did not list it completely."""
_CountedFolders = Mapping[FolderId, FolderWithCounts]


@dataclass(frozen=True, slots=True)
class RemainingVerification:
    """The work that remains until the mailbox is verified. The mailbox is verified (`is_done`) if
    every field except `differences_sentence` is empty, False or 0.

    folder_ids_to_compare: folders whose message ids must be compared with the provider's.
    failed_sync_folder_count: number of folders that could not be synced.
    must_sync_folders_again: whether the workflow must return to the state `sync-folders`: a
        folder's full sync is not complete, or the mail of gone and deselected folders is not
        removed yet.
    unrepaired_folder_count: number of folders that still differ after the last repair round.
    differences_sentence: sentence about the unverified folders. Only meaningful if
        `unrepaired_folder_count` is not 0.
    """

    folder_ids_to_compare: tuple[FolderId, ...] = ()
    failed_sync_folder_count: int = 0
    must_sync_folders_again: bool = False
    unrepaired_folder_count: int = 0
    differences_sentence: str = ""

    def to_state_output(self) -> dict[str, Any]:
        """Return the remaining work as the output of the workflow's state. The output contains only
        ids and counts."""
        return {
            "folderIds": list(self.folder_ids_to_compare),
            "differing": len(self.folder_ids_to_compare),
            "failedFolders": self.failed_sync_folder_count,
            "hasNewFolders": self.must_sync_folders_again,
            "unverified": self.unrepaired_folder_count,
            "message": self.differences_sentence,
            "handOver": False,
        }

    @property
    def is_done(self) -> bool:
        return not (
            self.folder_ids_to_compare
            or self.failed_sync_folder_count
            or self.must_sync_folders_again
            or self.unrepaired_folder_count
        )


def recount_messages_and_verify_folders(
    mailbox: Mailbox,
    remaining_s: Callable[[], float],
    reading: FolderTreeReadingMode = FolderTreeReadingMode.ALL_LISTED_FOLDERS,
    synced: FolderSyncResult | None = None,
) -> RemainingVerification:
    """Count the stored messages of every folder, and compare the counts with the provider's current
    counts. Return the work that remains until the mailbox is verified.

    reading: how much of the folder tree to read. Folders whose counts are not fetched by this
        reading are not verified.
    synced: result of `sync_folders`, if the same function has just called it. None: read the
        stored folders from the database.

    Raises:
        ProviderUnavailable: the provider's list of folders is incomplete.
    """
    run = mailbox.run_ref
    # Since `synced`, pages of a feed of the whole mailbox have marked which counts to read.
    before, gone = (
        (synced.existing_folders, synced.gone_folders)
        if synced and mailbox.provider.provider_traits.has_feed_per_folder
        else mailbox.folder_store.read_existing_and_gone_folders(run.account_id)
    )
    listing = mailbox.provider.list_folders((*sort_folders_by_last_change(before), *gone), reading)
    with mailbox.begin_transaction(run) as stores:
        has_changed = save_folder_tree(mailbox, stores, before, listing, reading)
        known = stores.folder_store.read_existing_folders(run.account_id) if has_changed else before
        fault = find_reason_of_incomplete_listing(listing, known)
        if not fault:
            _fail_unread(mailbox, stores, known, listing)
            tree = _Tree(before, known, listing)
            # `sync_folders` has removed this mail already, unless a folder has changed since.
            is_removed = bool(synced and synced.is_all_unmirrored_mail_removed and not has_changed)
            is_removed = is_removed or remove_stored_unmirrored_mail(mailbox, stores, lambda: False)
            unclear = find_messages_to_request_by_id(mailbox, stores)
            if is_removed and not unclear.has_messages_to_request_by_id:
                return _verify(mailbox, stores, tree, reading)
    if fault:
        raise ProviderUnavailable(f"{fault} No mail is deleted for that; trying again.")
    if not is_removed:
        if not remove_stored_unmirrored_mail(
            mailbox, mailbox, lambda: has_time_for_more_folders(remaining_s())
        ):
            return RemainingVerification(must_sync_folders_again=True)
        unclear = find_messages_to_request_by_id(mailbox, mailbox)
    retry_quarantined_messages(mailbox, unclear.quarantined_ids_due_for_retry, remaining_s)
    delete_or_show_hidden_messages(mailbox, unclear.hidden_mail_summary, remaining_s)
    with mailbox.begin_transaction(run) as stores:
        return _verify(mailbox, stores, tree, reading)


@dataclass(frozen=True, slots=True)
class _Tree:
    """The stored folders before (`before`) and after (`known`) the provider's folder tree was read
    and stored, and the provider's listing of the tree."""

    before: Sequence[StoredFolder]
    known: Sequence[StoredFolder]
    listing: FolderListing

    @property
    def steady_folder_ids(self) -> frozenset[FolderId]:
        """Return the folders whose counts at the provider are the same as at the last reading."""
        before = {each.ref.id: each for each in self.before}
        return frozenset(
            each.ref.id
            for each in self.known
            if (earlier := before.get(each.ref.id))
            and (earlier.remote_total, earlier.remote_unread)
            == (each.remote_total, each.remote_unread)
        )


def _verify(
    mailbox: Mailbox, stores: MailboxStores, tree: _Tree, reading: FolderTreeReadingMode
) -> RemainingVerification:
    """Count the stored messages, and compare the counts with the provider's. If only likely changed
    folders were read (`reading`), count only the folders that have changed."""
    run = mailbox.run_ref
    if tree.listing.gone_folder_remote_ids:
        stores.folder_store.delete_folders_reported_gone_twice(
            run, tree.listing.gone_folder_remote_ids
        )
    unread = _folders_with_unread_counts(tree.known, tree.listing)
    counted = stores.folder_store.recount_stored_messages(
        run,
        is_message_in_one_folder=mailbox.provider.provider_traits.has_one_folder_per_message,
        has_unread_counts=bool(unread),
        counts_every_folder=reading is not FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS,
    )
    rounds, failed = stores.run_folder_store.read_repair_rounds_and_failed_folders(run)
    open_folders = {each: counted[each] for each in counted.keys() - failed - unread}
    return _classify(
        mailbox, stores, open_folders, tree.steady_folder_ids, failed=len(failed), rounds=rounds
    )


def _folders_with_unread_counts(
    known: Iterable[StoredFolder], listing: FolderListing
) -> frozenset[FolderId]:
    unread = {each.remote_id for each in listing.folders if not each.has_fetched_counts}
    return frozenset(each.ref.id for each in known if each.ref.remote_id in unread)


def _fail_unread(
    mailbox: Mailbox, stores: MailboxStores, known: Iterable[StoredFolder], listing: FolderListing
) -> None:
    """Mark the folders as failed that the provider did not list completely. The sync continues
    with the remaining folders."""
    for folder in known:
        if folder.is_mirrored and (
            sentence := listing.failure_reason_by_folder_remote_id.get(folder.ref.remote_id)
        ):
            stores.run_folder_store.fail_folder(
                mailbox.run_ref, folder.ref.id, FOLDER_NOT_READ_ERROR_NAME, sentence
            )


def _classify(
    mailbox: Mailbox,
    stores: MailboxStores,
    counted: _CountedFolders,
    steady: frozenset[FolderId],
    *,
    failed: int,
    rounds: int,
) -> RemainingVerification:
    """Decide which work remains until the mailbox is verified.

    steady: folders whose provider counts have not changed since the last reading.
    failed, rounds: numbers of failed folders and of repair rounds of the run.
    """
    run = mailbox.run_ref
    may_repair = rounds < compute_max_repair_rounds(len(counted))
    new = [each for each, folder in counted.items() if not folder.is_full_sync_complete]
    if new and may_repair:
        stores.run_folder_store.increment_repair_round_count(run)
        return RemainingVerification(failed_sync_folder_count=failed, must_sync_folders_again=True)
    by_counts = frozenset(each for each, folder in counted.items() if _is_equal(folder))
    equal = stores.folder_store.mark_verified_by_counts(run, sorted(by_counts))
    verified = _with_offsets(mailbox, stores, counted, steady, equal)
    if by_comparison := verified - by_counts:
        stores.folder_store.mark_verified_by_id_comparison(run, sorted(by_comparison))
    mismatched = _least_recently_compared_first(counted, counted.keys() - verified | set(new))
    # The comparisons are postponed first, so that the next check does not repeat a failed one.
    room = max(0, MAX_FOLDERS_PER_REPAIR_ROUND - len(mismatched))
    due = () if rounds else _due(counted, verified)[:room]
    if due:
        stores.folder_store.postpone_message_id_comparison(run, due)
    logger.info("counts_compared", agreeing=len(verified), mismatched=len(mismatched), round=rounds)
    if may_repair and (mismatched or due):
        stores.run_folder_store.increment_repair_round_count(run)
        if mismatched:
            add_to_metric(FOLDERS_REPAIRED, len(mismatched))
        chosen = (mismatched + due)[:MAX_FOLDERS_PER_REPAIR_ROUND]
        return RemainingVerification(_all_mail_last(mailbox, stores, chosen), failed)
    if mismatched:
        add_to_metric(FOLDERS_LEFT_UNVERIFIED, len(mismatched))
    return RemainingVerification(
        failed_sync_folder_count=failed,
        unrepaired_folder_count=len(mismatched),
        differences_sentence=_sentence(counted[each] for each in mismatched),
    )


def _least_recently_compared_first(
    counted: _CountedFolders, folder_ids: Iterable[FolderId]
) -> tuple[FolderId, ...]:
    """Return the folders in the order of their last comparison, the longest ago first. So each
    folder has its turn if one repair round cannot compare all of them."""
    never = datetime.min.replace(tzinfo=UTC)
    return tuple(
        sorted(
            folder_ids,
            key=lambda each: (
                counted[each].stored_and_remote_counts.message_ids_compared_at or never,
                each,
            ),
        )
    )


def _all_mail_last(
    mailbox: Mailbox, stores: MailboxStores, folder_ids: tuple[FolderId, ...]
) -> tuple[FolderId, ...]:
    """Return the folders with the folder of all mail at the end. The other comparisons show first
    which messages are in trash or junk, so these messages are not requested by id when all mail
    lacks them."""
    all_mail = mailbox.provider.provider_traits.all_mail_folder_id
    if all_mail is None:
        return folder_ids
    known = stores.folder_store.read_existing_folders(mailbox.run_ref.account_id)
    last = {each.ref.id for each in known if each.ref.remote_id == all_mail}
    return tuple(sorted(folder_ids, key=lambda each: each in last))


def _is_equal(folder: FolderWithCounts) -> bool:
    """Return whether the folder is verified by its counts. Return False if a comparison of its ids
    is due now, such as after a count changed although the feed reported no change."""
    return (
        folder.is_full_sync_complete
        and folder.stored_and_remote_counts.message_ids_compared_at is not None
        and do_counts_match_provider(folder.stored_and_remote_counts)
    )


def _with_offsets(
    mailbox: Mailbox,
    stores: MailboxStores,
    counted: _CountedFolders,
    steady: frozenset[FolderId],
    equal: frozenset[FolderId],
) -> frozenset[FolderId]:
    """Return the folders of `equal` that are verified: all folders except those whose counts differ
    without an explanation.

    equal: folders whose counts or message ids this run has found equal to the provider's.

    If a folder equals its complete list but the provider counts another number, the provider's
    count is wrong. The difference is stored, so that later syncs need not compare the folder. A
    difference is also explained if the list has as many messages as the provider counts, and the
    provider contradicted itself about at least as many messages as differ. If the provider does not
    say that its list is complete, the first comparison only stores the difference, and a second
    comparison that finds the same difference verifies the folder. A folder of `equal` that is not
    in `steady` counts as verified; the next sync compares its counts.
    """
    off = {
        each: counted[each]
        for each in equal & counted.keys() & steady
        if not do_counts_match_provider(counted[each].stored_and_remote_counts)
    }
    offsets = {
        each: folder.stored_and_remote_counts.remote_minus_stored_total_and_unread
        for each, folder in off.items()
        if _is_miscounted(folder)
    }
    if offsets:
        stores.folder_store.save_remote_overcounts_of_folders(mailbox.run_ref, offsets)
    explained = {
        each
        for each, folder in off.items()
        if folder.total_and_unread_of_last_listing
        and (
            each in offsets or _is_contradicted(folder, folder.total_and_unread_of_last_listing[0])
        )
    }
    return (equal & counted.keys()) - (off.keys() - explained)


def _is_contradicted(folder: FolderWithCounts, listed: int) -> bool:
    """Return whether contradictions of the provider explain the difference of the counts.

    listed: number of messages in the provider's last list of the folder.
    """
    count = folder.stored_and_remote_counts
    differing = count.min_differing_message_count
    return listed == count.remote_total and differing <= folder.listing_contradiction_count


def _is_miscounted(folder: FolderWithCounts) -> bool:
    """Return whether as many messages are stored or in quarantine as the provider's last list has.
    Return True if it is not known that the list was complete."""
    count = folder.stored_and_remote_counts
    return (
        folder.total_and_unread_of_last_listing is None
        or folder.total_and_unread_of_last_listing[0]
        == count.stored_total + count.quarantined_message_count
    )


def _due(counted: _CountedFolders, verified: frozenset[FolderId]) -> tuple[FolderId, ...]:
    counts = {each: counted[each].stored_and_remote_counts for each in verified}
    return find_folders_due_for_comparison(counts, now=datetime.now(UTC))[
        :MAX_DUE_FOLDERS_COMPARED_PER_RUN
    ]


def _sentence(mismatched: Iterable[FolderWithCounts]) -> str:
    differences = [
        folder.stored_and_remote_counts.min_differing_message_count for folder in mismatched
    ]
    return (
        f"After {MAX_REPAIRS_OF_SAME_FOLDER_PER_RUN} repairs the mirror still differs from the"
        f" provider (folders: {len(differences)}, messages: {sum(differences) or 'unknown'})."
        " The stored mail stays readable, and the next sync compares it again."
    )
