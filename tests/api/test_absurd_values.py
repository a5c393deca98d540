"""Values that no route can use are refused by their name, in every position.

A number of more than 4,300 digits raises in `int()`; a lone surrogate cannot be sent to Postgres,
and NUL is refused by it.
"""

import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest

from localdev.simulators.service import ORGANISATION_TENANT_ID
from mailsync.errors import StoreRejected
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.api.api_server import AUDIENCE, ISSUER, ApiServer
from tests.api.requests import Api
from tests.api.sign_in import BEGIN, CALLBACK
from tests.api.subscriptions import CONNECT_FOR_ORGANISATION
from tests.api.syncs import START, STATUS, STOP

DIGITS = "9" * 4301
ONE, ACCOUNTS, RUNS = (
    "/api/email/accounts/ACCOUNT",
    "GET /api/email/accounts",
    "GET /api/email/runs",
)
CONFIRM, HOOK = "POST /api/auth/microsoft/confirm", "POST /api/webhooks/microsoft"
NAMES = ["\0", "ann\0", "\ud800", "ann\udfff", "\x07", "x" * 256]
MAILBOX = {"tenantId": ORGANISATION_TENANT_ID, "emailAddress": "ann@example.org"}
BODIES: dict[str, list[tuple[str, Any]]] = {
    START: [
        *(("accountId", {"accountId": each}) for each in ("not-a-uuid", None, "\ud800", 7)),
        ("body", []),
        *(("body", each) for each in (None, "7", DIGITS)),
        ("accountId", {}),
        ("accountId", f'{{"accountId": {DIGITS}}}'),
        ("accountId", '{"accountId": "ACCOUNT\\u0000"}'),
        ("syncType", {"accountId": "ACCOUNT", "syncType": "wild"}),
        *(("folders", {"accountId": "ACCOUNT", "folders": each}) for each in ([], ["1"], [2**63])),
        ("folders", {"accountId": "ACCOUNT", "folders": [1], "syncType": "manual"}),
        ("folders", f'{{"accountId": "ACCOUNT", "folders": [{DIGITS}]}}'),
        ("folders", '{"accountId": "ACCOUNT", "folders": [-1e400]}'),
    ],
    f"PATCH {ONE}": [
        ("body", []),
        ("pausd", {"pausd": True}),
        ("paused", {"paused": "yes"}),
        ("selected", {"folders": [{"id": 1}]}),
        *(("id", {"folders": [{"id": each, "selected": True}]}) for each in ("x", 2**63)),
        ("id", f'{{"folders": [{{"id": {DIGITS}, "selected": true}}]}}'),
        ("folder", {"folders": [{"id": 1, "selected": each} for each in (True, False)]}),
    ],
    CONNECT_FOR_ORGANISATION: [
        ("tenantId", []),
        ("tenantId", DIGITS),
        ("tenantId", f'{{"tenantId": {DIGITS}}}'),
        *(("tenantId", {**MAILBOX, "tenantId": each}) for each in ("../common", None)),
        *(("userId", {**MAILBOX, "userId": each}) for each in ("", "a\0", "\ud800")),
        *(
            ("emailAddress", {**MAILBOX, "emailAddress": each})
            for each in ("ann", "a@b/mailFolders", "\ud800@example.org")
        ),
    ],
    CONFIRM: [
        *(("connection", {"connection": each}) for each in (1, "\ud800")),
        ("connection", []),
        *(("connection", each) for each in ({}, {"x": "y"})),
    ],
}
LIMITS = ("0", "101", "-1", "many", "1.5", DIGITS, f"-{DIGITS}", "1e400", "NaN", "\0")
IDS = ("", "1", "1; DROP TABLE emails", DIGITS, "\0")


def cursor_of(position: str) -> str:
    return urlsafe_b64encode(position.encode()).decode()[:500]


CURSORS = (
    *("", "%%%", "bm9wZQ==", "W10=", "WyIyMDI2LTAxLTAyIiwiYSJd", "eyJhIjogMX0=", "é", "\0"),
    *map(cursor_of, (f"[{DIGITS},1]", f'["2020-01-01T00:00:00Z",{DIGITS}]', "[" * 300)),
    *map(cursor_of, ('["0001-01-01T00:00:00+23:59","a"]', '["9999-12-31T23:59:59-23:59","a"]')),
    cursor_of('["2026-01-02T00:00:00+00:00","a\\u0000"]'),
)
QUERIES: dict[str, list[tuple[str, dict[str, str]]]] = {
    ACCOUNTS: [
        *(("limit", {"limit": each}) for each in LIMITS),
        *(("cursor", {"cursor": each}) for each in CURSORS),
    ],
    RUNS: [
        *(("limit", {"accountId": "ACCOUNT", "limit": each}) for each in LIMITS),
        *(("cursor", {"accountId": "ACCOUNT", "cursor": each}) for each in CURSORS),
        *(("accountId", {"accountId": each}) for each in IDS),
    ],
    STATUS: [("accountId", {}), *(("accountId", {"accountId": each}) for each in IDS)],
    STOP: [("accountId", {}), *(("accountId", {"accountId": each}) for each in IDS)],
    f"DELETE {ONE}": [("data", {"data": each}) for each in ("all", "", "KEEP")],
    "GET /api/email/accounts/1": [("accountId", {})],
    "DELETE /api/email/accounts/1": [("accountId", {})],
    "POST /api/email/accounts/1/confirm-removal": [("accountId", {})],
}


