"""A Microsoft 365 whose shapes and limits differ from those of the simulators in ten ways."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

from localdev.http_server import Request, Response, Server
from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule

SLOW_S = 2.2
PAGE_CAP = 40
DIFFERENCES = {
    "an extra field": "meetingHint: unknown to the simulator (number)",
    "a missing field": "webLink: missing",
    "another type": "sizeInBytes: text instead of number",
    "a new word": "flag/flagStatus: a word outside the list instead of a listed word",
    "a date in Retry-After": "header retry-after: date instead of whole number",
    "another page size": "page size: 21–50 of 51–100 items instead of 51–100 of 51–100",
    "another error code": "status 400, field error/code: ErrorQuotaExceeded instead of",
    "a missing header": "header client-request-id: missing",
    "a slower response": "latency, p50: 2–5 s instead of",
    "a longer id": "conversationId: size ",
    "a shorter token": "expires_in: size 501–1000 instead of 2001–5000",
}


@contextmanager
def changed_provider(folder: Path) -> Iterator[Simulators]:
    """Simulators behind a proxy that changes what the simulated Graph answers."""
    with Simulators(folder) as simulators:
        throttled = Fault(status=429, code="ApplicationThrottled", retry_after=1)
        simulators.service.faults.add_rules(
            FaultRule(fault=throttled, path="/messages/delta.*body", in_batch=False)
        )
        simulators.service.set_microsoft_behaviour_switches(
            token_lifetime_s=600, public_clients_allowed=True
        )
        server = Server(lambda request: _changed(simulators, request), port=0).start()
        simulators.graph.base_url = f"http://127.0.0.1:{server.port}/v1.0"
        try:
            yield simulators
        finally:
            server.stop()


def _changed(simulators: Simulators, request: Request) -> Response:
    if wanted := request.headers["Prefer"]:
        del request.headers["Prefer"]
        request.headers["Prefer"] = re.sub(r"maxpagesize=100\b", f"maxpagesize={PAGE_CAP}", wanted)
    if request.path.endswith("/mailFolders"):
        time.sleep(SLOW_S)
    response = simulators.graph(request)
    headers = {k: v for k, v in response.headers.items() if k != "client-request-id"}
    if "Retry-After" in headers:
        headers["Retry-After"] = formatdate(time.time() + 1, usegmt=True)
    document = json.loads(response.body)
    if request.path.endswith("no!id"):
        document["error"]["code"] = "ErrorQuotaExceeded"
    _change(document)
    return replace(response, body=json.dumps(document).encode(), headers=headers)


def _change(value: Any) -> None:
    """Change each message and folder in the document."""
    if isinstance(value, list):
        for item in value:
            _change(item)
    elif isinstance(value, dict):
        if "webLink" in value:
            del value["webLink"]
            value["meetingHint"] = 1
            value["flag"]["flagStatus"] = "snoozed"
            value["conversationId"] *= 3
        if "sizeInBytes" in value:
            value["sizeInBytes"] = str(value["sizeInBytes"])
        for item in value.values():
            _change(item)
