"""What `make bench` compares its measurements with."""

from xml.etree import ElementTree

import pytest

from benchmarks.graph.mail import MailboxShape, make_items
from benchmarks.graph.model import (
    GUIDE_PAGE_SIZE,
    LatencyModel,
    bound_s,
    count_round_trips,
    sequential_s,
)
from benchmarks.graph.plots import dot_plot


@pytest.mark.parametrize(("full_ms", "seconds"), [(27, 69.625), (5, 14.625), (1, 4.625)])
def test_the_bound_is_the_time_of_the_pages_over_four_requests(
    full_ms: float, seconds: float
) -> None:
    assert bound_s([10_000], LatencyModel(full_ms)) == pytest.approx(seconds)


def test_each_folder_has_a_last_page_of_its_own_and_an_empty_one_has_none() -> None:
    model = LatencyModel(full_ms=10, base_ms=100)

    assert bound_s([101, 0, 1], model) == pytest.approx((3 * 0.1 + 102 * 0.01) / 4)


def test_entries_without_bodies_are_not_in_the_bound() -> None:
    assert bound_s([500], LatencyModel(5, 1.0)) == bound_s([500], LatencyModel(5, 0.1))


def test_pages_of_ten_one_after_the_other_take_longer() -> None:
    guide_s = sequential_s([1_000], LatencyModel(5), page_size=GUIDE_PAGE_SIZE)

    assert guide_s == pytest.approx(100 * (0.085 + 10 * 0.005))


def test_calls_at_the_same_time_are_one_round_trip() -> None:
    calls = [(0, 2), (0.5, 1), (1.5, 3), (3, 4), (4, 9)]

    assert count_round_trips(calls, until=4) == 3
    assert count_round_trips(calls, until=0.9) == 0


@pytest.mark.parametrize(
    ("shape", "counts"),
    [
        (MailboxShape(100, 4, is_skewed=True), [80, 7, 7, 6]),
        (MailboxShape(10, 4, is_skewed=False), [2, 3, 3, 2]),
        (MailboxShape(7, 1, is_skewed=True), [7]),
    ],
)
def test_a_skewed_mailbox_has_most_messages_in_the_inbox(
    shape: MailboxShape, counts: list[int]
) -> None:
    assert shape.counts() == counts
    items = list(make_items(shape))
    inbox = sorted(item.received_at for item in items if not item.folder)
    assert len(items) == len({item.internet_message_id for item in items}) == shape.messages
    assert inbox[-50:][0] == shape.newest_since()


def test_a_plot_has_a_dot_for_each_value() -> None:
    svg = dot_plot(
        "First sync", [("a < b", {"Mailsync": 1.0, "guide": 40.0}), ("c", {"guide": 2.0})]
    )

    texts = list(ElementTree.fromstring(svg).itertext())
    assert [text for text in texts if text.endswith(" ×") and ":" in text] == [
        "Mailsync: 1.0 ×",
        "guide: 40.0 ×",
        "guide: 2.0 ×",
    ]
    assert "a < b" in texts
