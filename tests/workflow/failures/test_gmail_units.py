"""What syncs of a Gmail mailbox cost of its quota, and how they wait for it."""

from math import ceil
from typing import Any

import pytest

from mailsync.decisions import successor
from mailsync.model import RunId, SyncType
from mailsync.sync import feed_pages
from tests.support.mail import a_mail
from tests.workflow.failures.gmail_world import NEW_PROJECT, GmailWorld, sized

VERIFIED = "SELECT verified_at FROM mailsync.email_accounts"
RUNS = "SELECT count(*) FROM mailsync.sync_runs"
STORED = "SELECT message_id FROM mailsync.emails"
MESSAGE_UNITS = 20
MAX_UNITS_PER_MESSAGE, MAX_UNITS_IN_THREADS = 20.1, 17
MAX_UNITS_OF_NEWS, MAX_NEWS_S = 30, 2.0
MAX_WAIT_FOR_NEWS_S = 12
"""An eighth of a minute, and what slow functions add."""
MAX_SLEPT_SHARE = 0.1
MAX_VISITS = 500


def limited(gmail: GmailWorld) -> GmailWorld:
    """With the quota of a new project, which the simulated Gmail enforces."""
    gmail.limits = NEW_PROJECT
    gmail.simulators.gmail.set_behaviour_switches(
        units_per_minute_of_user=NEW_PROJECT.mailbox_units_per_minute,
        units_per_minute_of_project=NEW_PROJECT.project_units_per_minute,
    )
    return gmail


@pytest.mark.long
def test_a_first_sync_costs_the_units_of_its_messages_and_hardly_more(gmail: GmailWorld) -> None:
    messages = sized(1000)
    gmail.fill(messages)

    with gmail.counted() as used:
        assert gmail.sync() == "completed"

    assert used.units <= MAX_UNITS_PER_MESSAGE * messages
    assert used.requests["messages.get"] == messages
    assert gmail.is_exact()


