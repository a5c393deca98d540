"""What notifications mean for the next sync of a mailbox: earlier, never instead."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from mailsync.decisions.due import (
    SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S,
    SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S,
)
from mailsync.model import (
    NotificationKind,
    RemoteId,
    RunRef,
    Subscription,
    SubscriptionNotification,
)
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.push_store import PushStore, SubscriptionClaim
from tests.store.rows import one
from tests.support.builders import MICROSOFT, begin_run, complete_verified

REMOTE_ID, SECRET = RemoteId("subscription-1"), "secret"
CALLBACK_URL = "https://api.example.org/hook"
ANOTHER = Subscription(RemoteId("subscription-2"), datetime.now(UTC) + timedelta(days=2))
DUE = "UPDATE mailsync.provider_subscriptions SET next_try_at = now() RETURNING 1"
IDLE = "UPDATE mailsync.email_accounts SET lease_until = now() RETURNING 1"
WAIT = "SELECT extract(epoch FROM next_sync_at - now())::float8 FROM mailsync.email_accounts"
MIRRORED = "UPDATE mailsync.email_accounts SET initial_sync_completed = true RETURNING 1"
LONG_AGO = "UPDATE mailsync.email_accounts SET notified_at = now() - interval '1 hour' RETURNING 1"


@pytest.fixture
def push(database: Database, run: RunRef) -> PushStore:
    """Of a provider that notifies us of the mailbox; the last time was an hour ago."""
    store = PushStore(database)
    one(database, MIRRORED)
    store.add_missing_subscription_rows(MICROSOFT, CALLBACK_URL)
    expires_at = datetime.now(UTC) + timedelta(days=2)
    (until,) = one(database, "SELECT next_try_at FROM mailsync.provider_subscriptions")
    claim = SubscriptionClaim(run.account_id, None, until)
    assert store.save_created_subscription(claim, Subscription(REMOTE_ID, expires_at), SECRET)
    one(database, LONG_AGO)
    return store


def wait_after(run: RunRef, database: Database) -> float:
    complete_verified(database, run)
    return float(one(database, WAIT)[0])


def is_about(seconds: float, wanted_s: float) -> bool:
    return abs(seconds - wanted_s) <= wanted_s / 10 + 60


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE mailsync.email_accounts SET notified_at = now() - interval '2 days' RETURNING 1",
        "UPDATE mailsync.provider_subscriptions SET expires_at = now() RETURNING 1",
        "DELETE FROM mailsync.provider_subscriptions RETURNING 1",
    ],
)
def test_push_that_is_silent_expired_or_gone_is_not_relied_upon(
    run: RunRef, push: PushStore, database: Database, broken: str
) -> None:
    one(database, broken)

    assert is_about(wait_after(run, database), SYNC_INTERVAL_OF_ACTIVE_MAILBOX_S)


def test_what_comes_while_a_sync_is_under_way_is_not_forgotten_at_its_end(
    run: RunRef, push: PushStore, database: Database
) -> None:
    """The sync may have read the folder before the mail arrived. The next run reads it, and the
    schedule continues."""
    notification = SubscriptionNotification(REMOTE_ID, SECRET, NotificationKind.MAIL_CHANGED)

    assert push.apply_subscription_notifications([notification]) == 1

    assert wait_after(run, database) <= 0
    following = begin_run(database, run.account_id, "run-2", "arn-2")
    assert is_about(wait_after(following, database), SYNC_INTERVAL_OF_SUBSCRIBED_MAILBOX_S)


def test_a_disconnection_and_what_the_provider_says_meanwhile_do_not_bar_each_other(
    run: RunRef, push: PushStore, database: Database, settings: Settings
) -> None:
    """Whoever disconnects holds the account first; to hold its subscription first is a deadlock."""
    notification = SubscriptionNotification(
        REMOTE_ID, SECRET, NotificationKind.SUBSCRIPTION_REMOVED
    )
    with closing(Database(settings)) as other, ThreadPoolExecutor(1) as provider:
        with database.transaction() as tx:
            tx.run("lock_account", account_id=run.account_id)
            said = provider.submit(
                PushStore(other).apply_subscription_notifications, [notification]
            )
            assert wait([said], timeout=0.5).done == set()
            tx.run("forget_subscription", account_id=run.account_id)
        said.result(timeout=10)


def claim_due(push: PushStore, database: Database) -> SubscriptionClaim | None:
    one(database, DUE)
    return push.claim_due_subscription(MICROSOFT, CALLBACK_URL, 600)


def test_of_many_ticks_at_once_one_renews(push: PushStore, database: Database) -> None:
    one(database, IDLE)

    claims = [claim_due(push, database)]
    claims += (push.claim_due_subscription(MICROSOFT, CALLBACK_URL, 600) for _ in range(2))

    assert [each.remote_id if each else None for each in claims] == [REMOTE_ID, None, None]


def test_a_claim_that_somebody_else_has_got_meanwhile_is_no_longer_good(
    push: PushStore, database: Database
) -> None:
    """So it was when a notification had a subscription claimed twice; one would be forgotten."""
    one(database, IDLE)
    late, current = (claim_due(push, database) for _ in range(2))

    assert late
    assert current
    assert not push.save_created_subscription(late, ANOTHER, SECRET)
    push.schedule_subscription_retry(late, "ProviderUnavailable")
    push.mark_subscription_gone(late)
    assert one(database, "SELECT failures FROM mailsync.provider_subscriptions") == [0]
    assert push.save_created_subscription(current, ANOTHER, SECRET)
