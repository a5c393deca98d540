"""What the relay lets through, and what a record keeps of a response."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from localdev.live.graph.kit import KIT
from localdev.live.graph.sign_in import make_signed_in_simulated_upstream
from localdev.live.record import Recorder
from localdev.live.relay import HttpRelay, ReceivedResponse, RelayedRequest
from localdev.simulators import Simulators

SECRET = "graceHopper"
PHONE = 4915112345678


@pytest.fixture
def simulators(tmp_path: Path) -> Iterator[Simulators]:
    with Simulators(tmp_path) as started:
        started.service.set_microsoft_behaviour_switches(public_clients_allowed=True)
        yield started


@pytest.fixture
def relayed(simulators: Simulators) -> Iterator[httpx.Client]:
    """A client of the relay, before a simulated mailbox."""
    owner = simulators.find_or_create_mailbox("grace@navy.example").user_id
    recorder = Recorder(KIT.recordable_names_and_words)
    with HttpRelay(KIT) as relay:
        token = relay.add_upstream_and_make_relay_token(
            make_signed_in_simulated_upstream(simulators, owner, recorder), recorder
        )
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=relay.http_base_url_or_empty, headers=headers) as client:
            yield client


def batch_of(*methods: str) -> dict[str, object]:
    return {"requests": [{"id": each, "method": each, "url": "/me"} for each in methods]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/subscriptions", {"resource": "me/messages"}),
        ("POST", "/me/sendMail", {}),
        ("PATCH", "/me/messages/1", {"isRead": True}),
        ("PUT", "/me/photo/$value", {}),
        ("DELETE", "/me/messages/1", None),
        ("POST", "/$batch", batch_of("GET", "PATCH")),
        ("POST", "/$batch", {"requests": []}),
        ("POST", "/$batch?x", batch_of("GET")),
    ],
)
def test_the_relay_rejects_each_request_that_could_write(
    simulators: Simulators, relayed: httpx.Client, method: str, path: str, body: object
) -> None:
    assert relayed.request(method, path, json=body).status_code == 405
    assert simulators.service.log.records() == []


def test_the_relay_passes_reads_on_and_serves_only_its_own_token(
    simulators: Simulators, relayed: httpx.Client
) -> None:
    assert relayed.get("/me").json()["mail"] == "grace@navy.example"
    assert relayed.post("/$batch", json=batch_of("GET")).json()["responses"][0]["status"] == 200
    assert relayed.get("/me", headers={"Authorization": "Bearer other"}).status_code == 401


def deep() -> object:
    value: object = SECRET
    for _ in range(200):
        value = [{"next": value}]
    return value


@pytest.mark.parametrize("status", [200, 400, PHONE])
def test_no_place_of_a_response_brings_a_value_into_the_record(status: int) -> None:
    named = {f"{SECRET}@navy.example": 1, f"{SECRET}7": 1, "id": PHONE, "code": SECRET}
    document = {
        **named,
        "extensions": [{SECRET: {SECRET: 1}, f"{SECRET}@odata.type": "#String"}],
        **{"importance": SECRET, "error": SECRET, "text": SECRET, "retry-after": PHONE},
        **{"interval": 10**400, "expires_in": float("nan")},
        **{"@odata.nextLink": f"https://x/{SECRET}", "at": "1906-12-09T00:00:00Z", "deep": deep()},
    }
    headers = {"Retry-After": SECRET, "Content-Type": SECRET, f"X-{SECRET}9": "1", "Etag": SECRET}
    item = {"id": SECRET, "status": status, "headers": headers, "body": document}
    batch = {"responses": [item], **named}
    recorder = Recorder(KIT.recordable_names_and_words)

    for target, received in (
        (f"/me/messages/{SECRET}?$filter=a eq '{SECRET}'&{SECRET}={SECRET}", document),
        (f"/users('{SECRET}')/messages('{SECRET}')?$skiptoken={SECRET}", [document]),
        ("/$batch", batch),
    ):
        sent = json.dumps(
            {"requests": [{"id": SECRET, "url": f"/me/{SECRET}", "headers": headers}]}
        )
        request = RelayedRequest("POST", target, headers, sent.encode())
        response = ReceivedResponse(status, headers, received, 0.1)
        for exchange in KIT.build_exchanges_to_record(request, response):
            recorder.add_exchange(exchange)

    record = json.dumps(recorder.summarise_responses()).lower()
    assert "batch item get /me/{id}" in record
    assert [each for each in (SECRET.lower(), str(PHONE), "navy", "1906") if each in record] == []
