"""Another try for the messages that could not be stored."""

from mailsync.log import logger
from mailsync.model import Message, Unreadable
from mailsync.steps.mailbox import Mailbox

TRIED_AT_ONCE = 100


def retry_quarantined(mailbox: Mailbox) -> None:
    """Each message is stored, gone, or stays with its cause of now.

    They are fetched one by one: some are here for their size.
    """
    run, mail = mailbox.run, mailbox.mail
    due = mail.due_in_quarantine(run, TRIED_AT_ONCE)
    if not due:
        return
    here = {each.ref.remote_id for each in mail.folders(run.account_id) if each.selected}
    for remote_id in due:
        [found] = mailbox.provider.fetch_messages([remote_id], one_by_one=True)
        if isinstance(found, Unreadable):
            mail.apply_messages(run, None, [], [found])
        elif isinstance(found, Message) and found.folder_remote_id in here:
            mail.apply_messages(run, None, [found])
        else:
            mail.leave_quarantine(run, [remote_id])
    logger.info("quarantine_retried", tried=len(due))
