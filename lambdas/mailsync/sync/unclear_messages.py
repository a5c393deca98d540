"""Find the messages that must be requested by id before a mailbox can be verified."""

from dataclasses import dataclass

from mailsync.model import RemoteId
from mailsync.store.removal_store import MailPendingDeletionSummary
from mailsync.store.stores import MailboxStores
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.quarantine import MAX_RETRIED_MESSAGES_PER_RUN


@dataclass(frozen=True, slots=True)
class MessagesToRequestById:
    """Messages that Mailsync must request by their ids, because it is not clear whether the
    provider still has them or can deliver them.

    quarantined_ids_due_for_retry: ids of messages in quarantine whose next attempt is due.
    hidden_mail_summary: numbers of the hidden messages, which are deleted after the provider has
        confirmed that they are gone.
    has_hidden_messages_to_request_by_id: whether some hidden messages must be requested by id now.
    """

    quarantined_ids_due_for_retry: tuple[RemoteId, ...]
    hidden_mail_summary: MailPendingDeletionSummary
    has_hidden_messages_to_request_by_id: bool

    @property
    def has_messages_to_request_by_id(self) -> bool:
        return bool(self.quarantined_ids_due_for_retry) or self.has_hidden_messages_to_request_by_id


def find_messages_to_request_by_id(
    mailbox: Mailbox, stores: MailboxStores
) -> MessagesToRequestById:
    """Return the messages of the mailbox that are due for a request by id.

    If most of the mailbox is reported as gone, also schedule the second request by id of each of
    these messages.

    stores: the stores from which the messages are read.
    """
    run = mailbox.run_ref
    removal = stores.removal_store.read_hidden_mail_and_schedule_rechecks(run)
    is_due = removal.hidden_message_count > 0 and bool(
        stores.removal_store.hidden_message_ids_due_for_recheck(run, "", 1)
    )
    due = stores.quarantine_store.message_ids_due_for_retry(run, MAX_RETRIED_MESSAGES_PER_RUN)
    return MessagesToRequestById(due, removal, is_due)
