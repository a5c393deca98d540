"""The model of docs/cost.md, and that the page shows what it says."""

from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.backlog import Catchup, backlog_table
from benchmarks.cost import (
    EXAMPLE_MAILBOXES,
    Usage,
    cost_tables,
    count_id_comparison_requests,
    estimate_check_requests,
    load_measurements,
    monthly_usage,
    price_usage,
    sampled_traces,
)
from benchmarks.prices import Prices
from mailsync.decisions.freshness import choose_feeds_to_read
from tests.support.builders import a_known_folder
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PRICES = Prices()
MAX_TRANSITIONS = 50
"""Of a first sync of 10,000 messages."""


@pytest.mark.parametrize(
    ("accounts", "every_minutes", "limit"), [(10_000, 5, 400.0), (100, 15, 2.0)]
)
def test_a_month_stays_below_what_was_set_for_it(
    accounts: int, every_minutes: int, limit: float
) -> None:
    work = monthly_usage(load_measurements(), accounts=accounts, every_minutes=every_minutes)

    assert 0 < price_usage(work, PRICES, free=True).total < limit


def test_a_first_sync_of_ten_thousand_messages_takes_few_transitions() -> None:
    assert load_measurements().initial[10_000].transitions <= MAX_TRANSITIONS


def test_the_page_shows_the_tables_of_the_model() -> None:
    page = (DOCS / "cost.md").read_text()

    assert "\n".join(cost_tables(load_measurements(), PRICES)) in page
    assert "\n".join(backlog_table()) in page


def test_a_bill_is_the_sum_of_what_is_charged() -> None:
    work = Usage(transitions=1e6, invocations=1e6, gb_s=1e6, log_bytes=2e9)

    charged = price_usage(work, PRICES, scheduled_calls=1e6)

    assert charged.step_functions == pytest.approx(25)
    assert charged.functions == pytest.approx(0.20 + 13.3334)
    assert charged.logs == pytest.approx(1)
    assert charged.schedule == pytest.approx(1)
    assert charged.tracing == pytest.approx(5)
    assert charged.total == pytest.approx(45.5334)
    assert price_usage(Usage(transitions=10), PRICES, free=True).step_functions == 0
    assert price_usage(Usage(invocations=100_000), PRICES, free=True).tracing == 0


def test_xray_records_one_invocation_a_second_and_a_twentieth_of_the_others() -> None:
    seconds = 30 * 24 * 3600

    assert sampled_traces(1_000) == 1_000
    assert sampled_traces(11 * seconds) == pytest.approx(1.5 * seconds)


def test_throttled_checks_wait_longer_than_the_work_takes_and_none_is_left_out() -> None:
    """3,000 are claimed a minute; Lambda retries after up to five minutes, for ten at most."""
    enough = Catchup(9_000, concurrency=120, batch_s=5).run()
    few = Catchup(2_500, concurrency=10, batch_s=10).run()
    lossy = Catchup(2_500, concurrency=10, batch_s=48).run()

    assert (enough.finished_s, enough.throttled, enough.lost) == (2 * 60 + 5, 0, 0)
    assert few.finished_s > 1.5 * (2_500 / 25 * 10 / 10)
    assert lossy.lost > 0
    assert lossy.finished_s > 600


@pytest.mark.parametrize(("folders", "active"), EXAMPLE_MAILBOXES)
def test_feeds_are_counted_as_checks_choose_them(folders: int, active: int) -> None:
    now, every = datetime(2026, 5, 1, tzinfo=UTC), timedelta(minutes=5)
    read_at = {folder: now - every * (folder % 12) for folder in range(folders)}
    read = []
    for _ in range(24):
        now += every
        known = [
            a_known_folder(
                number, feed_read_at=at, last_change_found_at=at if number < active else None
            )
            for number, at in read_at.items()
        ]
        chosen = choose_feeds_to_read(known, (), now=now, since_s=every.total_seconds())
        read_at |= {feed.ref.id: now for feed in chosen}
        read.append(len(chosen))

    assert sum(read) / len(read) == estimate_check_requests(folders, active, every_minutes=5).feeds
    assert now - min(read_at.values()) <= timedelta(hours=1)


def test_a_check_of_512_folders_costs_60_requests_at_most() -> None:
    assert estimate_check_requests(512, 10, every_minutes=5).total <= 60


def test_a_list_of_ids_is_a_request_for_a_thousand_and_one_at_least() -> None:
    assert count_id_comparison_requests([0, 1, 1_000, 1_001]) == 1 + 1 + 1 + 2
