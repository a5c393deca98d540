"""Open a mailbox for one state of the workflow or for one check.

Opening loads the account, extends its lease, and makes the provider's client with the account's
access token.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from mailsync.credentials import make_access_token_source
from mailsync.credentials.vault import SealedColumn, SealingContext, Vault
from mailsync.decisions.budget import MAX_PAUSE_WITHOUT_WAIT_STATE_S
from mailsync.decisions.successor import (
    MAX_SUCCESSIVE_PROVIDER_PAUSES,
    compute_max_history_events_of_state,
)
from mailsync.errors import AccessRevoked, CursorExpired, ProviderThrottled
from mailsync.log import logger
from mailsync.model import (
    Account,
    AccountId,
    Cursor,
    FeedId,
    FeedRef,
    RunRef,
    SealedSecret,
    StoredFeed,
)
from mailsync.providers import AccessTokenSource, MailProvider
from mailsync.providers.kit import load_provider_kit
from mailsync.settings import load_settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import Database, open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.placement_store import PlacementBackfillStore
from mailsync.store.quota_store import MailboxQuota, open_mailbox_quota
from mailsync.store.stores import MailboxStores
from mailsync.sync.message_ids import wrap_provider_for_stable_message_ids
from mailsync.sync.waiting import HandOverToSuccessorDue


@dataclass(slots=True)
class FeedReadingLog:
    """The ids of the change feeds of which a page was stored since the mailbox was opened.

    ids_of_feeds_read_from_start: feeds that were read from their beginning (a full sync).
    ids_of_feeds_read_from_cursor: feeds that were read from a stored cursor on.
    """

    ids_of_feeds_read_from_start: set[FeedId] = field(default_factory=set)
    ids_of_feeds_read_from_cursor: set[FeedId] = field(default_factory=set)

    def record_stored_page_of_feed(self, feed: StoredFeed) -> None:
        """Record that a page of the feed was stored. A feed whose full sync ends and is followed by
        another round counts as read from its beginning."""
        if feed.position.is_full_sync_running:
            self.ids_of_feeds_read_from_start.add(feed.ref.id)
        elif feed.ref.id not in self.ids_of_feeds_read_from_start:
            self.ids_of_feeds_read_from_cursor.add(feed.ref.id)

    def log_and_count(self) -> dict[str, int]:
        """Log how many feeds were read from their beginning and how many from a cursor. Return both
        numbers for the output of a workflow state."""
        full_syncs, cursors_used = (
            len(self.ids_of_feeds_read_from_start),
            len(self.ids_of_feeds_read_from_cursor),
        )
        logger.info("feeds_read", cursors_used=cursors_used, full_syncs=full_syncs)
        return {"cursorsUsed": cursors_used, "fullSyncs": full_syncs}


@dataclass(frozen=True, slots=True)
class Mailbox(MailboxStores):
    """An open mailbox: the client of its provider, and the stores of its data.

    max_requests_in_flight: number of concurrent requests that the provider accepted when the
        mailbox was opened.
    mailbox_quota: the provider's quota of the mailbox. None: the provider has no quota.
    """

    run_ref: RunRef
    access_token_source: AccessTokenSource
    provider: MailProvider
    database: Database
    encryption_vault: Vault
    max_requests_in_flight: int
    feed_reading_log: FeedReadingLog = field(default_factory=FeedReadingLog)
    mailbox_quota: MailboxQuota | None = None

    @contextmanager
    def treating_requests_as_backfill(self) -> Iterator[None]:
        """Treat all requests in the `with` block as requests for old mail. They leave a part of the
        provider's quota, the reserve, to requests for new mail."""
        with (
            self.mailbox_quota.treating_requests_as_backfill()
            if self.mailbox_quota
            else nullcontext()
        ):
            yield

    def decrypt_cursor(self, feed: StoredFeed) -> Cursor | None:
        """Return the decrypted cursor of a feed. None: the full sync of the feed has stored no page
        yet.

        Raises:
            CursorExpired: the stored cursor cannot be decrypted; the feed needs a full sync.
        """
        sealed = feed.position.sealed_cursor
        if sealed is None:
            return None
        try:
            return Cursor(
                self.encryption_vault.decrypt_sealed_text(self._sealing_context(feed.ref), sealed)
            )
        except AccessRevoked:
            raise CursorExpired(
                f"The stored cursor of feed {feed.ref.id} does not open; reading it again."
            ) from None

    def encrypt_cursor(self, feed: FeedRef, cursor: Cursor) -> SealedSecret:
        return self.encryption_vault.seal_text(self._sealing_context(feed), cursor)

    def save_provider_throttling(self, failure: ProviderThrottled | None = None) -> None:
        """Store the limits that the provider has reported since the mailbox was opened, so that
        other Lambda functions respect them too.

        The limits are the number of concurrent requests, if it has become lower, and a pause.

        failure: the error with which the provider requested a pause that is too long to sleep in
            this function. None: the provider requested no such pause.
        """
        asked_s = (failure.retry_after_s if failure else None) or 0.0
        pause_s = max(asked_s, self.provider.remaining_provider_pause_s)
        if pause_s > MAX_PAUSE_WITHOUT_WAIT_STATE_S:
            self.lease_store.save_pause_requested_by_provider(self.run_ref, pause_s)
        if self.provider.max_requests_in_flight < self.max_requests_in_flight:
            self.lease_store.save_max_requests_in_flight(
                self.run_ref.account_id, self.provider.max_requests_in_flight
            )

    def _sealing_context(self, feed: FeedRef) -> SealingContext:
        owner = str(feed.folder.id) if feed.folder else "mailbox"
        return SealingContext(SealedColumn.CHANGE_FEED_CURSOR, f"{self.run_ref.account_id}/{owner}")


