"""Store push subscriptions, and make mailboxes due when notifications arrive.

The store keeps only a hash of a subscription's client state. A SubscriptionNotification contains
the client state, which proves that the provider sent the notification.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from random import random
from typing import Any

from mailsync.decisions.due import (
    seconds_until_subscription_renewal,
    seconds_until_subscription_retry,
)
from mailsync.decisions.push_health import PushHealth, classify_push_health
from mailsync.model import (
    AccountId,
    NotificationKind,
    ProviderName,
    RemoteId,
    Subscription,
    SubscriptionNotification,
)
from mailsync.store.connection import Database, Transaction
from mailsync.store.rows import to_jsonb

SUBSCRIPTION_CLAIM_LIFETIME_S = 600
"""The lifetime in seconds of a worker's claim on a subscription. If the worker dies, the claim ends
after this time."""
MIN_SUBSCRIPTION_RENEWAL_INTERVAL_S = 300.0
"""The minimum seconds until a subscription is renewed, also if the provider names an expiry in the
past."""


@dataclass(frozen=True, slots=True)
class SubscriptionClaim:
    """A worker's temporary right to create, renew or end the push subscription of one mailbox.

    remote_id: the provider's id of the current subscription. None: a subscription must be created.
    claimed_until: when other workers may claim the mailbox; it also identifies this claim.
    callback_url_of_subscription: URL that the current subscription notifies.
    failed_attempt_count: number of failures since the subscription was last created or renewed.
    """

    account_id: AccountId
    remote_id: RemoteId | None
    claimed_until: datetime
    callback_url_of_subscription: str = ""
    failed_attempt_count: int = 0


@dataclass(frozen=True, slots=True)
class PushNotificationState:
    """The state of the notifications of a mailbox.

    notification_health: whether the notifications work.
    expires_at: expiry of the subscription. None: there is no subscription.
    last_notified_at: when the last genuine notification arrived. None: no notification arrived yet.
    last_error_name: error name of the last attempt to create or renew the subscription. None: the
        attempt succeeded.
    """

    notification_health: PushHealth
    expires_at: datetime | None
    last_notified_at: datetime | None
    last_error_name: str | None


class PushStore:
    """Stores push subscriptions. Raises StoreUnavailable and StoreRejected.

    Every method is one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_missing_subscription_rows(self, provider: ProviderName, callback_url: str) -> int:
        """Add a row for each active mailbox that has had its first sync and has no subscription, so
        that a worker creates a subscription. Return the number of added rows."""
        with self._database.transaction() as tx:
            return tx.run_returning_row_count(
                "add_subscriptions", provider=provider, callback_url=callback_url
            )

    def claim_due_subscription(
        self, provider: ProviderName, callback_url: str, wait_s: int
    ) -> SubscriptionClaim | None:
        """Claim the push subscription that has been due for creation or renewal the longest. Return
        None if no subscription is due.

        A subscription that notifies another URL than `callback_url` is due for creation. Mailboxes
        that are being synced are left out.

        wait_s: seconds during which no other worker can claim the subscription.
        """
        with self._database.transaction() as tx:
            found = tx.run(
                "claim_subscription", provider=provider, callback_url=callback_url, next_in_s=wait_s
            )
        return _claim(found)

    def save_created_subscription(
        self, claim: SubscriptionClaim, subscription: Subscription, secret: str
    ) -> bool:
        """Store a new subscription, and make its mailbox due, because changes before the creation
        of the subscription caused no notification.

        Returns False, without storing the subscription, if the account was disconnected, or if
        another worker has claimed the mailbox.
        """
        with self._database.transaction() as tx:
            _notify(tx, [claim.account_id])
            kept = tx.run_returning_row_count(
                "subscription_made",
                account_id=claim.account_id,
                claimed_until=claim.claimed_until,
                remote_id=subscription.remote_id,
                secret_hash=_hash(secret),
                expires_at=subscription.expires_at,
                next_in_s=_renewal_in_s(subscription.expires_at),
            )
        return kept > 0

    def save_renewed_subscription(self, account_id: AccountId, subscription: Subscription) -> None:
        """Store the new expiry of a subscription."""
        with self._database.transaction() as tx:
            tx.run(
                "subscription_renewed",
                account_id=account_id,
                remote_id=subscription.remote_id,
                expires_at=subscription.expires_at,
                next_in_s=_renewal_in_s(subscription.expires_at),
            )

    def mark_subscription_gone(self, claim: SubscriptionClaim) -> None:
        """Record that the subscription no longer exists at the provider, so that a new one is
        created."""
        with self._database.transaction() as tx:
            tx.run(
                "subscription_gone", account_id=claim.account_id, claimed_until=claim.claimed_until
            )

    def schedule_subscription_retry(self, claim: SubscriptionClaim, error: str) -> None:
        """Schedule the next attempt to create or renew the subscription, with exponential back-off.

        The back-off is short enough for several attempts before the subscription expires.
        """
        failures = claim.failed_attempt_count + 1
        wait_s = seconds_until_subscription_retry(failures=failures, jitter=random())  # noqa: S311
        with self._database.transaction() as tx:
            tx.run(
                "subscription_failed",
                account_id=claim.account_id,
                claimed_until=claim.claimed_until,
                failures=failures,
                error=error,
                next_in_s=wait_s,
            )

    def claim_subscription_before_disconnect(
        self, account_id: AccountId, user_id: str
    ) -> SubscriptionClaim | None:
        """Claim the subscription of an account that is about to be disconnected, for a minute.

        If the account is not disconnected within that minute, another worker creates a subscription
        for the account again. Returns None if no subscription was ever requested for the account.
        """
        with self._database.transaction() as tx:
            return _claim(tx.run("withdraw_subscription", account_id=account_id, user_id=user_id))

    def find_unused_remote_subscription_ids(
        self, claim: SubscriptionClaim, remote_ids: Sequence[RemoteId]
    ) -> list[RemoteId]:
        """Return the subscription ids of this mailbox that no account uses. Return no id while
        another worker may be creating a subscription for the mailbox.

        remote_ids: the ids of all subscriptions of the mailbox that the provider lists.
        """
        if not remote_ids:
            return []
        with self._database.transaction() as tx:
            found = tx.run(
                "unheld_subscriptions",
                account_id=claim.account_id,
                claimed_until=claim.claimed_until,
                claimed_for_s=SUBSCRIPTION_CLAIM_LIFETIME_S,
                remote_ids=to_jsonb(remote_ids),
            )
        return [RemoteId(remote_id) for (remote_id,) in found]

    def find_push_state(self, account_id: AccountId, user_id: str) -> PushNotificationState | None:
        """Return the state of an account's push notifications. None: Mailsync never requested a
        subscription for the account."""
        with self._database.transaction() as tx:
            found = tx.run("find_push_state", account_id=account_id, user_id=user_id)
        if not found:
            return None
        expires_at, subscribed_at, notified_at, changed_at, last_error, now = found[0]
        health = classify_push_health(
            expires_at=expires_at,
            subscribed_at=subscribed_at,
            notified_at=notified_at,
            changed_at=changed_at,
            now=now,
        )
        return PushNotificationState(health, expires_at, notified_at, last_error)

    def is_mailbox_subscribed_by_another_account(self, account_id: AccountId) -> bool:
        """Return whether another account of the same mailbox has a push subscription."""
        with self._database.transaction() as tx:
            [[is_subscribed]] = tx.run("is_subscribed_by_others", account_id=account_id)
        return bool(is_subscribed)

    def apply_notifications_by_email_address(
        self, provider: ProviderName, addresses: Sequence[str]
    ) -> int:
        """Make each mailbox due for which a notification with an email address arrived. Return the
        number of accounts of these mailboxes. The caller has verified who sent the notifications.

        A mailbox is found by the address for which its subscription was created, or else by its
        present address. So notifications of a renamed mailbox are accepted under both addresses.

        addresses: email addresses of the notified mailboxes, in lower case.
        """
        if not addresses:
            return 0
        names = {"provider": provider, "addresses": to_jsonb(sorted(set(addresses)))}
        with self._database.transaction() as tx:
            found = tx.run("find_subscribed_mailboxes", **names) or tx.run(
                "find_renamed_mailboxes", **names
            )
            _notify(tx, [AccountId(account_id) for (account_id,) in found])
        return len(found)

    def apply_subscription_notifications(
        self, notifications: Sequence[SubscriptionNotification]
    ) -> int:
        """Make each mailbox due for whose subscription a genuine notification arrived. Return the
        number of genuine notifications.

        A notification is genuine if its client state matches the stored hash. Other notifications
        have no effect.
        """
        if not notifications:
            return 0
        with self._database.transaction() as tx:
            remote_ids = to_jsonb(sorted({each.subscription_remote_id for each in notifications}))
            known = {
                remote_id: (account_id, secret_hash)
                for remote_id, account_id, secret_hash in tx.run(
                    "find_subscriptions", remote_ids=remote_ids
                )
            }
            genuine = [
                each
                for each in notifications
                if each.subscription_remote_id in known
                and compare_digest(known[each.subscription_remote_id][1], _hash(each.client_state))
            ]
            _apply(
                tx,
                genuine,
                {
                    each.subscription_remote_id: known[each.subscription_remote_id][0]
                    for each in genuine
                },
            )
        return len(genuine)


