"""The tick wakes `sync-accounts` through the local endpoint; what is due needs little more."""

import os
import signal
from typing import Any

import pytest

from tests.local.mirror import Mirror, when

DUE = "UPDATE mailsync.email_accounts SET next_sync_at = now() RETURNING 1"
CHECKED = "SELECT last_sync_at FROM mailsync.email_accounts WHERE provider_account_id <> 'nobody'"
RUNS = "SELECT id, status, trigger, error FROM mailsync.sync_runs ORDER BY created_at"
A_STRANGER = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address,
       initial_sync_completed, sync_status, last_sync_at, verified_at)
VALUES ('stranger', 'microsoft', 'nobody', 'revoked@example.com', true, 'completed', now(), now())
RETURNING id::text"""
NO_GRANT = """
INSERT INTO mailsync.email_credentials (account_id, grant_key_id, grant_sealed)
SELECT '{}', (SELECT max(id) FROM mailsync.data_keys), '\\x00' RETURNING 1"""


@pytest.fixture
def up_to_date(mirror: Mirror) -> Mirror:
    mirror.latency()
    mirror.finished()
    mirror.synced()
    return mirror


def checked(mirror: Mirror) -> list[list[Any]]:
    """The runs that a tick has added, once the look that it caused is over."""
    before, known = mirror.rows(CHECKED), {each[0] for each in mirror.rows(RUNS)}
    mirror.rows(DUE)
    assert mirror.invoke("start-due-syncs")["due"] >= 1
    when(lambda: mirror.rows(CHECKED) > before)
    mirror.finished()
    return [each for each in mirror.rows(RUNS) if each[0] not in known]


def test_a_tick_without_news_shows_in_the_status_and_leaves_no_run(up_to_date: Mirror) -> None:
    before = up_to_date.account.status()

    assert checked(up_to_date) == []

    after = up_to_date.account.status()
    for each in ("lastSyncAt", "verifiedAt"):
        assert after[each] > before[each]
    assert {each["verifiedAt"] for each in after["folders"]} == {after["verifiedAt"]}
    assert after["syncStatus"] == "completed"


def test_one_new_mail_is_mirrored_without_an_execution(up_to_date: Mirror) -> None:
    up_to_date.simulate("deliver", subject="only a look")

    [[run_id, *run]] = checked(up_to_date)

    assert run == ["completed", "schedule", None]
    assert run_id not in up_to_date.executions()
    assert up_to_date.divergences() == []


def test_of_a_batch_only_the_mailbox_fails_whose_grant_is_worth_nothing(up_to_date: Mirror) -> None:
    [[stranger]] = up_to_date.rows(A_STRANGER)
    up_to_date.rows(NO_GRANT.format(stranger))
    up_to_date.simulate("deliver", subject="beside a stranger")

    added = checked(up_to_date)
    failed = f"SELECT status, last_error FROM mailsync.email_accounts WHERE id = '{stranger}'"
    when(lambda: up_to_date.rows(failed) == [["reauth_required", "AccessRevoked"]])

    assert ["completed", "schedule", None] in [each[1:] for each in added]
    assert up_to_date.divergences() == []
    up_to_date.rows(f"DELETE FROM mailsync.email_accounts WHERE id = '{stranger}' RETURNING 1")


def test_a_function_that_dies_in_mid_look_costs_time_and_no_mail(
    up_to_date: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lambda calls it again a minute later, when its lease is over; here both are sooner."""
    host, before = up_to_date.stack.lambdas, up_to_date.rows(CHECKED)
    monkeypatch.setattr(host, "async_retry_delays_s", [1, 1])
    up_to_date.simulate("deliver", subject="after a death")
    up_to_date.latency(3)
    up_to_date.rows(DUE)
    up_to_date.invoke("start-due-syncs")
    leased = "SELECT 1 FROM mailsync.email_accounts WHERE lease_owner = 'sync-accounts'"
    when(lambda: up_to_date.rows(leased))

    for pid in host.pids("sync-accounts", busy=True):
        os.kill(pid, signal.SIGKILL)
    up_to_date.latency()
    assert up_to_date.rows(leased)
    up_to_date.rows("UPDATE mailsync.email_accounts SET lease_until = now() RETURNING 1")

    when(lambda: up_to_date.rows(CHECKED) > before)
    up_to_date.finished()
    assert up_to_date.divergences() == []
