"""Events for the pages: those sent to the application, and those received from it. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mailsync.store.outbox_store import OutboxEvent

PRODUCT_EVENT_SOURCE = "mailsync"
"""The source of every event that the product sends."""


@dataclass(frozen=True, slots=True)
class Event:
    """`direction` is `in` or `out`; `run_id`: the run that it reports or started."""

    id: str
    at: datetime
    direction: str
    type: str
    detail: Any
    run_id: str | None


def newest(
    sent: Iterable[OutboxEvent], seen: Iterable[dict[str, Any]], *, below: datetime, limit: int
) -> list[Event]:
    """Return the newest of both, at most `limit`; our own ones on the bus are in `sent` already."""
    received = (_received(each) for each in seen if each["source"] != PRODUCT_EVENT_SOURCE)
    found = [_sent(each) for each in sent] + [each for each in received if each.at < below]
    return sorted(found, key=lambda each: each.at, reverse=True)[:limit]


def _sent(event: OutboxEvent) -> Event:
    run_id = event.detail.get("runId")
    return Event(str(event.id), event.created_at, "out", event.type, event.detail, run_id)


def _received(event: dict[str, Any]) -> Event:
    at = datetime.fromisoformat(event["time"])
    run_id = _started(event["outcome"])
    return Event(event["id"], at, "in", event["type"], event["detail"], run_id)


def _started(outcome: Any) -> str | None:
    """The run of a mailbox, or of a self-test; None when nothing was started yet, or ever."""
    if not isinstance(outcome, dict):
        return None
    arn: str = outcome.get("executionArn", "")
    return outcome.get("runId") or arn.rpartition(":")[2] or None
