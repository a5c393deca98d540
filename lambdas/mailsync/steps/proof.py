"""`recalculate-counts` and `repair-folder`: nothing is believed that was not compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailsync.errors import ProviderRejected, ProviderUnavailable
from mailsync.log import logger
from mailsync.metrics import DIFFERENCES_FOUND, count
from mailsync.model import FolderId, Gone, KnownFolder, Message, RemoteId, Unreadable
from mailsync.steps.folder_tree import drop_unselected, mirror_folders
from mailsync.steps.mailbox import Mailbox
from mailsync.steps.quarantine import MOST_UNANSWERED, retry_quarantined
from mailsync.sync.verify import REPAIR_ROUNDS, IdDifference, agrees, compare_ids, what_stays

Answer = Message | Gone | Unreadable
CHUNK = 20
"""Messages asked for by id at once; as many as one batch request of Graph takes."""

REMOVED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Proof:
    """Folders to compare id by id, none when all agree or no round is left; and the failures."""

    folder_ids: tuple[FolderId, ...]
    failed_folders: int


def recalculate_counts(mailbox: Mailbox) -> Proof:
    """Recounts from the rows and compares every folder with the provider's count of now."""
    run = mailbox.run
    mirror_folders(mailbox)
    retry_quarantined(mailbox)
    verify_removed(mailbox)
    drop_unselected(mailbox)
    counts = mailbox.mail.recount(run)
    failed = mailbox.runs.failed_folders(run)
    open_question = {each: count for each, count in counts.items() if each not in failed}
    agreeing = [each for each, count in open_question.items() if agrees(count)]
    mailbox.mail.mark_verified(run, agreeing)
    settled = mailbox.mail.verified_folders(run)
    differing = tuple(each for each in open_question if each not in settled)
    _, rounds = mailbox.runs.run_settings(run)
    logger.info("counts_compared", agreeing=len(agreeing), differing=len(differing), round=rounds)
    if not differing or rounds >= REPAIR_ROUNDS:
        return Proof((), len(failed))
    mailbox.runs.count_repair_round(run)
    count(DIFFERENCES_FOUND, len(differing))
    return Proof(differing, len(failed))


def repair_folder(mailbox: Mailbox, folder_id: FolderId) -> None:
    """Lists the folder at the provider, compares it id by id and mends what differs.

    Afterwards the folder is proven as of this listing: mail that arrives later is the next
    run's, not a difference. Asked for by id, the provider has the last word; where it contradicts
    its own listing, the id stays with its cause until the counts agree.
    """
    run, mail = mailbox.run, mailbox.mail
    folder = mail.folder(run.account_id, folder_id)
    listing = tuple(mailbox.provider.list_ids(folder.ref))
    difference = compare_ids(
        listing, mail.entries(run, folder_id), mail.quarantined(run, folder_id)
    )
    listed = {each.remote_id: each.is_read for each in listing}
    left = [
        stays
        for answers in _mended(mailbox, folder, difference)
        for stays in what_stays(listed, answers, folder.ref.remote_id)
    ]
    if difference.released:
        mail.leave_quarantine(run, difference.released, folder_id)
    mail.mark_repaired(run, folder_id, left)
    logger.info(
        "folder_repaired",
        folder_id=folder_id,
        missing=len(difference.missing),
        surplus=len(difference.surplus),
        misread=len(difference.misread),
        left=len(left),
    )


def verify_removed(mailbox: Mailbox) -> None:
    """Asks the provider for every message that left its folder: it is elsewhere, or deleted.

    A removal that a folder reports is no proof of deletion: a message that was moved away and
    back between two polls is reported as removed and never again as added (microsoftgraph
    docs-contrib #72). A deleted message may stay readable by its id for a while, so the folder
    that it names decides. One of which the provider says nothing stays marked, and is asked for
    again by the next look.

    Raises:
        ProviderRejected, ProviderUnavailable: for more than `MOST_UNANSWERED` of them.
    """
    run, mail = mailbox.run, mailbox.mail
    after, unanswered = "", 0
    while ids := mail.removed_ids(run, after, REMOVED_AT_ONCE):
        after = ids[-1]
        for chunk in _chunks(ids):
            try:
                _settle(mailbox, chunk)
            except (ProviderRejected, ProviderUnavailable):
                unanswered += _settle_one_by_one(mailbox, chunk, MOST_UNANSWERED - unanswered)
    mail.drop_gone_folders(run)


def _settle(mailbox: Mailbox, ids: Sequence[RemoteId], *, one_by_one: bool = False) -> None:
    for _ in _ask_for_removed(mailbox, ids, one_by_one=one_by_one):
        pass


def _settle_one_by_one(mailbox: Mailbox, ids: Sequence[RemoteId], most: int) -> int:
    """How many are not answered; raises the failure when it is more than `most`."""
    unanswered = 0
    for each in ids:
        try:
            _settle(mailbox, [each], one_by_one=True)
        except (ProviderRejected, ProviderUnavailable) as failure:
            unanswered += 1
            if unanswered > most:
                raise
            logger.warning("removal_not_answered", cause=type(failure).__name__)
    return unanswered


def _mended(
    mailbox: Mailbox, folder: KnownFolder, difference: IdDifference
) -> Iterator[Sequence[Answer]]:
    """Mends chunk by chunk, with what the provider says of each message by its id."""
    yield from _fetch_again(mailbox, folder, difference.missing + difference.misread)
    if difference.surplus:
        mailbox.mail.mark_removed(mailbox.run, folder.ref.id, difference.surplus)
        yield from _ask_for_removed(mailbox, difference.surplus, one_by_one=True)


def _ask_for_removed(
    mailbox: Mailbox, ids: Sequence[RemoteId], *, one_by_one: bool = False
) -> Iterator[Sequence[Answer]]:
    run, mail = mailbox.run, mailbox.mail
    here = {each.ref.remote_id for each in mail.folders(run.account_id) if each.selected}
    for chunk in _chunks(ids):
        found = mailbox.provider.fetch_messages(chunk, one_by_one=one_by_one)
        alive = [
            each for each in found if isinstance(each, Message) and each.folder_remote_id in here
        ]
        unread = {each.remote_id for each in found if isinstance(each, Unreadable)}
        mail.apply_messages(run, None, alive)
        mail.delete_emails(run, set(chunk) - {each.remote_id for each in alive} - unread)
        yield found


def _fetch_again(
    mailbox: Mailbox, folder: KnownFolder, ids: Sequence[RemoteId]
) -> Iterator[Sequence[Answer]]:
    for chunk in _chunks(ids):
        found = mailbox.provider.fetch_messages(chunk, one_by_one=True)
        mailbox.mail.apply_messages(
            mailbox.run,
            folder,
            [each for each in found if isinstance(each, Message)],
            [each for each in found if isinstance(each, Unreadable)],
        )
        gone = [each.remote_id for each in found if isinstance(each, Gone)]
        if gone:
            mailbox.mail.mark_removed(mailbox.run, folder.ref.id, gone)
        yield found


def _chunks(ids: Sequence[RemoteId]) -> Iterator[Sequence[RemoteId]]:
    return (ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK))
