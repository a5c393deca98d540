"""Merge the events that the product sent and the events that it received into one list. Pure
functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PRODUCT_EVENT_SOURCE = "mailsync"
"""The `source` of every EventBridge event that the product sends."""


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event in the dashboard's list of events.

    direction: `out` if the product sent the event, `in` if the product received it.
    run_id: the run that the event reports or started. None: no run.
    outcome: of a sent event `published` or `waiting` (the bus has not accepted it yet); of a
        received event `started`, `refused`, `lost` (each attempt of the function failed), `ignored`
        (no rule has its type) or `delivering`.
    reason: why the event was refused, lost or ignored, as a sentence.
    """

    id: str
    at: datetime
    direction: str
    type: str
    detail: Any
    run_id: str | None
    outcome: str
    reason: str | None = None


def sent_event(
    number: int, kind: str, detail: dict[str, Any], at: datetime, is_published: bool
) -> ListedEvent:
    """Return an event of the outbox for the list."""
    outcome = "published" if is_published else "waiting"
    return ListedEvent(str(number), at, "out", kind, detail, detail.get("runId"), outcome)


def merge_newest_events(
    sent: Iterable[ListedEvent], seen: Iterable[dict[str, Any]], *, below: datetime, limit: int
) -> list[ListedEvent]:
    """Return the newest sent and received events before the time `below`, newest first, at most
    `limit`.

    sent: events of the outbox.
    seen: events that the event bus accepted. Those that the product itself put on the bus are
        skipped, because `sent` contains them.
    """
    received = (_received(each) for each in seen if each["source"] != PRODUCT_EVENT_SOURCE)
    found = [*sent] + [each for each in received if each.at < below]
    return sorted(found, key=lambda each: each.at, reverse=True)[:limit]


def _received(event: dict[str, Any]) -> ListedEvent:
    at = datetime.fromisoformat(event["time"])
    run_id = _started(event["outcome"])
    result = _result(event["function"], event["outcome"])
    return ListedEvent(event["id"], at, "in", event["type"], event["detail"], run_id, *result)


def _result(function: str | None, outcome: Any) -> tuple[str, str | None]:
    """Return outcome and reason of a received event for the list."""
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
