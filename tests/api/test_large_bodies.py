"""What is large or wrong in many places is refused in little time and few words."""

import json
import time
from typing import Any

import pytest

from mailsync.api.problems import MAX_BODY_BYTES
from mailsync.model import AccountId
from tests.api.conftest import Ask

START, ORGANISATION = "POST /api/email/sync", "POST /api/email/accounts/microsoft"


def test_a_body_that_nobody_needs_is_not_even_parsed(
    ask: Ask, ask_connect: Ask, account_id: AccountId
) -> None:
    over = "[" * (MAX_BODY_BYTES + 1)

    for answer in (
        ask(START, body=over),
        ask(f"PATCH /api/email/accounts/{account_id}", body=over),
        ask_connect(ORGANISATION, body=over, admin=True),
    ):
        assert answer.status == 413
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["type"] == "urn:mailsync:problem:body-too-large"
        assert answer.json["requestId"]


def test_a_choice_among_as_many_folders_as_may_be_named_is_no_large_body(
    ask: Ask, account_id: AccountId
) -> None:
    folders = [{"id": 2**53 - 1 - each, "selected": False} for each in range(1000)]

    body = json.dumps({"folders": folders}, indent=2)
    answer = ask(f"PATCH /api/email/accounts/{account_id}", body=body)

    assert answer.json["type"] == "urn:mailsync:problem:unknown-folder"


def bodies() -> dict[str, Any]:
    """As much as can be wrong in a body that is just not too large."""
    many = (MAX_BODY_BYTES - 100) // 14
    return {
        "names": {f"k{each:06}": 0 for each in range(many)},
        "items": {"folders": [{}] * (many * 3)},
        "items of other kinds": {"folders": ["x"] * (many * 2)},
        "a name": {"x" * (MAX_BODY_BYTES - 100): 0},
    }


@pytest.mark.parametrize("body", bodies().values(), ids=bodies().keys())
def test_ten_faults_are_named_and_no_more(ask: Ask, account_id: AccountId, body: Any) -> None:
    began = time.monotonic()

    answer = ask(f"PATCH /api/email/accounts/{account_id}", body=body)

    assert answer.status == 422
    assert len(answer.text) < 2_000
    assert time.monotonic() - began < 1.5
