"""State `recalculate-counts`: verify every folder by comparing its stored counts with the
provider's counts."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailsync.decisions.folders import explain_incomplete_listing
from mailsync.decisions.verify import (
    MAX_COMPARED_FOLDERS_PER_RUN,
    MAX_REPAIR_ROUNDS,
    counts_agree,
    folders_due_for_id_comparison,
)
from mailsync.errors import ProviderUnavailable
from mailsync.log import logger
from mailsync.metrics import FOLDERS_FOUND_DIFFERENT, FOLDERS_LEFT_DIFFERENT, count_metric
from mailsync.model import FolderId, FolderListing, StoredFolder, TreeReadingDepth
from mailsync.store.folder_store import CountedFolder
from mailsync.sync.folder_tree import delete_mail_of_unselected_folders, mirror_folders
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.quarantine import retry_quarantined
from mailsync.sync.removals import verify_removed

FOLDER_NOT_READ_ERROR = "FolderNotRead"
"""Error name of a folder that the provider did not list completely."""
CountedFolders = Mapping[FolderId, CountedFolder]


@dataclass(frozen=True, slots=True)
class Verification:
    """What remains to be done until the mailbox is verified. If every field is empty, False or 0,
    it is verified.

    folder_ids_to_compare: folders whose ids must be compared.
    failed_folder_count: number of folders that could not be synced.
    has_new_folders: whether folders appeared since the tree was read, which must be synced first.
    unverified_folder_count: number of folders that still differ after the last repair round.
    differences_message: sentence about the unverified folders.
    """

    folder_ids_to_compare: tuple[FolderId, ...] = ()
    failed_folders: int = 0
    has_new_folders: bool = False
    unverified_folders: int = 0
    differences_message: str = ""

    def to_state(self) -> dict[str, Any]:
        """Return the output of the workflow's state: ids and counts only."""
        return {
            "folderIds": list(self.folder_ids_to_compare),
            "differing": len(self.folder_ids_to_compare),
            "failedFolders": self.failed_folders,
            "hasNewFolders": self.has_new_folders,
            "unverified": self.unverified_folders,
            "message": self.differences_message,
        }

    @property
    def is_done(self) -> bool:
        return not (
            self.folder_ids_to_compare
            or self.failed_folders
            or self.has_new_folders
            or self.unverified_folders
        )


def recalculate_counts(mailbox: Mailbox, remaining_s: Callable[[], float]) -> Verification:
    """Count the rows and compare every folder with the provider's current counts.

    Raises:
        ProviderUnavailable: the provider's list of folders is incomplete, so it verifies nothing.
    """
    run = mailbox.run
    before = {each.ref.id: each for each in mailbox.folders.folders(run.account_id)}
    listing = mirror_folders(mailbox, TreeReadingDepth.WHOLE)
    known = mailbox.folders.folders(run.account_id)
    if fault := explain_incomplete_listing(listing, known):
        raise ProviderUnavailable(f"{fault} No mail is deleted for that; trying again.")
    _fail_unread(mailbox, known, listing)
    retry_quarantined(mailbox, remaining_s)
    verify_removed(mailbox, remaining_s)
    mailbox.folders.drop_gone(run, listing.gone_folder_ids)
    delete_mail_of_unselected_folders(mailbox)
    is_message_in_one_folder = mailbox.provider.traits.is_message_in_one_folder
    counted = mailbox.folders.recount(run, is_message_in_one_folder=is_message_in_one_folder)
    failed = mailbox.run_folders.failed_folder_ids(run)
    steady = frozenset(
        each.ref.id
        for each in known
        if (earlier := before.get(each.ref.id))
        and (earlier.remote_total, earlier.remote_unread) == (each.remote_total, each.remote_unread)
    )
    open_folders = {each: counted[each] for each in counted.keys() - failed}
    return _classify(mailbox, open_folders, steady, len(failed))


def _fail_unread(mailbox: Mailbox, known: Iterable[StoredFolder], listing: FolderListing) -> None:
    """Mark folders as failed that the provider did not list completely; the others continue."""
    for folder in known:
        if folder.selected and (sentence := listing.failures.get(folder.ref.remote_id)):
            mailbox.run_folders.fail_folder(
                mailbox.run, folder.ref.id, FOLDER_NOT_READ_ERROR, sentence
            )