def _claim(found: Sequence[Sequence[Any]]) -> SubscriptionClaim | None:
    if not found:
        return None
    account_id, remote_id, until, callback_url, failures = found[0]
    held = RemoteId(remote_id) if remote_id else None
    return SubscriptionClaim(AccountId(account_id), held, until, callback_url, failures)


def _apply(
    tx: Transaction,
    notifications: Sequence[SubscriptionNotification],
    accounts: dict[RemoteId, AccountId],
) -> None:
    """Make mailboxes due whose mail has changed or whose subscription is gone. Make expiring
    subscriptions due for renewal, and gone subscriptions due for creation.

    Locks accounts before subscriptions, in the same order as a disconnection.
    """
    of_kind = {
        kind: sorted({each.subscription_remote_id for each in notifications if each.kind is kind})
        for kind in NotificationKind
    }
    removed = of_kind[NotificationKind.SUBSCRIPTION_REMOVED]
    _notify(tx, [accounts[each] for each in (*of_kind[NotificationKind.MAIL_CHANGED], *removed)])
    if expiring := of_kind[NotificationKind.SUBSCRIPTION_EXPIRING]:
        tx.run("renew_subscriptions_now", remote_ids=to_jsonb(expiring))
    if removed:
        tx.run("subscriptions_removed", remote_ids=to_jsonb(removed))


def _notify(tx: Transaction, account_ids: Iterable[AccountId]) -> None:
    if wanted := sorted(set(account_ids)):
        tx.run("notify_accounts", account_ids=to_jsonb(wanted))
        tx.run("mark_notified", account_ids=to_jsonb(wanted))


def _renewal_in_s(expires_at: datetime) -> float:
    lasts_s = (expires_at - datetime.now(UTC)).total_seconds()
    jitter = random()  # noqa: S311
    wait_s = seconds_until_subscription_renewal(lasts_s=lasts_s, jitter=jitter)
    return max(MIN_SUBSCRIPTION_RENEWAL_INTERVAL_S, wait_s)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
