"""The schedule `renew-subscriptions` with Gmail: one watch per mailbox, renewed daily, which ends
with the last account; and what happens when Gmail refuses it."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.google.push_tokens import PUSH_SERVICE_ACCOUNT
from mailsync.settings import load_settings
from tests.api.gmail_push import AUDIENCE, TOPIC, WatchedMailbox, refusal
from tests.api.google_sign_in import sign_in
from tests.api.requests import Sql
from tests.api.sign_in import ANN, account_of
from tests.api.subscriptions import (
    MIRRORED,
    NO_WORK,
    ONE_FAILED,
    ONE_MADE,
    RENEW_NOW,
    TOKEN_ENDS,
    tick,
)
from tests.api.test_disconnect_google import disconnect
from tests.api.test_provider_paths import ask

REMOTE_IDS = "SELECT remote_id FROM mailsync.provider_subscriptions ORDER BY created_at"
NEXT = """SELECT next_try_at > now() + interval '19 hours',
  next_try_at < now() + interval '26 hours',
  expires_at < now() + interval '7 days' FROM mailsync.provider_subscriptions"""


@pytest.fixture
def watched(google: Simulators, environment: pytest.MonkeyPatch) -> Iterator[WatchedMailbox]:
    """Ann's Gmail mailbox, in a stage with a topic."""
    mailbox = WatchedMailbox()
    environment.setenv("PUBLIC_URL", "https://api.example.org")
    environment.setenv("GMAIL_URL", mailbox.url)
    environment.setenv("GOOGLE_PUBSUB_TOPIC", TOPIC)
    environment.setenv("GOOGLE_PUSH_SERVICE_ACCOUNT", PUSH_SERVICE_ACCOUNT)
    environment.setenv("GOOGLE_PUSH_AUDIENCE", AUDIENCE)
    load_settings.cache_clear()
    yield mailbox
    mailbox.server.stop()


def connect(google: Simulators, sql: Sql, user: str = "ann") -> str:
    account_id = account_of(sign_in(google, user=user))
    sql(MIRRORED)
    return account_id


def test_a_mirrored_mailbox_is_watched_and_the_watch_renewed_daily(
    google: Simulators, watched: WatchedMailbox, sql: Sql
) -> None:
    account_id = connect(google, sql)

    assert tick() == ONE_MADE

    assert (watched.topic, watched.calls) == (TOPIC, ["profile", "watch"])
    assert sql(REMOTE_IDS) == [[f"{ANN}#{account_id}"]]
    assert sql(NEXT) == [[True, True, True]]
    assert tick() == NO_WORK
    sql(RENEW_NOW)
    assert tick() == ONE_MADE
    assert watched.calls[2:] == ["profile", "watch"]
    assert sql(NEXT) == [[True, True, True]]


