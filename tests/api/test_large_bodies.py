"""What is large or wrong in many places is refused in little time and few words."""

import json
import time
from typing import Any

import pytest

from mailsync.api.problems import MAX_REQUEST_BODY_BYTES
from mailsync.model import AccountId
from tests.api.requests import Api
from tests.api.subscriptions import CONNECT_FOR_ORGANISATION
from tests.api.syncs import START


def test_a_larger_body_is_not_parsed(api: Api, microsoft: object, account_id: AccountId) -> None:
    over = "[" * (MAX_REQUEST_BODY_BYTES + 1)

    for response in (
        api(START, body=over),
        api(f"PATCH /api/email/accounts/{account_id}", body=over),
        api(CONNECT_FOR_ORGANISATION, body=over, admin=True),
        api("POST /api/auth/microsoft/confirm", body=over),
    ):
        assert response.problem == (413, "body-too-large")
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json["requestId"]


def test_a_choice_of_a_thousand_folders_is_no_large_body(api: Api, account_id: AccountId) -> None:
    folders = [{"id": 2**53 - 1 - each, "selected": False} for each in range(1000)]

    body = json.dumps({"folders": folders}, indent=2)
    response = api(f"PATCH /api/email/accounts/{account_id}", body=body)

    assert response.json["type"] == "urn:mailsync:problem:unknown-folder"


def bodies() -> dict[str, Any]:
    """As much as can be wrong in a body that is just not too large."""
    many = (MAX_REQUEST_BODY_BYTES - 100) // 14
    return {
        "names": {f"k{each:06}": 0 for each in range(many)},
        "items": {"folders": [{}] * (many * 3)},
        "items of other kinds": {"folders": ["x"] * (many * 2)},
        "a name": {"x" * (MAX_REQUEST_BODY_BYTES - 100): 0},
    }


@pytest.mark.parametrize("body", bodies().values(), ids=bodies().keys())
def test_at_most_ten_faults_are_named(api: Api, account_id: AccountId, body: Any) -> None:
    began = time.monotonic()

    response = api(f"PATCH /api/email/accounts/{account_id}", body=body)

    assert response.status == 422
    assert len(response.text) < 2_000
    assert time.monotonic() - began < 1.5
