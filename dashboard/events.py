"""Merge the events that the product sent and the events that it received into one list. Pure
functions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.store.outbox_store import OutboxEvent

PRODUCT_EVENT_SOURCE = "mailsync"
"""The `source` of every EventBridge event that the product sends."""


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event in the dashboard's list of events.

    direction: `out` if the product sent the event, `in` if the product received it.
    run_id: the run that the event reports or started. None: no run.
    """

    id: str
    at: datetime
    direction: str
    type: str
    detail: Any
    run_id: str | None


def merge_newest_events(
    sent: Iterable[OutboxEvent], seen: Iterable[dict[str, Any]], *, below: datetime, limit: int
) -> list[ListedEvent]:
    """Return the newest sent and received events before the time `below`, newest first, at most
    `limit`.

    sent: events of the outbox.
    seen: events that the event bus accepted. Those that the product itself put on the bus are
        skipped, because `sent` contains them.
    """
    received = (_received(each) for each in seen if each["source"] != PRODUCT_EVENT_SOURCE)
    found = [_sent(each) for each in sent] + [each for each in received if each.at < below]
    return sorted(found, key=lambda each: each.at, reverse=True)[:limit]


def _sent(event: OutboxEvent) -> ListedEvent:
    run_id = event.detail.get("runId")
    return ListedEvent(str(event.id), event.created_at, "out", event.type, event.detail, run_id)


def _received(event: dict[str, Any]) -> ListedEvent:
    at = datetime.fromisoformat(event["time"])
    run_id = _started(event["outcome"])
    return ListedEvent(event["id"], at, "in", event["type"], event["detail"], run_id)


def _started(outcome: Any) -> str | None:
    """Return the id of the run or self-test that a received event started, from the event's
    outcome; None if the event started neither."""
    if not isinstance(outcome, dict):
        return None
    arn: str = outcome.get("executionArn", "")
    return outcome.get("runId") or arn.rpartition(":")[2] or None