def require_no_provider_pause(account: Account) -> None:
    """Raise ProviderThrottled if a pause that the provider requested has not ended."""
    if account.remaining_provider_pause_s > 0:
        raise ProviderThrottled(
            "The pause that the provider asked for is not over.",
            retry_after_s=account.remaining_provider_pause_s,
        )


@contextmanager
def open_mailbox(state: Mapping[str, Any]) -> Iterator[Mailbox]:
    """Open the mailbox that the input of a workflow's state names, for the `with` block. First
    renew its lease; at the end of the block record how many requests were sent.

    state: `accountId`, `runId` and `leaseEpoch`. Optional: `atOnce`, the number of states that work
        on the mailbox at the same time, each with one request in flight; `retryCount`, the number
        of retries before this attempt. The workflow definition of the previous release, which has
        no state `hand-over`, sends no `retryCount`.

    Raises:
        HandOverToSuccessorDue: the execution must hand over its run; the mailbox was not opened.
        AccountNotFound, AccountNotConnected: the account must not be synced any more.
        LeaseLost: another execution or check holds the lease.
        AccessRevoked: no access token is available until a person acts.
        ProviderThrottled: a pause that the provider requested has not ended. After
            `MAX_SUCCESSIVE_PROVIDER_PAUSES` pauses in succession the error names no pause.
    """
    run, retry_count = RunRef.from_workflow_state(state), state.get("retryCount")
    database = open_database()
    account = AccountStore(database).read_active_account(run.account_id)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id, provider=account.provider)
    leases = LeaseStore(database)
    is_spent = leases.renew_lease(run, events=compute_max_history_events_of_state(retry_count))
    if is_spent and retry_count is not None:
        raise HandOverToSuccessorDue
    if not account.has_placements_of_all_messages:
        _fill_placements(database, account.id)
    if at_once := state.get("atOnce"):
        account = replace(account, max_requests_in_flight=at_once)
    with _bounded_waits(leases, run):
        require_no_provider_pause(account)
        mailbox = _connect(database, account, run)
        with (
            mailbox.mailbox_quota or nullcontext(),
            closing(mailbox.provider),
            save_provider_throttling_on_exit(mailbox),
        ):
            yield mailbox
    leases.renew_lease(run, requests=mailbox.provider.used_quota_units)


def _connect(database: Database, account: Account, run: RunRef) -> Mailbox:
    settings = load_settings()
    credentials = CredentialStore(database)
    vault = open_encryption_vault()
    access = make_access_token_source(account, credentials, vault, settings)
    quota = open_mailbox_quota(database, account, settings)
    kit = load_provider_kit(account.provider)
    provider = kit.open_mailbox(account, access, settings, quota=quota)
    provider = wrap_provider_for_stable_message_ids(provider, run, database)
    in_flight = provider.max_requests_in_flight
    return Mailbox(run, access, provider, database, vault, in_flight, mailbox_quota=quota)


@contextmanager
def _bounded_waits(leases: LeaseStore, run: RunRef) -> Iterator[None]:
    """Count the ProviderThrottled errors that the `with` blocks of a run raise in succession. After
    `MAX_SUCCESSIVE_PROVIDER_PAUSES`, remove the pause from the error. The state then retries
    instead of waiting, and fails after its last retry."""
    try:
        yield
    except ProviderThrottled as failure:
        if leases.increment_pause_count_of_run(run) > MAX_SUCCESSIVE_PROVIDER_PAUSES:
            failure.retry_after_s = None
        raise


def _fill_placements(database: Database, account_id: AccountId) -> None:
    """Create the placements of all messages that an earlier release stored without placements.

    If the function is killed meanwhile, its next attempt continues.
    """
    placements = PlacementBackfillStore(database)
    while placements.create_placements_of_next_batch(account_id):
        pass
    logger.info("placements_filled")


@contextmanager
def save_provider_throttling_on_exit(mailbox: Mailbox) -> Iterator[None]:
    """When the `with` block ends, also with a ProviderThrottled error, store the limits that the
    provider has reported since the mailbox was opened."""
    try:
        yield
    except ProviderThrottled as failure:
        mailbox.save_provider_throttling(failure)
        raise
    mailbox.save_provider_throttling()


@cache
def open_encryption_vault() -> Vault:
    """Return the vault of this process, which encrypts and decrypts secrets and caches data
    keys."""
    return Vault(load_settings().token_key_arn, CredentialStore(open_database()))
