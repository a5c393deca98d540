"""Store the newest messages of a mailbox of which nothing is stored, before its folder tree is
read."""

from mailsync.errors import StoreRejected
from mailsync.log import logger
from mailsync.metrics import FIRST_SYNC_TIME_TO_NEWEST_MAIL, add_to_metric
from mailsync.sync.mailbox import Mailbox

MAX_NEWEST_MESSAGES = 50
"""The number of newest messages to store first: as many as a mail program shows at first."""


def store_newest_mail(mailbox: Mailbox) -> int | None:
    """Fetch the Inbox and its newest messages, and store them; return how many messages were
    stored.

    Return 0 if only the folder Inbox was stored. Return None if nothing was stored, because the
    provider has no faster way than its change feed or returned an unusable response. The sync then
    fetches these messages later, through the change feed.

    Raises:
        ProviderThrottled: the provider requests a pause of the whole mailbox.
    """
    newest = mailbox.provider.fetch_newest_inbox_mail(limit=MAX_NEWEST_MESSAGES)
    if newest is None:
        return None
    try:
        stored = mailbox.newest_mail_store.save_newest_mail(mailbox.run_ref, newest)
    except StoreRejected as rejected:
        logger.warning("newest_not_stored", cause=str(rejected))
        return None
    if stored.stored_message_count:
        add_to_metric(FIRST_SYNC_TIME_TO_NEWEST_MAIL, stored.seconds_since_run_start)
        logger.info(
            "newest_stored",
            messages=stored.stored_message_count,
            after_s=round(stored.seconds_since_run_start, 3),
        )
    return stored.stored_message_count
