from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.events import EventListItem, event_list_item_of_outbox_row, merge_newest_events

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def a_sent_event(number: int, *, at: datetime) -> EventListItem:
    return event_list_item_of_outbox_row(
        number, "sync.completed", {"runId": f"r{number}"}, at, number == 1
    )


def a_seen_event(*, at: datetime, **fields: Any) -> dict[str, Any]:
    usual = {
        "id": "e1",
        "function": "receive-event",
        "type": "email/microsoft.sync",
        "source": "shop",
        "detail": {},
    }
    return {**usual, "time": at.isoformat(), "outcome": {"runId": "r9"}, **fields}


def test_what_came_and_what_went_stand_in_one_list_newest_first() -> None:
    sent = [a_sent_event(2, at=NOW), a_sent_event(1, at=NOW - timedelta(seconds=9))]
    seen = [a_seen_event(at=NOW - timedelta(seconds=5))]

    found = merge_newest_events(sent, seen, below=NOW + timedelta(seconds=1), limit=10)

    assert [(each.direction, each.run_id, each.outcome) for each in found] == [
        ("out", "r2", "waiting"),
        ("in", "r9", "started"),
        ("out", "r1", "published"),
    ]


def test_an_event_of_our_own_is_not_shown_twice() -> None:
    seen = [a_seen_event(at=NOW, source="mailsync", type="sync.completed")]

    assert merge_newest_events([], seen, below=NOW + timedelta(seconds=1), limit=10) == []


def test_an_event_says_what_it_started_or_why_it_started_nothing() -> None:
    arn = "arn:aws:states:eu-west-1:123456789012:execution:test-sync:t1"
    seen = [
        a_seen_event(at=NOW, outcome={"executionArn": arn}),
        a_seen_event(at=NOW, outcome={"refused": "No such account."}),
        a_seen_event(at=NOW, outcome={"lost": {"errorMessage": "The database is down."}}),
        a_seen_event(at=NOW, outcome=None),
        a_seen_event(at=NOW, outcome=None, function=None),
    ]

    found = merge_newest_events([], seen, below=NOW + timedelta(seconds=1), limit=10)

    assert [each.run_id for each in found] == ["t1", None, None, None, None]
    assert [(each.outcome, each.reason) for each in found] == [
        ("started", None),
        ("refused", "No such account."),
        ("lost", "Each attempt of receive-event failed: The database is down."),
        ("delivering", None),
        ("ignored", "No rule of the bus has this type, so no function received the event."),
    ]