def test_a_stage_without_a_topic_watches_nothing(
    google: Simulators, watched: WatchedMailbox, sql: Sql, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("GOOGLE_PUSH_AUDIENCE")
    connect(google, sql)

    assert tick() == NO_WORK
    assert watched.calls == []


def test_the_watch_ends_with_the_last_account_of_the_mailbox(
    google: Simulators, watched: WatchedMailbox, sql: Sql
) -> None:
    of_ann, of_bo = connect(google, sql), connect(google, sql, "bo")
    assert tick() == {"renewed": 2, "failed": 0}

    disconnect(of_ann, "ann")
    assert watched.topic == TOPIC
    disconnect(of_bo, "bo")
    assert watched.topic is None


def test_a_renamed_mailbox_gets_a_subscription_of_its_new_address_and_keeps_its_watch(
    google: Simulators, watched: WatchedMailbox, sql: Sql
) -> None:
    account_id = connect(google, sql)
    tick()
    watched.address = "Ann.New@example.org"
    sql(RENEW_NOW)

    assert tick() == ONE_MADE

    assert sql(REMOTE_IDS) == [[f"ann.new@example.org#{account_id}"]]
    assert (watched.topic, "stop" in watched.calls) == (TOPIC, False)


def test_a_renamed_address_is_taken_over_at_the_next_renewal_of_the_token(
    google: Simulators, watched: WatchedMailbox, sql: Sql
) -> None:
    connect(google, sql)
    accounts, new = google.google.accounts, "ann.new@example.org"
    subject = accounts.find_account(ANN).oidc_subject
    accounts.change_address(ANN, new)
    sql(TOKEN_ENDS)

    assert tick() == ONE_MADE

    accounts.change_address(new, ANN)
    kept = "SELECT email_address, provider_account_id FROM mailsync.email_accounts"
    assert sql(kept) == [[new, subject]]


def test_another_topic_takes_the_place_of_the_first(
    google: Simulators, watched: WatchedMailbox, sql: Sql, environment: pytest.MonkeyPatch
) -> None:
    connect(google, sql)
    tick()
    other = TOPIC + "-2"
    environment.setenv("GOOGLE_PUBSUB_TOPIC", other)
    load_settings.cache_clear()
    sql(RENEW_NOW)

    assert tick() == ONE_MADE
    assert watched.topic == other


REFUSALS = {
    "not authorized": ((403, "User not authorized to perform this action."), "ProviderRejected"),
    "no topic": ((404, "Resource not found (resource=mail)."), "ProviderRejected"),
    "bad name": ((400, "Invalid topicName"), "ProviderRejected"),
    "quota": ((403, "Rate Limit Exceeded: rateLimitExceeded"), "ProviderThrottled"),
    "concurrency": ((429, "Too many concurrent requests for user"), "ProviderThrottled"),
    "down": ((500, "Backend Error"), "ProviderUnavailable"),
    "no expiry": ((200, "OK"), "ProviderUnavailable"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_watch_is_retried_and_recorded_while_scheduled_checks_go_on(
    google: Simulators, watched: WatchedMailbox, sql: Sql, name: str
) -> None:
    (status, message), cause = REFUSALS[name]
    connect(google, sql)
    watched.refusal = refusal(status, f"{message} {ANN}")

    assert tick() == ONE_FAILED

    recorded = "SELECT failures, last_error, remote_id FROM mailsync.provider_subscriptions"
    assert sql(recorded) == [[1, cause, None]]
    assert sql("SELECT status, failures FROM mailsync.email_accounts") == [["active", 0]]
    watched.refusal = None
    sql(RENEW_NOW)
    assert tick() == ONE_MADE


def test_a_mailbox_that_cannot_be_reached_is_still_disconnected(
    google: Simulators, watched: WatchedMailbox, sql: Sql, log: StringIO
) -> None:
    account_id = connect(google, sql)
    tick()
    watched.server.stop()

    disconnect(account_id, "ann")

    assert "push_not_ended" in log.getvalue()
    assert sql("SELECT count(*) FROM mailsync.provider_subscriptions") == [[0]]


def test_the_account_shows_whether_its_notifications_work(
    google: Simulators, watched: WatchedMailbox, sql: Sql
) -> None:
    account_id = connect(google, sql)

    def shown() -> Any:
        return ask("api", f"GET /api/email/accounts/{account_id}").json["notifications"]

    assert shown() is None
    watched.refusal = refusal(403, "User not authorized")
    tick()
    assert (shown()["state"], shown()["lastError"]) == ("lapsed", "ProviderRejected")
    watched.refusal = None
    sql(RENEW_NOW)
    tick()
    assert (shown()["state"], shown()["lastError"]) == ("working", None)
    sql("UPDATE mailsync.email_accounts SET changed_at = now() + interval '1 hour'")
    assert shown()["state"] == "silent"
    sql("UPDATE mailsync.email_accounts SET notified_at = now() + interval '50 minutes'")
    assert shown()["state"] == "working"
    sql("UPDATE mailsync.provider_subscriptions SET expires_at = now()")
    assert shown()["state"] == "lapsed"
