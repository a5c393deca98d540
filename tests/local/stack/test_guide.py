"""The calls of the guide that this replaces work as they stand: no token, the same bodies."""

import httpx

from tests.local.mirror import Mirror
from tests.support.guide import STATUS_FIELDS
from tests.support.small_stack import MESSAGES

GUIDE_BODY = """{
    "accountId": "your-account-id-here",
    "syncType": "manual"
  }"""


def test_its_curl_call_starts_a_sync(mirror: Mirror) -> None:
    mirror.finished()
    body = GUIDE_BODY.replace("your-account-id-here", mirror.account.id)
    headers = {"Content-Type": "application/json", "User-Agent": "curl/8.5.0", "Accept": "*/*"}

    response = httpx.post(f"{mirror.stack.api_url}/api/email/sync", content=body, headers=headers)

    assert response.status_code == 202
    assert response.json()["success"] is True
    assert response.json()["runId"]


def test_its_status_call_answers_its_nine_fields_in_their_types(mirror: Mirror) -> None:
    mirror.finished()

    response = httpx.get(
        f"{mirror.stack.api_url}/api/email/sync?accountId={mirror.account.id}",
        headers={"User-Agent": "curl/8.5.0", "Accept": "*/*"},
    )

    assert response.status_code == 200
    shown = response.json()
    assert (shown["accountId"], shown["provider"]) == (mirror.account.id, "microsoft")
    assert shown["initialSyncCompleted"] is True
    assert shown["syncProgress"] == shown["syncTotal"] >= MESSAGES
    assert {name: type(shown[name]) for name in STATUS_FIELDS} == STATUS_FIELDS
