"""Numbers that Python does not read and text that no row holds are refused in every position.

A number of more than 4,300 digits raises in `int()`; a lone surrogate cannot be sent to Postgres,
and NUL is refused by it.
"""

import json
from base64 import urlsafe_b64encode

import jwt
import pytest

from localdev.simulators.service import TENANT_ID
from mailsync.errors import StoreRejected
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.api.api_server import AUDIENCE, ISSUER, ApiServer
from tests.api.requests import Api
from tests.api.sign_in import BEGIN, CALLBACK
from tests.api.subscriptions import CONNECT_FOR_ORGANISATION
from tests.api.syncs import START

DIGITS = "9" * 4301


def short(value: str) -> str:
    """The name of a case."""
    return ascii(value)[:12]


HOOK = "POST /api/webhooks/microsoft"
NAMES = ["\0", "ann\0", "\ud800", "ann\udfff", "\x07", "x" * 256]
BODIES = [
    f'{{"accountId": "ACCOUNT", "folders": [{DIGITS}]}}',
    f'{{"accountId": {DIGITS}}}',
    '{"accountId": "ACCOUNT", "folders": [-1e400]}',
    '{"accountId": "\\ud800"}',
    '{"accountId": "ACCOUNT\\u0000"}',
    DIGITS,
]


@pytest.mark.parametrize("body", BODIES, ids=short)
def test_bodies_are_refused(api: Api, account_id: AccountId, body: str) -> None:
    assert api(START, body=body.replace("ACCOUNT", account_id)).status == 422


def test_other_bodies_are_refused(api: Api, microsoft: object, account_id: AccountId) -> None:
    folders = f'{{"folders": [{{"id": {DIGITS}, "selected": true}}]}}'
    named = {"tenantId": TENANT_ID, "emailAddress": "ann@example.org"}
    organisations = [f'{{"tenantId": {DIGITS}}}', DIGITS, json.dumps({**named, "userId": "a\0"})]

    assert api(f"PATCH /api/email/accounts/{account_id}", body=folders).status == 422
    for body in organisations:
        assert api(CONNECT_FOR_ORGANISATION, body=body, admin=True).status == 422


@pytest.mark.parametrize("value", [DIGITS, f"-{DIGITS}", "1e400", "NaN", "\0"], ids=short)
def test_queries_are_refused(api: Api, account_id: AccountId, value: str) -> None:
    for query in ({"limit": value}, {"cursor": value[:500]}):
        assert api("GET /api/email/accounts", query=query).status == 422
    for route in ("GET /api/email/sync", "GET /api/email/runs", "DELETE /api/email/sync"):
        assert api(route, query={"accountId": value}).status == 422


@pytest.mark.parametrize(
    "position", [f"[{DIGITS},1]", f'["2020-01-01T00:00:00Z",{DIGITS}]', "[" * 300], ids=short
)
def test_cursors_are_refused(api: Api, account_id: AccountId, position: str) -> None:
    cursor = urlsafe_b64encode(position.encode()).decode()[:500]

    assert api("GET /api/email/accounts", query={"cursor": cursor}).status == 422
    query = {"accountId": account_id, "cursor": cursor}
    assert api("GET /api/email/runs", query=query).status == 422


@pytest.mark.parametrize("key", ["\0", "a\0b", "\ud800"], ids=short)
def test_idempotency_keys_are_refused(api: Api, account_id: AccountId, key: str) -> None:
    headers = {"idempotency-key": key}

    assert api(START, body={"accountId": account_id}, headers=headers).status == 422


@pytest.mark.parametrize("name", [DIGITS, "%00", "\0", "\ud800"], ids=short)
def test_names_in_paths_are_not_found(api: Api, microsoft: object, name: str) -> None:
    assert api(f"GET /api/email/accounts/{name}").status in (404, 422)
    assert api(f"GET /api/email/runs/{name}").status == 404
    assert api(f"DELETE /api/email/accounts/{name}").status in (404, 422)


@pytest.mark.parametrize("name", NAMES, ids=short)
def test_a_user_that_no_row_can_hold_is_refused(
    api: Api, microsoft: object, account_id: AccountId, name: str
) -> None:
    for route in ("GET /api/email/accounts", "GET /api/test-sync", BEGIN):
        assert api(route, user=name).status == 401
    assert api(START, user=name, body={"accountId": account_id}).status == 401
    assert api("GET /api/email/accounts").status == 200


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
