"""Create, renew and end push subscriptions, independently of the syncs.

Notifications are hints that make a mailbox due earlier. The scheduled checks find changes for which
no notification arrives.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_urlsafe
from threading import Thread

from mailsync.credentials import make_access_token_source, make_fixed_token_source_without_lock
from mailsync.credentials.vault import Vault
from mailsync.errors import MailsyncError, ProviderRejected
from mailsync.log import logger
from mailsync.model import AccountId, ProviderName, RemoteId, Subscription
from mailsync.providers import PushProvider
from mailsync.providers.kit import PushKit, load_provider_kit, load_push_kit, webhook_path
from mailsync.providers.retry_budget import RetryBudget
from mailsync.settings import load_settings
from mailsync.store.account_store import AccountStore
from mailsync.store.connection import Database, open_database
from mailsync.store.control_store import AccountOfRequestingUser
from mailsync.store.credential_store import CredentialStore
from mailsync.store.push_store import SUBSCRIPTION_CLAIM_LIFETIME_S, PushStore, SubscriptionClaim
from mailsync.sync.mailbox import open_encryption_vault
from mailsync.sync.push_leftovers import LeftoverSubscriptionCleaner

MAX_RENEWALS_PER_INVOCATION = 100
MIN_REMAINING_TIME_FOR_RENEWAL_S = 45
"""The minimum seconds until the function's time-out with which the work on one mailbox is started.
The work may need a new access token, the provider's call to Mailsync's webhook, and a search for
leftover subscriptions."""
END_SUBSCRIPTION_TIMEOUT_S = 5.0
"""The longest time in seconds that a user's request to disconnect a mailbox waits for the provider
to end the subscription; a second is usual."""


@dataclass(frozen=True, slots=True)
class SubscriptionRenewalCounts:
    """The numbers of subscriptions that were created or renewed, and of attempts that failed."""

    renewed: int = 0
    failed: int = 0


def renew_due_subscriptions(
    public_url: str, remaining_s: Callable[[], float]
) -> SubscriptionRenewalCounts:
    """Create and renew the push subscriptions that are due while time remains, at most
    `MAX_RENEWALS_PER_INVOCATION`. Return how many attempts succeeded and how many failed.

    A failed attempt is counted and scheduled again; the other subscriptions are still renewed.
    """
    renewed = failed = 0
    store = PushStore(open_database())
    for provider, push_kit in _push_kits():
        leftovers = LeftoverSubscriptionCleaner(
            store, push_kit.leftover_subscription_search_timeout_s
        )
        callback_url = f"{public_url}{webhook_path(provider)}"
        store.add_missing_subscription_rows(provider, callback_url)
        while (
            renewed + failed < MAX_RENEWALS_PER_INVOCATION
            and remaining_s() > MIN_REMAINING_TIME_FOR_RENEWAL_S
        ):
            claim = store.claim_due_subscription(
                provider, callback_url, SUBSCRIPTION_CLAIM_LIFETIME_S
            )
            if claim is None:
                break
            if _renew(store, leftovers, claim, callback_url, push_kit):
                renewed += 1
            else:
                failed += 1
    return SubscriptionRenewalCounts(renewed, failed)


def _push_kits() -> Iterator[tuple[ProviderName, PushKit]]:
    settings = load_settings()
    for registration in settings.enabled_providers():
        push_kit = load_provider_kit(registration.provider_name).push_kit
        if push_kit is not None and push_kit.is_configured(settings):
            yield registration.provider_name, push_kit


def end_subscriptions_of_account(own: AccountOfRequestingUser) -> None:
    """End the push subscription of an account at the provider, within `END_SUBSCRIPTION_TIMEOUT_S`.

    Call this before the account's credentials are deleted. Leftover subscriptions of the mailbox
    (`LeftoverSubscriptionCleaner`) are ended too, but no subscription of another account. Errors
    of the provider and of KMS are logged and not raised, because deleting the account must not
    depend on them. A subscription that remains expires within seven days, and its notifications
    have no effect.
    """
    claim = PushStore(open_database()).claim_subscription_before_disconnect(
        own.account_id, own.user_id
    )
    if claim is None:
        return
    # The thread gets its own connection, because two threads must not share the caller's.
    database = Database(load_settings())
    leftovers = LeftoverSubscriptionCleaner(PushStore(database), END_SUBSCRIPTION_TIMEOUT_S)
    # The provider's libraries limit the time of each read; `join` limits the time of all reads.
    ending = Thread(
        name=f"end-push-{own.account_id}",
        target=_end,
        args=(database, leftovers, claim),
        daemon=True,
    )
    ending.start()
    ending.join(END_SUBSCRIPTION_TIMEOUT_S)
    if ending.is_alive():
        # Lambda may resume the thread in a later invocation. It must not end newer subscriptions.
        leftovers.stop_sending_requests()
        logger.warning("push_not_ended", account_id=own.account_id, cause="TooSlow")


def _end(
    database: Database, leftovers: LeftoverSubscriptionCleaner, claim: SubscriptionClaim
) -> None:
    settings, account_id = load_settings(), claim.account_id
    try:
        account = AccountStore(database).read_account(account_id)
        credentials = CredentialStore(database)
        vault = Vault(settings.token_key_arn, credentials)
        access = make_fixed_token_source_without_lock(account, credentials, vault, settings)
        kit, no_retries = load_push_kit(account.provider), RetryBudget(total_s=0)
        if not _may_end(PushStore(database), account_id, kit):
            logger.info("push_left_to_others", account_id=account_id)
            return
        with closing(kit.open_push_provider(account, access, settings, no_retries)) as push:
            leftovers.end_leftover_subscriptions(
                push,
                claim,
                named=claim.remote_id,
                callback_urls=[claim.callback_url_of_subscription],
            )
        logger.info("push_ended", account_id=account_id)
    except Exception as failure:
        logger.warning("push_not_ended", account_id=account_id, cause=type(failure).__name__)
    finally:
        database.close()


def _may_end(store: PushStore, account_id: AccountId, push_kit: PushKit) -> bool:
    """Return whether the account's subscription can be ended without ending the subscription of
    another account. Return False if accounts of the same mailbox share one subscription."""
    return not (
        push_kit.has_one_subscription_per_mailbox
        and store.is_mailbox_subscribed_by_another_account(account_id)
    )


def _renew(
    store: PushStore,
    leftovers: LeftoverSubscriptionCleaner,
    claim: SubscriptionClaim,
    callback_url: str,
    push_kit: PushKit,
) -> bool:
    try:
        with _push_of(claim.account_id) as push:
            _Renewal(store, leftovers, claim, push, callback_url, push_kit).run()
    except MailsyncError as failure:
        cause = type(failure).__name__
        store.schedule_subscription_retry(claim, cause)
        logger.warning("push_not_renewed", account_id=claim.account_id, cause=cause)
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Renewal:
    """Create or renew the claimed subscription of one mailbox."""

    store: PushStore
    leftovers: LeftoverSubscriptionCleaner
    claim: SubscriptionClaim
    push: PushProvider
    callback_url: str
    push_kit: PushKit

    def run(self) -> None:
        if not self._extend():
            self._make()
        elif self.claim.failed_attempt_count:
            # A failed attempt may have created a second subscription whose response was lost.
            self._end_leftovers(named=None)

    def _extend(self) -> bool:
        """Renew the subscription. Return False if a new subscription must be created: there is
        none, the subscription is gone, or it notifies another URL."""
        remote_id = self.claim.remote_id
        if remote_id is None or self.claim.callback_url_of_subscription != self.callback_url:
            return False
        expires_at = self.push.renew_subscription(remote_id, self.callback_url, self._until())
        if expires_at is None:
            self.store.mark_subscription_gone(self.claim)
            return False
        self.store.save_renewed_subscription(
            self.claim.account_id, Subscription(remote_id, expires_at)
        )
        logger.info("push_renewed", account_id=self.claim.account_id)
        return True

    def _make(self) -> None:
        """Create a subscription. Then end the old subscription, because the provider's report that
        it is gone may be wrong.

        If the function dies before the new subscription is stored, the next claim searches for it.
        """
        secret = token_urlsafe(32)
        subscription = self._open(secret)
        if not self.store.save_created_subscription(self.claim, subscription, secret):
            if _may_end(self.store, self.claim.account_id, self.push_kit):
                self.push.unsubscribe(subscription.remote_id)
            return
        logger.info("push_opened", account_id=self.claim.account_id)
        replaced = self.claim.remote_id
        self._end_leftovers(named=replaced if replaced != subscription.remote_id else None)

    def _open(self, secret: str) -> Subscription:
        """Create a subscription. If the provider rejects it, end the leftover subscriptions of the
        mailbox and try once more.

        A provider may limit the number of subscriptions of a mailbox, or allow only one for each
        URL.
        """
        try:
            return self.push.subscribe(self.callback_url, secret, self._until())
        except ProviderRejected:
            if not self._end_leftovers(named=None):
                raise
        return self.push.subscribe(self.callback_url, secret, self._until())

    def _end_leftovers(self, *, named: RemoteId | None) -> int:
        """End leftover subscriptions of the mailbox, and the subscription `named` unless it is
        None. Return how many were ended. Failures are logged."""
        if self.push_kit.has_one_subscription_per_mailbox:
            return 0  # a new one has replaced it, and its end would end that one
        urls = list({self.claim.callback_url_of_subscription, self.callback_url})
        account_id = self.claim.account_id
        try:
            ended = self.leftovers.end_leftover_subscriptions(
                self.push, self.claim, named=named, callback_urls=urls
            )
        except MailsyncError as failure:
            cause = type(failure).__name__
            logger.warning("push_leftovers_kept", account_id=account_id, cause=cause)
            return 0
        if ended:
            logger.info("push_leftovers_ended", account_id=account_id, ended=ended)
        return ended

    def _until(self) -> datetime:
        return datetime.now(UTC) + self.push_kit.requested_subscription_lifetime


@contextmanager
def _push_of(account_id: AccountId) -> Iterator[PushProvider]:
    settings, credentials = load_settings(), CredentialStore(open_database())
    account = AccountStore(open_database()).read_account(account_id)
    access = make_access_token_source(account, credentials, open_encryption_vault(), settings)
    with closing(
        load_push_kit(account.provider).open_push_provider(account, access, settings)
    ) as push:
        yield push
