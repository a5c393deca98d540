"""How the provider notifies us of each mailbox, and what its notifications mean for the rows.

A subscription's secret is kept as a hash only: the provider says it, we compare.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hmac import compare_digest
from random import random
from typing import Any

from mailsync.decisions.due import renewal_in_s, retry_renewal_in_s
from mailsync.model import (
    AccountId,
    Notification,
    NotificationKind,
    Provider,
    RemoteId,
    Subscription,
)
from mailsync.store.connection import Database, Transaction
from mailsync.store.rows import to_json

CLAIMED_FOR_S = 600
"""A claim ends by itself, should its worker die."""
MIN_RENEWAL_S = 300.0
"""A provider that names a time in the past is not asked again at once."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A mailbox whose subscription one worker makes, renews when `remote_id` is not None, or ends.

    `until`, the moment from which others may claim it, tells it from any other claim. The
    subscription led to `callback_url` before, and could not be made or renewed `failures` times
    since.
    """

    account_id: AccountId
    remote_id: RemoteId | None
    until: datetime
    callback_url: str = ""
    failures: int = 0


class PushStore:
    """Raises StoreUnavailable and StoreRejected; every method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_missing(self, provider: Provider, callback_url: str) -> int:
        """The number of mailboxes that are now to have a subscription and had none before."""
        with self._database.transaction() as tx:
            return tx.changed("add_subscriptions", provider=provider, callback_url=callback_url)

    def claim(self, provider: Provider, callback_url: str, wait_s: int) -> Claim | None:
        """The one that waits longest; put off by `wait_s`, so nobody else claims it too.

        wait_s: at most `CLAIMED_FOR_S`.
        """
        with self._database.transaction() as tx:
            found = tx.run(
                "claim_subscription",
                provider=provider,
                callback_url=callback_url,
                next_in_s=wait_s,
            )
        return _claim(found)

    def made(self, claim: Claim, subscription: Subscription, secret: str) -> bool:
        """Makes the mailbox due as well: nobody was told what changed before this moment.

        False, and nothing is kept, when the account was disconnected meanwhile or somebody else
        has claimed it.
        """
        with self._database.transaction() as tx:
            _notify(tx, [claim.account_id])
            kept = tx.changed(
                "subscription_made",
                account_id=claim.account_id,
                claimed_until=claim.until,
                remote_id=subscription.remote_id,
                secret_hash=_hash(secret),
                expires_at=subscription.expires_at,
                next_in_s=_renewal_in_s(subscription.expires_at),
            )
        return kept > 0

    def renewed(self, account_id: AccountId, subscription: Subscription) -> None:
        with self._database.transaction() as tx:
            tx.run(
                "subscription_renewed",
                account_id=account_id,
                remote_id=subscription.remote_id,
                expires_at=subscription.expires_at,
                next_in_s=_renewal_in_s(subscription.expires_at),
            )

    def gone(self, claim: Claim) -> None:
        """Have the next claim look for what was left, should this one not end."""
        with self._database.transaction() as tx:
            tx.run("subscription_gone", account_id=claim.account_id, claimed_until=claim.until)

    def failed(self, claim: Claim, error: str) -> None:
        """Tried again ever more rarely, but several times before the subscription expires."""
        failures = claim.failures + 1
        wait_s = retry_renewal_in_s(failures=failures, jitter=random())  # noqa: S311
        with self._database.transaction() as tx:
            tx.run(
                "subscription_failed",
                account_id=claim.account_id,
                claimed_until=claim.until,
                failures=failures,
                error=error,
                next_in_s=wait_s,
            )

    def withdraw(self, account_id: AccountId, user_id: str) -> Claim | None:
        """Claim for a minute what the provider may have for this user's account.

        The account is about to lose it; if it is not deleted until then it is made anew. None when
        the provider was never asked to notify us of the account.
        """
        with self._database.transaction() as tx:
            return _claim(tx.run("withdraw_subscription", account_id=account_id, user_id=user_id))

    def unheld(self, claim: Claim, remote_ids: Sequence[RemoteId]) -> list[RemoteId]:
        """Return those subscriptions of the claim's mailbox that no account uses.

        Return none while another claim may be making one for the same mailbox.
        """
        if not remote_ids:
            return []
        with self._database.transaction() as tx:
            found = tx.run(
                "unheld_subscriptions",
                account_id=claim.account_id,
                claimed_until=claim.until,
                claimed_for_s=CLAIMED_FOR_S,
                remote_ids=to_json(remote_ids),
            )
        return [RemoteId(remote_id) for (remote_id,) in found]

    def receive(self, notifications: Sequence[Notification]) -> int:
        """The number of notifications that were genuine; the others have no effect at all."""
        if not notifications:
            return 0
        with self._database.transaction() as tx:
            remote_ids = to_json(sorted({each.remote_id for each in notifications}))
            known = {
                remote_id: (account_id, secret_hash)
                for remote_id, account_id, secret_hash in tx.run(
                    "find_subscriptions", remote_ids=remote_ids
                )
            }
            genuine = [
                each
                for each in notifications
                if each.remote_id in known
                and compare_digest(known[each.remote_id][1], _hash(each.secret))
            ]
            _apply(tx, genuine, {each.remote_id: known[each.remote_id][0] for each in genuine})
        return len(genuine)


def _claim(found: Sequence[Sequence[Any]]) -> Claim | None:
    if not found:
        return None
    account_id, remote_id, until, callback_url, failures = found[0]
    held = RemoteId(remote_id) if remote_id else None
    return Claim(AccountId(account_id), held, until, callback_url, failures)


def _apply(
    tx: Transaction, notifications: Sequence[Notification], accounts: dict[RemoteId, AccountId]
) -> None:
    """A mailbox whose subscription is gone is due too: changes since then were not notified.

    Accounts before subscriptions, in the order in which a disconnection locks them.
    """
    of_kind = {
        kind: sorted({each.remote_id for each in notifications if each.kind is kind})
        for kind in NotificationKind
    }
    removed = of_kind[NotificationKind.REMOVED]
    _notify(tx, [accounts[each] for each in (*of_kind[NotificationKind.CHANGED], *removed)])
    if expiring := of_kind[NotificationKind.EXPIRING]:
        tx.run("renew_subscriptions_now", remote_ids=to_json(expiring))
    if removed:
        tx.run("subscriptions_removed", remote_ids=to_json(removed))


def _notify(tx: Transaction, account_ids: Iterable[AccountId]) -> None:
    if wanted := sorted(set(account_ids)):
        tx.run("notify_accounts", account_ids=to_json(wanted))


def _renewal_in_s(expires_at: datetime) -> float:
    lasts_s = (expires_at - datetime.now(UTC)).total_seconds()
    return max(MIN_RENEWAL_S, renewal_in_s(lasts_s=lasts_s, jitter=random()))  # noqa: S311


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
