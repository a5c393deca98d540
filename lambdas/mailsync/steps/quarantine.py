"""Another try for the messages that could not be stored."""

from mailsync.errors import ProviderRejected, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import Gone, Message, RemoteId, Unreadable
from mailsync.steps.mailbox import Mailbox

TRIED_AT_ONCE = 100
MOST_UNANSWERED = 5
"""Messages that a step goes on without an answer for; when it is more, it is not the messages."""


def retry_quarantined(mailbox: Mailbox) -> None:
    """Each message is stored, gone, or stays with its cause of now.

    They are fetched one by one: some are here for their size.

    Raises:
        ProviderRejected, ProviderUnavailable: for more than `MOST_UNANSWERED` of them.
    """
    run, mail = mailbox.run, mailbox.mail
    due = mail.due_in_quarantine(run, TRIED_AT_ONCE)
    if not due:
        return
    here = {each.ref.remote_id for each in mail.folders(run.account_id) if each.selected}
    unanswered = 0
    for remote_id in due:
        try:
            found = _fetch(mailbox, remote_id)
        except (ProviderRejected, ProviderUnavailable) as failure:
            unanswered += 1
            if unanswered > MOST_UNANSWERED:
                raise
            found = Unreadable(remote_id, "unanswered", str(failure))
        if isinstance(found, Unreadable):
            mail.apply_messages(run, None, [], [found])
        elif isinstance(found, Message) and found.folder_remote_id in here:
            mail.apply_messages(run, None, [found])
        else:
            mail.leave_quarantine(run, [remote_id])
    logger.info("quarantine_retried", tried=len(due))


def _fetch(mailbox: Mailbox, remote_id: RemoteId) -> Message | Gone | Unreadable:
    [found] = mailbox.provider.fetch_messages([remote_id], one_by_one=True)
    return found