def test_a_first_sync_reads_threads_as_a_whole_where_that_costs_less(gmail: GmailWorld) -> None:
    messages = sized(450)
    gmail.fill(messages, threads=messages // 3)

    with gmail.counted() as used:
        assert gmail.sync() == "completed"

    assert used.units < MAX_UNITS_IN_THREADS * messages
    assert gmail.is_exact()


def test_a_check_without_news_costs_two_units_and_verifies_nothing(gmail: GmailWorld) -> None:
    gmail.fill(30)
    assert gmail.sync() == "completed"
    before = gmail.one(VERIFIED), gmail.one(RUNS)

    with gmail.counted() as used:
        checked = gmail.check()

    assert (checked.outcome, used.units, checked.request_count) == ("idle", 2, 2)
    assert (gmail.one(VERIFIED), gmail.one(RUNS)) == before
    assert gmail.started == []


def test_a_check_with_one_new_mail_costs_little_in_a_mailbox_of_many_labels(
    gmail: GmailWorld,
) -> None:
    gmail.fill(30)
    labels = [gmail.owner.create_label(f"Label {number}") for number in range(40)]
    assert gmail.sync() == "completed"
    verified = gmail.one(VERIFIED)
    gmail.owner.deliver_message(a_mail("news"), ["INBOX", "UNREAD", "CATEGORY_UPDATES", labels[7]])

    with gmail.counted() as used:
        checked = gmail.check()

    assert checked.outcome == "synced"
    assert used.units <= MAX_UNITS_OF_NEWS
    assert checked.duration_s < MAX_NEWS_S
    assert gmail.one(VERIFIED) == verified
    assert gmail.is_exact()
    assert gmail.started == []


@pytest.fixture
def with_unseen_change(gmail: GmailWorld) -> GmailWorld:
    """A mirrored mailbox in whose label `Work` the history left out a message."""
    gmail.fill(30)
    label = gmail.owner.create_label("Work")
    assert gmail.sync() == "completed"
    with gmail.owner.omit_changes_from_history():
        gmail.owner.change_labels(
            gmail.owner.gmail.list_every_message_newest_first()[0].id, add=[label]
        )
    return gmail


def test_the_counts_of_changed_labels_are_compared_after_each_sync(
    with_unseen_change: GmailWorld,
) -> None:
    gmail = with_unseen_change
    work = next(
        each for each in gmail.owner.gmail.labels.label_by_id.values() if each.name == "Work"
    )
    gmail.owner.deliver_message(a_mail("news"), ["INBOX", work.id])

    gmail.check_to_the_end()

    assert gmail.is_exact()


def test_the_counts_of_all_labels_are_compared_within_the_hour(
    with_unseen_change: GmailWorld,
) -> None:
    gmail = with_unseen_change
    assert gmail.check().outcome == "idle"
    gmail.let_time_pass(hours=1)

    gmail.check_to_the_end()

    assert gmail.is_exact()


@pytest.mark.long
def test_new_mail_comes_before_the_rest_of_a_backfill_and_never_waits_for_its_quota(
    gmail: GmailWorld,
) -> None:
    messages = sized(600)
    limited(gmail).fill(messages)
    log, delivered = gmail.simulators.service.log, list[tuple[int, str]]()

    def deliver() -> None:
        assert all([new] in gmail.rows(STORED) for _, new in delivered[-1:])
        if 100 < len(gmail.rows(STORED)) < messages - 100:
            new = gmail.owner.deliver_message(a_mail("news", minutes=9))
            delivered.append((len(log.records()), new))

    gmail.on_wait = deliver

    assert gmail.sync() == "completed"

    assert len(delivered) > 2
    for position, new in delivered:
        first = log.records()[position : position + 3]
        paths = [each.path.removeprefix("/gmail/v1/users/me/") for each in first]
        assert paths == ["profile", "history", f"messages/{new}"]
        assert first[-1].at - first[0].at < MAX_NEWS_S
    print(f"{len(delivered)} new messages, the longest wait {max(gmail.waits)} s")
    assert max(gmail.waits) <= MAX_WAIT_FOR_NEWS_S
    assert gmail.refused == {}
    assert gmail.is_exact()


@pytest.mark.long
def test_a_first_sync_waits_for_the_quota_in_the_workflow_and_is_refused_nothing(
    gmail: GmailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes more than one execution."""
    messages = sized(1000)
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 150)
    limited(gmail).fill(messages)

    assert gmail.resume(RunId("long"), SyncType.INITIAL) == "completed"

    assert gmail.is_exact()
    assert gmail.refused == {}
    assert sum(gmail.slept) < MAX_SLEPT_SHARE * gmail.passed_s
    print(f"slept {sum(gmail.slept):.0f} s in {gmail.passed_s:.0f} s, {len(gmail.waits)} waits")
    shortest_s = 60 * ceil(messages * MESSAGE_UNITS / NEW_PROJECT.mailbox_units_per_minute - 1)
    assert shortest_s <= gmail.passed_s < 1.4 * shortest_s
    assert gmail.executions.names[:3] == ["long", "long-2", "long-3"]


@pytest.mark.long
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "retry_after": 30}])
def test_a_backfill_that_gets_no_message_ends_although_the_history_is_read(
    gmail: GmailWorld, fault: dict[str, Any]
) -> None:
    gmail.fill(30)
    gmail.inject_fault("/messages/[^/?]+", times=None, **fault)
    visits = iter(range(MAX_VISITS))
    gmail.before["sync_folder"] = lambda: next(visits)

    assert gmail.sync() == "FoldersFailed"

    gmail.clear_faults()
    gmail.before.clear()
    gmail.let_time_pass(hours=1)
    assert gmail.sync() == "completed"
    assert gmail.is_exact()


def test_a_backfill_goes_on_in_functions_that_have_time_for_one_page_each(
    gmail: GmailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    gmail.fill(30)
    visits = iter(range(20))
    gmail.before["sync_folder"] = lambda: next(visits)
    monkeypatch.setattr(feed_pages, "has_time_for_page", lambda _, slowest_s: slowest_s == 0)

    assert gmail.sync() == "completed"

    assert gmail.is_exact()
