"""Merge the EventBridge events that the product sent to the stage's bus and those that applications
sent to the product into one list. Pure functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PRODUCT_EVENT_SOURCE = "mailsync"
"""The `source` of every EventBridge event that the product sends."""


@dataclass(frozen=True, slots=True)
class EventListItem:
    """An event in the dashboard's list of events.

    at: time at which the event was sent or received.
    direction: `out` if the product sent the event, `in` if the product received the event.
    run_id: the run that a sent event reports, or the run or self-test that a received event
        started. None: neither.
    outcome: for a sent event `published`, or `waiting` if the event bus has not accepted the event
        yet. For a received event `started`, `refused`, `lost` (each attempt of the function
        failed), `ignored` (no rule of the bus has the event's type) or `delivering`.
    reason: why the event was refused, lost or ignored, as a sentence. None for other outcomes.
    """

    id: str
    at: datetime
    direction: str
    type: str
    detail: Any
    run_id: str | None
    outcome: str
    reason: str | None = None


def event_list_item_of_outbox_row(
    number: int, kind: str, detail: dict[str, Any], at: datetime, is_published: bool
) -> EventListItem:
    """Return an event of the outbox table as an item of the dashboard's list of events."""
    outcome = "published" if is_published else "waiting"
    return EventListItem(str(number), at, "out", kind, detail, detail.get("runId"), outcome)


def merge_newest_events(
    sent: Iterable[EventListItem], seen: Iterable[dict[str, Any]], *, below: datetime, limit: int
) -> list[EventListItem]:
    """Return the newest events that the product sent or received: newest first, at most `limit`.

    sent: events of the outbox table that belong to the requested page of the list.
    seen: all events that the event bus accepted. The function skips events that the product put on
        the bus, because `sent` contains them.
    below: the function skips received events that are not older than this time.
    """
    received = (_received(each) for each in seen if each["source"] != PRODUCT_EVENT_SOURCE)
    found = [*sent] + [each for each in received if each.at < below]
    return sorted(found, key=lambda each: each.at, reverse=True)[:limit]


def _received(event: dict[str, Any]) -> EventListItem:
    at = datetime.fromisoformat(event["time"])
    run_id = _started(event["outcome"])
    result = _result(event["function"], event["outcome"])
    return EventListItem(event["id"], at, "in", event["type"], event["detail"], run_id, *result)


def _result(function: str | None, outcome: Any) -> tuple[str, str | None]:
    """Return `outcome` and `reason` of the EventListItem of a received event.

    function: name of the function that the event invoked. None: no rule has the event's type.
    outcome: result of this function. None: the function still runs.
    """
    if function is None:
        return "ignored", "No rule of the bus has this type, so no function received the event."
    if outcome is None:
        return "delivering", None
    if "refused" in outcome:
        return "refused", outcome["refused"]
    if "lost" in outcome:
        return "lost", f"Each attempt of {function} failed: {outcome['lost'].get('errorMessage')}"
    return "started", None


def _started(outcome: Any) -> str | None:
    """Return the id of the run or self-test that a received event started, from the event's
    outcome; None if the event started neither."""
    if not isinstance(outcome, dict):
        return None
    arn: str = outcome.get("executionArn", "")
    return outcome.get("runId") or arn.rpartition(":")[2] or None
