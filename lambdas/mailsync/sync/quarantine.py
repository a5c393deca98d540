"""Fetch the messages in quarantine again."""

from collections.abc import Callable, Sequence

from mailsync.log import logger
from mailsync.model import Message, RemoteId, UnreadableMessage
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.removals import has_time_to_fetch_message_batch

MAX_RETRIED_MESSAGES_PER_RUN = 1_000
"""The maximum number of messages in quarantine that one run fetches again. Further messages wait
for the next run."""


def retry_quarantined_messages(
    mailbox: Mailbox, due: Sequence[RemoteId], remaining_s: Callable[[], float]
) -> None:
    """Fetch the messages `due`, which are in quarantine, again. Each message has a request of its
    own, because some messages are very large.

    Each message is then stored, or kept in the quarantine with its new cause, or removed from the
    quarantine because it is gone or in no mirrored folder.
    """
    run, mail = mailbox.run_ref, mailbox.mail_store
    if not due:
        return
    here = {
        each.ref.remote_id
        for each in mailbox.folder_store.read_existing_folders(run.account_id)
        if each.is_mirrored
    }
    tried = 0
    for remote_id in due:
        if not has_time_to_fetch_message_batch(remaining_s()):
            break
        tried += 1
        [found] = mailbox.provider.fetch_messages([remote_id], one_by_one=True)
        if isinstance(found, UnreadableMessage):
            mail.write_fetched_messages(run, None, [], [found])
        elif isinstance(found, Message) and here.intersection(found.folder_remote_ids):
            mail.write_fetched_messages(run, None, [found])
        else:
            mailbox.quarantine_store.remove_messages_from_quarantine(run, [remote_id])
    logger.info("quarantine_retried", tried=tried)
