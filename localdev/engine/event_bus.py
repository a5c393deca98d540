"""Replace EventBridge on this machine: apply the event rules of the catalog to the events that
moto, the AWS simulator, accepts.

moto checks the events, and applies rules that were created through its API (targets: queues, log
groups). Such rules cannot call functions, so this module applies the catalog's rules. It keeps the
last events with their outcomes for the dashboard and `GET /_local/events`.
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
from localdev.engine.names import AWS_ACCOUNT_ID, AWS_REGION

MAX_KEPT_EVENTS = 500


class RetryingInvoker(Protocol):
    def invoke_with_retries(self, function: str, payload: bytes, /) -> InvocationResult: ...


@dataclass(slots=True)
class RecentBusEvent:
    """An event that the local event bus accepted, with the result of its delivery.

    function: the function that a rule of the catalog invoked. None: no rule matched the event.
    outcome: result of the function. `{"lost": ERROR}`: every attempt failed, the last with ERROR.
        None: the attempts have not ended, or no rule matched the event.
    """

    id: str
    type: str
    source: str
    time: str
    detail: Any
    function: str | None = None
    outcome: Any = None


class EventBus:
    """Invokes the catalog's functions for the events of one bus, and keeps the last 500 events."""

    def __init__(self, host: RetryingInvoker, rules: Iterable[EventRule], *, name: str) -> None:
        self.name = name
        self._host = host
        self._functions = {kind: each.function_name for each in rules for kind in each.detail_types}
        self._seen: deque[RecentBusEvent] = deque(maxlen=MAX_KEPT_EVENTS)

    def list_recent_local_bus_events(self) -> list[dict[str, Any]]:
        """Return the kept events, oldest first, with the fields of `RecentBusEvent`."""
        return [asdict(each) for each in tuple(self._seen)]

    def deliver_events_accepted_by_moto(self, request: bytes, result: bytes) -> None:
        """Deliver the events of a PutEvents request that moto accepted; `result` is moto's
        response.

        An entry of the response without an EventId is an event that moto rejected.
        """
        entries, answers = json.loads(request)["Entries"], json.loads(result)["Entries"]
        for entry, decision in zip(entries, answers, strict=True):
            bus = entry.get("EventBusName", "default").rpartition("/")[2]
            if "EventId" in decision and bus == self.name:
                self._deliver(decision["EventId"], entry)

    def _deliver(self, event_id: str, entry: Mapping[str, Any]) -> None:
        event = RecentBusEvent(
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

    def _call(self, event: RecentBusEvent, function: str) -> None:
        payload = json.dumps(_envelope(event)).encode()
        result = self._host.invoke_with_retries(function, payload)
        outcome = json.loads(result.payload)
        event.outcome = {"lost": outcome} if result.failed else outcome


def _envelope(event: RecentBusEvent) -> dict[str, Any]:
    """Return the event as EventBridge sends it to a function.

    Source: Amazon EventBridge User Guide, "Events".
    """
    return {
        "version": "0",
        "id": event.id,
        "detail-type": event.type,
        "source": event.source,
        "account": AWS_ACCOUNT_ID,
        "time": event.time,
        "region": AWS_REGION,
        "resources": [],
        "detail": event.detail,
    }


def _moment(sent: float | str | None) -> str:
    """Return the time of an event as text. `sent` is the time in the request: seconds since 1970
    from SDKs, text from some versions of the AWS CLI. None: the present time."""
    if isinstance(sent, str):
        return sent
    moment = datetime.fromtimestamp(sent, UTC) if sent is not None else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