def short(value: str | None) -> str:
    """The name of a case."""
    return ascii(value)[:12]


@pytest.mark.parametrize("route", BODIES)
def test_bodies_are_refused(api: Api, microsoft: object, account_id: AccountId, route: str) -> None:
    for named, body in BODIES[route]:
        text = body if isinstance(body, str) else json.dumps(body)
        path, text = (each.replace("ACCOUNT", account_id) for each in (route, text))
        response = api(path, body=None if body is None else text, admin=True)
        assert response.status == 422, text[:80]
        assert named in response.json["detail"]


@pytest.mark.parametrize("route", QUERIES)
def test_queries_are_refused(
    api: Api, microsoft: object, account_id: AccountId, route: str
) -> None:
    for named, query in QUERIES[route]:
        sent = {name: each.replace("ACCOUNT", account_id) for name, each in query.items()}
        response = api(route.replace("ACCOUNT", account_id), query=sent)
        assert response.status == 422, query
        assert named in response.json["detail"], query


@pytest.mark.parametrize("key", ["", "k" * 256, "\0", "a\0b", "\ud800"], ids=short)
def test_idempotency_keys_are_refused(api: Api, account_id: AccountId, key: str) -> None:
    headers = {"idempotency-key": key}

    response = api(START, body={"accountId": account_id}, headers=headers)

    assert response.status == 422
    assert "idempotency-key" in response.json["detail"]


@pytest.mark.parametrize(
    "name", [DIGITS, "%00", "\0", "\ud800", "a\0b", "x" * 81, "a:b", "a b"], ids=short
)
def test_names_in_paths_are_not_found(api: Api, microsoft: object, name: str) -> None:
    assert api(f"GET /api/email/runs/{name}").status == 404
    for method in ("GET", "DELETE"):
        assert api(f"{method} /api/email/accounts/{name}").status in (404, 422)


@pytest.mark.parametrize("name", [*NAMES, None], ids=short)
def test_nobody_and_a_user_that_no_row_can_hold_are_refused(
    api: Api, microsoft: object, account_id: AccountId, name: str | None
) -> None:
    account = {"accountId": account_id}
    asked = {ACCOUNTS: {}, "GET /api/test-sync": {}, BEGIN: {}, START: {"body": account}}
    for route, parts in {**asked, STATUS: {"query": account}}.items():
        assert api(route, user=name, **parts).problem == (401, "not-signed-in")
    assert api(ACCOUNTS).status == 200


def test_any_state_and_cookie_of_a_sign_in_is_read(api: Api, microsoft: object) -> None:
    for value in ("\0", DIGITS, "\ud800"):
        query, cookies = {"state": value.replace("\ud800", "x")}, (f"mailsync_sign_in={value}",)
        assert api(CALLBACK, query=query, cookies=cookies, user=None).status == 403


@pytest.mark.parametrize(
    "item",
    [DIGITS, f'{{"subscriptionId": {DIGITS}}}', '{"clientState": "\\ud800"}', "[" * 9999],
    ids=short,
)
def test_notifications_are_refused_or_ignored(api: Api, item: str) -> None:
    assert api(HOOK, body=f'{{"value": [{item}]}}', user=None).status in (202, 400)


@pytest.mark.xdist_group("api_server")
@pytest.mark.parametrize("name", NAMES, ids=short)
def test_the_authorizer_refuses_subjects_that_no_row_can_hold(server: ApiServer, name: str) -> None:
    response = server.send("GET /api/email/accounts", server.token(sub=name), "", "")

    assert response.status_code == 403


@pytest.mark.xdist_group("api_server")
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat", "sub"])
@pytest.mark.parametrize(
    "number", [DIGITS, f"-{DIGITS}", "1e400", "NaN", "[[]]", f'"{DIGITS}"'], ids=short
)
def test_the_authorizer_refuses_absurd_numbers(server: ApiServer, claim: str, number: str) -> None:
    claims = {"sub": "ann", "exp": 9999999999, "aud": AUDIENCE, "iss": ISSUER, claim: "HERE"}
    payload = json.dumps(claims).replace('"HERE"', number).encode()
    token = jwt.api_jws.encode(payload, server.key, algorithm="RS256", headers={"kid": "k"})

    response = server.send("GET /api/email/accounts", f"Bearer {token}", "", "")

    assert response.status_code == 403


def test_invalid_utf8_leaves_the_connection_usable(settings: Settings, database: Database) -> None:
    for _ in range(2):
        with pytest.raises(StoreRejected, match="surrogate"), database.transaction() as tx:
            tx.run("take_call", user_id="\ud800", kind="k", per_hour=9)
        with database.transaction() as tx:
            assert tx.run("take_call", user_id="ann", kind="k", per_hour=9) == [[0]]


def test_of_many_wrong_fields_ten_are_named(api: Api, account_id: AccountId) -> None:
    wrong = {f"field{number}": 1 for number in range(30)}

    refused = api(f"PATCH /api/email/accounts/{account_id}", body=wrong)

    assert refused.status == 422
    assert refused.json["detail"].count("field") == 10
    assert refused.json["detail"].endswith("; and more.")
