"""Messages that left their folders: where they are now, or that they are gone.

A removal that a feed reports is no proof of deletion: a message that was moved away and back
between two polls is reported as removed and never again as added (microsoftgraph docs-contrib
#72). A deleted message may stay readable by its id for a while, so the folder that it names
decides. And a provider that is wrong for a moment costs nothing: a message is hidden meanwhile, and
deleted only by a second answer, hours after the first.
"""

from collections.abc import Callable, Iterator, Sequence

from mailsync.decisions.budget import SHUTDOWN_S
from mailsync.log import logger
from mailsync.model import Gone, Message, RemoteId, Unreadable
from mailsync.providers import ResponseTooLarge
from mailsync.sync.mailbox import Mailbox

Found = Message | Gone | Unreadable
BATCH = 20
"""Messages fetched by id at once; as many as one batch request of Graph takes."""
_READ_AT_ONCE = 200
_SLOWEST_BATCH_S = 10.0


def has_time(remaining_s: float) -> bool:
    """Whether another batch of messages can be asked for before the function's time-out."""
    return remaining_s > SHUTDOWN_S + _SLOWEST_BATCH_S


def verify_removed(mailbox: Mailbox, remaining_s: Callable[[], float]) -> int:
    """Ask the provider about every hidden message that is due; return how many were deleted.

    One that is in a mirrored folder is shown there. One about which the provider says nothing
    stays hidden, and so do those for which there is no time; they are asked for by a later sync.
    """
    removal = mailbox.removals.begin(mailbox.run)
    after, deleted = "", 0
    while ids := mailbox.removals.due(mailbox.run, after, _READ_AT_ONCE):
        after = ids[-1]
        for batch in batches(ids):
            if not has_time(remaining_s()):
                logger.info("removals_left_for_later")
                return deleted
            for found in fetch_in_parts(mailbox, batch):
                _, gone = store_found(mailbox, found)
                deleted += mailbox.removals.confirm_gone(mailbox.run, gone, removal.wait_s)
    if deleted:
        logger.info("removed_deleted", messages=deleted)
    return deleted


def fetch_in_parts(
    mailbox: Mailbox, ids: Sequence[RemoteId], *, one_by_one: bool = False
) -> Iterator[Sequence[Found]]:
    """Fetch messages by their ids, in parts that can be held in memory; yield each part."""
    parts = [ids]
    while parts:
        part = parts.pop(0)
        found: Sequence[Found] = ()
        try:
            found = mailbox.provider.fetch_messages(part, one_by_one=one_by_one)
        except ResponseTooLarge:
            half = len(part) // 2
            parts[:0] = [part[:half], part[half:]]
        if found:
            yield found


def store_found(
    mailbox: Mailbox, found: Sequence[Found]
) -> tuple[frozenset[RemoteId], frozenset[RemoteId]]:
    """Store messages that are in a mirrored folder; return their ids, and those that are gone.

    About one that could not be read nothing is known; it is in neither.
    """
    run = mailbox.run
    here = {each.ref.remote_id for each in mailbox.folders.folders(run.account_id) if each.selected}
    alive = [each for each in found if isinstance(each, Message) and each.folder_remote_id in here]
    if alive:
        mailbox.mail.apply_messages(run, None, alive)
    shown = frozenset(each.remote_id for each in alive)
    answered = frozenset(each.remote_id for each in found if not isinstance(each, Unreadable))
    return shown, answered - shown


def batches(ids: Sequence[RemoteId]) -> Iterator[Sequence[RemoteId]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