def _classify(
    mailbox: Mailbox, counted: CountedFolders, steady: frozenset[FolderId], failed: int
) -> Verification:
    """Decide what is left to do. `steady` folders have the same provider counts as at the last
    reading."""
    run = mailbox.run
    _, rounds = mailbox.runs.run_details(run)
    may_repair = rounds < MAX_REPAIR_ROUNDS
    new = [each for each, folder in counted.items() if not folder.is_synced]
    if new and may_repair:
        mailbox.run_folders.count_repair_round(run)
        return Verification(failed_folders=failed, has_new_folders=True)
    mailbox.folders.mark_verified(
        run, (each for each, folder in counted.items() if _is_equal(folder))
    )
    verified = _with_offsets(mailbox, counted, steady, mailbox.folders.ids_of_verified_folders(run))
    mailbox.folders.save_verified(run, sorted(verified))
    mismatched = tuple(sorted(counted.keys() - verified | set(new)))
    # Should the comparison fail, it is not tried again in the next check.
    due = () if rounds else _due(counted, verified)
    mailbox.folders.compare_later(run, due)
    logger.info("counts_compared", agreeing=len(verified), mismatched=len(mismatched), round=rounds)
    if may_repair and (mismatched or due):
        mailbox.run_folders.count_repair_round(run)
        if mismatched:
            count_metric(FOLDERS_FOUND_DIFFERENT, len(mismatched))
        return Verification(mismatched + due, failed)
    if mismatched:
        count_metric(FOLDERS_LEFT_DIFFERENT, len(mismatched))
    return Verification(
        failed_folders=failed,
        unverified_folders=len(mismatched),
        differences_message=_sentence(counted[each] for each in mismatched),
    )


def _is_equal(folder: CountedFolder) -> bool:
    """Return whether the counts agree. They do not suffice where a count changed without a reported
    change."""
    return folder.is_synced and folder.count.compared_at is not None and counts_agree(folder.count)


def _with_offsets(
    mailbox: Mailbox,
    counted: CountedFolders,
    steady: frozenset[FolderId],
    equal: frozenset[FolderId],
) -> frozenset[FolderId]:
    """Return those of the `equal` folders whose count differences are explained.

    A folder that equals its complete list, while the provider counts another number, is counted
    wrongly by the provider. The difference is stored, so that later syncs need not compare the
    folder. Where the provider does not say that its list is complete, the number must be seen
    twice. A list of as many messages as the provider counts explains a difference as well: then the
    provider contradicts itself about single messages. A count that has changed meanwhile is left to
    the next sync.
    """
    off = {
        each: counted[each]
        for each in equal & counted.keys() & steady
        if not counts_agree(counted[each].count)
    }
    offsets = {each: folder.count.excess for each, folder in off.items() if _is_miscounted(folder)}
    mailbox.folders.save_offsets(mailbox.run, offsets)
    explained = {
        each
        for each, folder in off.items()
        if folder.listed_counts
        and (each in offsets or folder.listed_counts[0] == folder.count.remote_total)
    }
    return (equal & counted.keys()) - (off.keys() - explained)


def _is_miscounted(folder: CountedFolder) -> bool:
    """Return whether the rows equal the provider's list, as far as the list is known to be
    complete."""
    count = folder.count
    return (
        folder.listed_counts is None
        or folder.listed_counts[0] == count.stored_total + count.quarantined_total
    )


def _due(counted: CountedFolders, verified: frozenset[FolderId]) -> tuple[FolderId, ...]:
    counts = {each: counted[each].count for each in verified}
    return folders_due_for_id_comparison(counts, now=datetime.now(UTC))[
        :MAX_COMPARED_FOLDERS_PER_RUN
    ]


def _sentence(mismatched: Iterable[CountedFolder]) -> str:
    differences = [folder.count.difference for folder in mismatched]
    return (
        f"After {MAX_REPAIR_ROUNDS} repairs the mirror still differs from the provider (folders:"
        f" {len(differences)}, messages: {sum(differences) or 'unknown'}). The stored mail stays"
        " readable, and the next sync compares it again."
    )
