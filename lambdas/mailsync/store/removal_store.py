"""Store removals: hide messages that left their folders, and delete them after the provider has
confirmed twice that they are gone.

Every method is one transaction. Raises StoreUnavailable and StoreRejected.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailsync.decisions.safety import (
    MIN_SUSPICIOUS_REMOVAL_MESSAGES,
    MIN_TIME_FROM_MASS_REMOVAL_TO_DELETION,
    MIN_TIME_FROM_REMOVAL_TO_DELETION,
    is_removal_of_most_messages,
)
from mailsync.model import AccountId, FolderId, RemoteId, RunRef
from mailsync.store import rows
from mailsync.store.connection import Database, Transaction
from mailsync.store.fence import FencedTransaction
from mailsync.store.page_rows import end_placements

MAX_RECHECKS_SCHEDULED_PER_STATEMENT = 20_000
"""The maximum number of messages whose next request by id one statement schedules: about a second
of work."""


@dataclass(frozen=True, slots=True)
class MailPendingDeletionSummary:
    """The amount of a mailbox's mail that is hidden. Mailsync may delete this mail after a second
    confirmation by the provider.

    hidden_message_count: number of messages that left their folders.
    reported_gone_message_count: number of hidden messages that the provider, requested by id,
        reported as in no mirrored folder.
    first_reported_gone_at: when the provider first reported one of these messages as gone. None:
        the provider has reported no message as gone.
    gone_message_count_unconfirmed_by_user: number of messages that were reported as gone after the
        user last confirmed a removal.
    removal_confirmed_by_user_at: when the user confirmed the removal of these messages. None: the
        user has not confirmed it.
    stored_message_count_with_hidden: number of all messages including hidden ones. 0: not counted,
        because too few messages are gone to be suspicious.
    gone_mirrored_folder_count: number of mirrored folders that are hidden, because they no longer
        exist at the provider.
    """

    hidden_message_count: int
    reported_gone_message_count: int
    gone_message_count_unconfirmed_by_user: int
    stored_message_count_with_hidden: int
    first_reported_gone_at: datetime | None
    removal_confirmed_by_user_at: datetime | None
    gone_mirrored_folder_count: int

    @property
    def is_mass_removal(self) -> bool:
        """Return whether the messages reported gone are most of the mailbox."""
        return is_removal_of_most_messages(
            stored=self.stored_message_count_with_hidden, removing=self.reported_gone_message_count
        )

    @property
    def is_unconfirmed_mass_removal(self) -> bool:
        """Return whether most of the mailbox is reported as gone without a confirmation of a
        person."""
        return is_removal_of_most_messages(
            stored=self.stored_message_count_with_hidden,
            removing=self.gone_message_count_unconfirmed_by_user,
        )

    @property
    def explanation_for_user(self) -> str:
        """Return a text for the user that says what happened to the mail and what to do."""
        gone, stored = self.reported_gone_message_count, self.stored_message_count_with_hidden
        return (
            f"{gone} of {stored} messages are no longer in any folder at the provider. They are"
            " hidden here. Confirm the removal if it is intended; otherwise they are deleted if the"
            " provider still reports them as gone after a day. Messages that come back are shown"
            " again."
        )

    @property
    def min_time_between_gone_reports_s(self) -> float:
        """Return the minimum seconds between the provider's first and second response that a
        message is gone. After the second response the message is deleted."""
        after = (
            MIN_TIME_FROM_MASS_REMOVAL_TO_DELETION
            if self.is_unconfirmed_mass_removal
            else MIN_TIME_FROM_REMOVAL_TO_DELETION
        )
        return after.total_seconds()

    @property
    def deletion_due_at(self) -> datetime | None:
        """Return the earliest time at which a sync may delete a hidden message. Before the deletion
        the sync requests the message by id once more. None: no message is reported as gone."""
        return (
            self.first_reported_gone_at + timedelta(seconds=self.min_time_between_gone_reports_s)
            if self.first_reported_gone_at
            else None
        )


NO_MAIL_PENDING_DELETION = MailPendingDeletionSummary(0, 0, 0, 0, None, None, 0)


class RemovalStore:
    """Reads, hides, shows and deletes messages that left their folders. Writing methods raise
    LeaseLost if the run has lost the lease."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read_hidden_mail_and_schedule_rechecks(self, run: RunRef) -> MailPendingDeletionSummary:
        """Return how much of the mailbox is hidden. If most of the mailbox is reported as gone,
        also schedule the second request by id of each of these messages. A message is deleted only
        after its second request."""
        with FencedTransaction(self._database, run) as tx:
            removal = hidden_mail_summary_of_account(tx, run.account_id)
            if removal.is_mass_removal:
                schedule_recheck_before_deletion(tx, run.account_id, removal)
        return removal

    def hide_messages_removed_from_folder(
        self, run: RunRef, folder_id: FolderId | None, ids: Sequence[RemoteId]
    ) -> int:
        """Take messages out of a folder. Hide each message that is then in no folder. Return the
        number of messages that were in the folder.

        folder_id: the folder. None: take the messages out of all folders.
        """
        if not ids:
            return 0
        with FencedTransaction(self._database, run) as tx:
            return end_placements(tx, run, ids, folder_id=folder_id)

    def find_message_ids_in_trash_or_junk(
        self, run: RunRef, ids: Sequence[RemoteId]
    ) -> frozenset[RemoteId]:
        """Return which of these messages are in trash or junk."""
        if not ids:
            return frozenset()
        with self._database.transaction() as tx:
            found = tx.run(
                "find_message_ids_in_trash_or_junk",
                account_id=run.account_id,
                ids=rows.to_jsonb(list(ids)),
            )
        return frozenset(RemoteId(each) for (each,) in found)

    def show_messages_again(
        self, run: RunRef, folder_id: FolderId, ids: Sequence[RemoteId], *, is_only_folder: bool
    ) -> int:
        """Show messages in this folder again. The messages are stored in their present state, but
        are hidden or in another folder. Return the number of messages that were changed.

        is_only_folder: whether a message of this provider is in one folder only, so that these
            messages are in no other folder.
        """
        with FencedTransaction(self._database, run) as tx:
            locked = tx.run("lock_messages", account_id=run.account_id, ids=rows.to_jsonb(ids))
            email_ids = rows.to_jsonb([email_id for (email_id,) in locked])
            return tx.run_returning_row_count(
                "show_again",
                folder_id=folder_id,
                email_ids=email_ids,
                is_only_folder=is_only_folder,
            )

    def hidden_message_ids_due_for_recheck(
        self, run: RunRef, after: str, limit: int
    ) -> tuple[RemoteId, ...]:
        """Return the ids of up to `limit` hidden messages that are due for a request by id. The ids
        are in ascending order.

        after: return only ids greater than this id.
        """
        with self._database.transaction() as tx:
            found = tx.run("removed_ids", account_id=run.account_id, after=after, limit=limit)
        return tuple(RemoteId(message_id) for (message_id,) in found)

    def mark_gone_or_delete_if_marked(
        self,
        run: RunRef,
        ids: Collection[RemoteId],
        wait_s: float,
        *,
        do_ids_survive_moves: bool = True,
    ) -> int:
        """Record that the provider reports these messages as gone. Delete the messages that the
        provider has reported as gone before. Return the number of deleted messages.

        wait_s: minimum seconds between the two reports after which a message is deleted.
        do_ids_survive_moves: whether a message that is moved keeps its id (`ProviderTraits`).
            False: a message is deleted only after every mirrored change feed was read to its end
            since the message left.
        """
        if not ids:
            return 0
        with FencedTransaction(self._database, run) as tx:
            return tx.run_returning_row_count(
                "confirm_gone",
                account_id=run.account_id,
                ids=rows.to_jsonb(sorted(ids)),
                wait_s=wait_s,
                do_ids_survive_moves=do_ids_survive_moves,
            )


