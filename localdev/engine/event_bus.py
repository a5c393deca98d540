"""EventBridge on this machine: the rules of the catalog, beside those that moto knows of.

moto takes the events, checks them and serves rules that are made through its API (queues, log
groups); its rules cannot call functions, so the catalog's are answered here. Everything that
came and went is kept for the dashboard and `GET /_local/events`.
"""

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from infra.catalog import EventRule
from localdev.engine.lambda_host import InvocationResult
from localdev.engine.names import ACCOUNT, REGION

MAX_KEPT_EVENTS = 500


class RetryingInvoker(Protocol):
    def invoke_with_retries(self, function: str, payload: bytes, /) -> InvocationResult: ...


@dataclass(slots=True)
class SeenEvent:
    """An event that the bus took.

    function: whom a rule of the catalog called; None when the event has no rule.
    outcome: what the function answered at last, `{"lost": ...}` when it failed thrice, None
        while it works.
    """

    id: str
    type: str
    source: str
    time: str
    detail: Any
    function: str | None = None
    outcome: Any = None


class EventBus:
    """Follows one bus, by its name; keeps the last 500 events."""

    def __init__(self, host: RetryingInvoker, rules: Iterable[EventRule], *, name: str) -> None:
        self.name = name
        self._host = host
        self._functions = {kind: each.function for each in rules for kind in each.detail_types}
        self._seen: deque[SeenEvent] = deque(maxlen=MAX_KEPT_EVENTS)

    def list_seen_events(self) -> list[dict[str, Any]]:
        """Oldest first, in the words of `SeenEvent`."""
        return [asdict(each) for each in tuple(self._seen)]

    def deliver_accepted_events(self, request: bytes, result: bytes) -> None:
        """Deliver what moto has taken by a PutEvents; entries without an EventId were refused."""
        entries, answers = json.loads(request)["Entries"], json.loads(result)["Entries"]
        for entry, decision in zip(entries, answers, strict=True):
            bus = entry.get("EventBusName", "default").rpartition("/")[2]
            if "EventId" in decision and bus == self.name:
                self._deliver(decision["EventId"], entry)

    def _deliver(self, event_id: str, entry: Mapping[str, Any]) -> None:
        event = SeenEvent(
            id=event_id,
            type=entry["DetailType"],
            source=entry["Source"],
            time=_moment(entry.get("Time")),
            detail=json.loads(entry["Detail"]),
            function=self._functions.get(entry["DetailType"]),
        )
        self._seen.append(event)
        if event.function:
            threading.Thread(target=self._call, args=(event, event.function), daemon=True).start()

    def _call(self, event: SeenEvent, function: str) -> None:
        payload = json.dumps(_envelope(event)).encode()
        result = self._host.invoke_with_retries(function, payload)
        outcome = json.loads(result.payload)
        event.outcome = {"lost": outcome} if result.failed else outcome


def _envelope(event: SeenEvent) -> dict[str, Any]:
    """Return the event as a function gets it (Amazon EventBridge User Guide, "Events")."""
    return {
        "version": "0",
        "id": event.id,
        "detail-type": event.type,
        "source": event.source,
        "account": ACCOUNT,
        "time": event.time,
        "region": REGION,
        "resources": [],
        "detail": event.detail,
    }


def _moment(sent: float | str | None) -> str:
    """SDKs send seconds since 1970, the AWS CLI of some versions a text."""
    if isinstance(sent, str):
        return sent
    moment = datetime.fromtimestamp(sent, UTC) if sent is not None else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
