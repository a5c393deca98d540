"""Verify removals: request hidden messages by id, and show or delete them.

A removal in a change feed does not prove a deletion: a message that was moved away and back between
two readings of the feed may be reported as removed and never again as added. A deleted message may
stay readable by its id for a while, so the folder in the response decides. A provider may be wrong
for a moment, so a message is hidden first, and deleted only after a second response, hours later.
"""

from collections.abc import Callable, Iterator, Sequence

from mailsync.decisions.budget import RESERVED_TIME_BEFORE_LAMBDA_TIMEOUT_S
from mailsync.log import logger
from mailsync.model import Message, MessageNotFoundByIdResult, RemoteId, UnreadableMessage
from mailsync.providers import ResponseTooLarge
from mailsync.store.removal_store import MailPendingDeletionSummary
from mailsync.sync.mailbox import Mailbox

MessageFetchResult = Message | MessageNotFoundByIdResult | UnreadableMessage
_READ_AT_ONCE = 200
_SLOWEST_BATCH_S = 10.0


def has_time_to_fetch_message_batch(remaining_s: float) -> bool:
    """Return whether a Lambda function with this many seconds until its time-out has time to fetch
    another batch of messages."""
    return remaining_s > RESERVED_TIME_BEFORE_LAMBDA_TIMEOUT_S + _SLOWEST_BATCH_S


def delete_or_show_hidden_messages(
    mailbox: Mailbox, removal: MailPendingDeletionSummary, remaining_s: Callable[[], float]
) -> int:
    """Request by id each hidden message that is due for a request; return how many messages were
    deleted.

    A message that is in a mirrored folder is shown in that folder again. A message that cannot be
    read stays hidden. Messages for which no time remains are requested by a later sync.

    removal: how much of the mailbox is hidden.
    """
    after, deleted = "", 0
    while ids := mailbox.removal_store.hidden_message_ids_due_for_recheck(
        mailbox.run_ref, after, _READ_AT_ONCE
    ):
        after = ids[-1]
        for batch in split_ids_into_fetch_batches(mailbox, ids):
            if not has_time_to_fetch_message_batch(remaining_s()):
                logger.info("removals_left_for_later")
                return deleted
            for found in iterate_over_fetched_messages(mailbox, batch):
                _, gone = store_messages_in_mirrored_folders(mailbox, found)
                deleted += mailbox.removal_store.mark_gone_or_delete_if_marked(
                    mailbox.run_ref,
                    gone,
                    removal.min_time_between_gone_reports_s,
                    do_ids_survive_moves=mailbox.provider.provider_traits.do_ids_survive_moves,
                )
    if deleted:
        logger.info("removed_deleted", messages=deleted)
    return deleted


def iterate_over_fetched_messages(
    mailbox: Mailbox, ids: Sequence[RemoteId], *, one_by_one: bool = False
) -> Iterator[Sequence[MessageFetchResult]]:
    """Fetch messages by id, and yield the results in the order of the ids, several at a time. The
    results that are yielded together fit into the memory limit.

    one_by_one: whether to have only one request in flight at a time.
    """
    parts = [ids]
    while parts:
        part = parts.pop(0)
        found: Sequence[MessageFetchResult] = ()
        try:
            found = mailbox.provider.fetch_messages(part, one_by_one=one_by_one)
        except ResponseTooLarge:
            half = len(part) // 2
            parts[:0] = [part[:half], part[half:]]
        if found:
            parts[:0] = [rest] if (rest := part[len(found) :]) else []
            yield found


def store_messages_in_mirrored_folders(
    mailbox: Mailbox, found: Sequence[MessageFetchResult]
) -> tuple[frozenset[RemoteId], frozenset[RemoteId]]:
    """Store each fetched message that is in a mirrored folder.

    Returns two sets of message ids. The first has the stored messages. The second has the messages
    that are gone, or that are only in folders that are not mirrored. Unreadable messages are in
    neither set.
    """
    run = mailbox.run_ref
    here = {
        each.ref.remote_id
        for each in mailbox.folder_store.read_existing_folders(run.account_id)
        if each.is_mirrored
    }
    alive = [
        each
        for each in found
        if isinstance(each, Message) and here.intersection(each.folder_remote_ids)
    ]
    if alive:
        mailbox.mail_store.write_fetched_messages(run, None, alive)
    shown = frozenset(each.remote_id for each in alive)
    answered = frozenset(
        each.remote_id for each in found if not isinstance(each, UnreadableMessage)
    )
    return shown, answered - shown


def split_ids_into_fetch_batches(
    mailbox: Mailbox, ids: Sequence[RemoteId]
) -> Iterator[Sequence[RemoteId]]:
    """Split message ids into batches of the size that the provider serves most efficiently in one
    call."""
    size = mailbox.provider.provider_tuning.messages_per_fetch
    return (ids[start : start + size] for start in range(0, len(ids), size))
