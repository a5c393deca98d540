"""Every route of the catalog under every attack on its door; a new route is in it by itself."""

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from infra.catalog import ROUTES
from mailsync.api.bearer import CLOCK_LEEWAY_S
from tests.api.front import AUDIENCE, ISSUER, Front, without_ids
from tests.api.issuer import bearer, claims, public_pem, rsa_key

pytestmark = pytest.mark.xdist_group("front")

OPEN = {
    "GET /api/health",
    "GET /api/openapi.json",
    "GET /api/auth/microsoft/callback",
    "POST /api/webhooks/microsoft",
}
"""What anybody may call: each says nothing of anybody, or checks a secret of its own."""
OF_NO_ACCOUNT = {
    "GET /api/test-sync",
    "GET /api/auth/microsoft",
    "POST /api/auth/microsoft/confirm",
    "GET /api/email/accounts",
    "POST /api/email/accounts/microsoft",
}
"""What a user may call without naming an account."""
GUARDED = sorted(each.key for each in ROUTES if not each.public)
ABOUT_AN_ACCOUNT = sorted(set(GUARDED) - OF_NO_ACCOUNT)
ONE = "/api/email/accounts/{accountId}"
SAID_BESIDE: dict[str, list[dict[str, Any]]] = {
    "POST /api/email/sync": [
        {"body": {"syncType": "full", "folders": [1]}},
        {"headers": {"Idempotency-Key": "of somebody"}},
    ],
    "GET /api/email/sync": [{"headers": {"If-None-Match": "*"}}],
    "GET /api/email/runs": [{"query": {"limit": "1"}}],
    f"PATCH {ONE}": [{"body": {"folders": [{"id": 1, "selected": False}]}}],
    f"DELETE {ONE}": [{"query": {"data": "purge"}}],
}
"""What a request may ask for beside naming an account."""
GATEWAY_S_WORDS = [{"message": "Unauthorized"}, {"message": "Forbidden"}]


def hs256_with_the_public_key(front: Front) -> str:
    parts = ({"alg": "HS256", "kid": "k"}, claims(aud=AUDIENCE, iss=ISSUER))
    head = b".".join(urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=") for each in parts)
    signature = hmac.digest(public_pem(front.key), head, hashlib.sha256)
    return f"Bearer {head.decode()}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"


ATTACKS: dict[str, tuple[int, Callable[[Front], str | None]]] = {
    "no token": (401, lambda front: None),
    "an empty token": (401, lambda front: ""),
    "garbage": (403, lambda front: "Bearer gar.ba.ge"),
    "expired": (403, lambda front: front.token(exp=int(time.time()) - CLOCK_LEEWAY_S - 1)),
    "wrong issuer": (403, lambda front: front.token(iss="https://evil.example")),
    "no issuer": (403, lambda front: front.token(iss=None)),
    "wrong audience": (403, lambda front: front.token(aud="anon")),
    "no audience": (403, lambda front: front.token(aud=None)),
    "alg none": (403, lambda front: bearer(None, "none", kid="k", aud=AUDIENCE, iss=ISSUER)),
    "HS256 with the public key": (403, hs256_with_the_public_key),
    "another key": (
        403,
        lambda front: bearer(rsa_key(), "RS256", kid="k", aud=AUDIENCE, iss=ISSUER),
    ),
}


def test_only_routes_of_a_short_list_are_public() -> None:
    assert {each.key for each in ROUTES if each.public} <= OPEN


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("route", GUARDED)
def test_nobody_gets_in_without_a_good_token(front: Front, route: str, attack: str) -> None:
    status, forge = ATTACKS[attack]

    answer = front.ask(route, forge(front), str(uuid4()), str(uuid4()))

    assert (answer.status_code, answer.json() in GATEWAY_S_WORDS) == (status, True)


@pytest.mark.parametrize("route", GUARDED)
def test_the_owner_gets_in_with_a_good_one(front: Front, route: str) -> None:
    """Else the matrix would prove nothing."""
    account_id, run_id = front.account("ann")

    answer = front.ask(route, front.token(), account_id, run_id)

    assert answer.status_code not in (401, 404, 500)
    assert answer.text not in map(json.dumps, GATEWAY_S_WORDS)


@pytest.mark.parametrize("route", ABOUT_AN_ACCOUNT)
def test_another_user_s_account_looks_exactly_as_if_it_were_not_there(
    front: Front, route: str
) -> None:
    account_id, run_id = front.account("bob")
    nowhere, never = str(uuid4()), str(uuid4())

    before = front.stands(account_id)

    for said in ({}, *SAID_BESIDE.get(route, ())):
        not_yours = front.ask(route, front.token(), account_id, run_id, **said)
        not_there = front.ask(route, front.token(), nowhere, never, **said)
        assert not_yours.status_code == 404
        assert without_ids(not_yours, account_id, run_id) == without_ids(not_there, nowhere, never)
    assert front.stands(account_id) == before


@pytest.mark.parametrize("route", sorted(each.key for each in ROUTES if each.public))
def test_a_public_route_is_not_impressed_by_a_bad_token(front: Front, route: str) -> None:
    bad = front.ask(route, "Bearer gar.ba.ge", str(uuid4()), str(uuid4()))
    none = front.ask(route, None, str(uuid4()), str(uuid4()))

    assert bad.status_code < 500
    assert without_ids(bad) == without_ids(none)
