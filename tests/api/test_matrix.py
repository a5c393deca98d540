"""Every route of the catalog under every attack on its authorization; new routes included."""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from infra.catalog import ROUTES
from mailsync.api.bearer import CLOCK_LEEWAY_S
from tests.api.api_server import AUDIENCE, ISSUER, ApiServer, without_ids
from tests.api.issuer import hs256, public_pem

pytestmark = pytest.mark.xdist_group("api_server")

PUBLIC = {
    "GET /api/health",
    "GET /api/openapi.json",
    "GET /api/auth/microsoft/callback",
    "GET /api/auth/google/callback",
    "POST /api/webhooks/microsoft",
    "POST /api/webhooks/google",
}
"""Public: each returns nothing about a user, or checks a secret of its own."""
WITHOUT_ACCOUNT = {
    "GET /api/test-sync",
    "GET /api/test-inngest",
    "GET /api/auth/microsoft",
    "GET /api/auth/google",
    "POST /api/auth/microsoft/confirm",
    "POST /api/auth/google/confirm",
    "GET /api/email/accounts",
    "POST /api/email/accounts/imap",
    "POST /api/email/accounts/microsoft",
}
"""Routes of a user that name no account."""
GUARDED = sorted(each.route_key for each in ROUTES if not each.is_public)
ABOUT_AN_ACCOUNT = sorted(set(GUARDED) - WITHOUT_ACCOUNT)
ONE = "/api/email/accounts/{accountId}"
OTHER_PARTS: dict[str, list[dict[str, Any]]] = {
    "POST /api/email/sync": [
        {"body": {"syncType": "full", "folders": [1]}},
        {"headers": {"Idempotency-Key": "of somebody"}},
    ],
    "GET /api/email/sync": [{"headers": {"If-None-Match": "*"}}],
    "GET /api/email/runs": [{"query": {"limit": "1"}}],
    f"PATCH {ONE}": [{"body": {"folders": [{"id": 1, "selected": False}]}}],
    f"DELETE {ONE}": [{"query": {"data": "purge"}}],
}
"""Parts of a request beside the account."""
GATEWAY_BODIES = [{"message": "Unauthorized"}, {"message": "Forbidden"}]


ATTACKS: dict[str, tuple[int, Callable[[ApiServer], str | None]]] = {
    "no token": (401, lambda server: None),
    "an empty token": (401, lambda server: ""),
    "garbage": (403, lambda server: "Bearer gar.ba.ge"),
    "expired": (403, lambda server: server.token(exp=int(time.time()) - CLOCK_LEEWAY_S - 1)),
    "wrong issuer": (403, lambda server: server.token(iss="https://evil.example")),
    "wrong audience": (403, lambda server: server.token(aud="anon")),
    "HS256 with the public key": (
        403,
        lambda server: hs256(public_pem(server.key), "k", aud=AUDIENCE, iss=ISSUER),
    ),
}


def test_only_routes_of_a_short_list_are_public() -> None:
    assert {each.route_key for each in ROUTES if each.is_public} <= PUBLIC


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("route", GUARDED)
def test_a_route_needs_a_good_token(server: ApiServer, route: str, attack: str) -> None:
    status, forge = ATTACKS[attack]

    response = server.send(route, forge(server), str(uuid4()), str(uuid4()))

    assert (response.status_code, response.json() in GATEWAY_BODIES) == (status, True)


@pytest.mark.parametrize("route", ABOUT_AN_ACCOUNT)
def test_another_users_account_looks_like_a_missing_one(server: ApiServer, route: str) -> None:
    account_id, run_id = server.account("bob")
    nowhere, never = str(uuid4()), str(uuid4())

    before = server.rows(account_id)

    for parts in ({}, *OTHER_PARTS.get(route, ())):
        not_yours = server.send(route, server.token(), account_id, run_id, **parts)
        not_there = server.send(route, server.token(), nowhere, never, **parts)
        assert not_yours.status_code == 404
        assert not_yours.json()["type"].endswith(("account-not-found", "run-not-found"))
        assert without_ids(not_yours, account_id, run_id) == without_ids(not_there, nowhere, never)
    assert server.rows(account_id) == before


@pytest.mark.parametrize("route", sorted(each.route_key for each in ROUTES if each.is_public))
def test_a_public_route_ignores_a_bad_token(server: ApiServer, route: str) -> None:
    bad = server.send(route, "Bearer gar.ba.ge", str(uuid4()), str(uuid4()))
    none = server.send(route, None, str(uuid4()), str(uuid4()))

    assert bad.status_code < 500
    assert without_ids(bad) == without_ids(none)