def hidden_mail_summary_by_account(
    tx: Transaction, account_ids: Iterable[AccountId]
) -> dict[AccountId, MailPendingDeletionSummary]:
    """Return how much mail of each account is hidden, by account id. The value of an account that
    does not exist is NO_MAIL_PENDING_DELETION."""
    ids = list(account_ids)
    found = tx.run(
        "removals", account_ids=rows.to_jsonb(ids), smallest=MIN_SUSPICIOUS_REMOVAL_MESSAGES
    )
    removals = {account_id: MailPendingDeletionSummary(*row) for account_id, *row in found}
    return {each: removals.get(each, NO_MAIL_PENDING_DELETION) for each in ids}


def hidden_mail_summary_of_account(
    tx: Transaction, account_id: AccountId
) -> MailPendingDeletionSummary:
    """Return how much mail of the account is hidden."""
    return hidden_mail_summary_by_account(tx, [account_id])[account_id]


def schedule_recheck_before_deletion(
    tx: Transaction, account_id: AccountId, removal: MailPendingDeletionSummary
) -> None:
    """Set the time of the second request by id for each message of the account that the provider
    has reported as gone: `MailPendingDeletionSummary.min_time_between_gone_reports_s` after the
    first report."""
    limit = MAX_RECHECKS_SCHEDULED_PER_STATEMENT
    scheduled = limit
    while scheduled == limit:
        scheduled = tx.run_returning_row_count(
            "schedule_removal",
            account_id=account_id,
            wait_s=removal.min_time_between_gone_reports_s,
            limit=limit,
        )
