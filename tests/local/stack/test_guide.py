"""The calls of the guide that this replaces work as they stand: no token, the same bodies."""

import httpx

from tests.local.mirror import Mirror
from tests.support.guide import STATUS_FIELDS

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


def test_its_pages_request_starts_or_joins_a_sync(mirror: Mirror) -> None:
    """As a browser sends it for a page of the same origin."""
    same_origin = {"Origin": mirror.stack.api_url, "Sec-Fetch-Site": "same-origin"}
    body = {"accountId": mirror.account.id, "syncType": "manual"}

    response = httpx.post(f"{mirror.stack.api_url}/api/email/sync", json=body, headers=same_origin)

    assert response.status_code == 202
    assert response.json()["executionArn"].startswith("arn:aws:states:")


def test_its_status_call_answers_its_nine_fields_in_their_types(mirror: Mirror) -> None:
    mirror.finished()

    response = httpx.get(
        f"{mirror.stack.api_url}/api/email/sync?accountId={mirror.account.id}",
        headers={"User-Agent": "curl/8.5.0", "Accept": "*/*"},
    )

    assert response.status_code == 200
    shown = response.json()
    assert shown["accountId"] == mirror.account.id
    assert shown["provider"] == "microsoft"
    assert {name: type(shown[name]) for name in STATUS_FIELDS} == STATUS_FIELDS
