"""What Gmail sends does not reach the record, and what would write does not reach Gmail."""

import json

import pytest

from localdev.live.gmail.kit import KIT
from localdev.live.gmail.words import MAILBOX_PATH_PREFIX
from localdev.live.record import Recorder
from localdev.live.relay import ReceivedResponse, RelayedRequest

SECRET = "graceHopper"
PHONE = 4915112345678
NAMED = {"id": SECRET, "snippet": SECRET, "internalDate": str(PHONE), f"{SECRET}@navy.example": 1}
PART = {**NAMED, "filename": SECRET, "headers": [{"name": SECRET, "value": SECRET}]}
NESTED = {**PART, "parts": [{**PART, "parts": [PART, SECRET]}, None]}
DOCUMENT = {
    **NAMED,
    "payload": NESTED,
    "messages": [{**NAMED, "payload": NESTED}, SECRET, {"payload": SECRET}],
    "labels": [{"id": SECRET, "name": SECRET, "type": SECRET}],
    "history": [{"id": PHONE, "labelsAdded": [{"message": NAMED, "labelIds": [SECRET]}]}],
    "nextPageToken": SECRET,
    "error": {"message": SECRET, "status": SECRET, "errors": [{"reason": SECRET}]},
    "details": [{"@type": SECRET, "metadata": {SECRET: SECRET}}],
}
HEADERS = {"Retry-After": SECRET, "Content-Type": SECRET, f"X-{SECRET}9": "1", "Vary": SECRET}


@pytest.mark.parametrize("status", [200, 400, PHONE])
@pytest.mark.parametrize("document", [DOCUMENT, [DOCUMENT], SECRET, {"payload": {"parts": SECRET}}])
def test_no_place_of_a_response_brings_a_value_into_the_record(
    status: int, document: object
) -> None:
    recorder = Recorder(KIT.recordable_names_and_words)

    for target in (
        f"messages/{SECRET}?format={SECRET}&{SECRET}={SECRET}",
        f"messages?labelIds={SECRET}&labelIds=INBOX&maxResults={PHONE}&q={SECRET}",
        f"{SECRET}/{SECRET}?pageToken={SECRET}",
        "history?startHistoryId=1&maxResults=500",
    ):
        request = RelayedRequest(SECRET, MAILBOX_PATH_PREFIX + target, HEADERS, SECRET.encode())
        for exchange in KIT.build_exchanges_to_record(
            request, ReceivedResponse(status, HEADERS, document, 0.1)
        ):
            recorder.add_exchange(exchange)

    record = json.dumps(recorder.summarise_responses()).lower()
    assert "get messages/{id}?{option}" in record
    assert [each for each in (SECRET.lower(), str(PHONE), "navy") if each in record] == []


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", f"{MAILBOX_PATH_PREFIX}messages", True),
        ("POST", f"{MAILBOX_PATH_PREFIX}watch", False),
        ("POST", f"{MAILBOX_PATH_PREFIX}messages/1/trash", False),
        ("DELETE", f"{MAILBOX_PATH_PREFIX}messages/1", False),
        ("PUT", f"{MAILBOX_PATH_PREFIX}labels/1", False),
        ("POST", "/batch/gmail/v1", False),
        ("GET", "/gmail/v1/users/other/messages", False),
    ],
)
def test_the_relay_passes_on_only_reads_of_the_own_mailbox(
    method: str, target: str, *, expected: bool
) -> None:
    assert KIT.is_read_only_request(RelayedRequest(method, target, {}, b"")) is expected
