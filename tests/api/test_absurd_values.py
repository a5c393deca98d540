"""Numbers that Python does not read and text that no row holds are refused, wherever they stand.

A number of more than 4,300 digits raises in `int()`; a lone surrogate cannot be sent to Postgres,
and NUL is refused by it.
"""

import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest

from localdev.simulators.service import TENANT_ID
from mailsync.errors import StoreRejected
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.api.conftest import Ask
from tests.api.front import AUDIENCE, ISSUER, Front
from tests.api.requests import a_request, call

DIGITS = "9" * 4301


def short(value: str) -> str:
    """The name of a case."""
    return ascii(value)[:12]


START, ORGANISATION = "POST /api/email/sync", "POST /api/email/accounts/microsoft"
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
def test_bodies_are_refused(ask: Ask, account_id: AccountId, body: str) -> None:
    assert ask(START, body=body.replace("ACCOUNT", account_id)).status == 422


def test_bodies_of_other_routes_are_refused(
    ask: Ask, ask_connect: Ask, account_id: AccountId
) -> None:
    folders = f'{{"folders": [{{"id": {DIGITS}, "selected": true}}]}}'
    named = {"tenantId": TENANT_ID, "emailAddress": "ann@example.org"}
    organisations = [f'{{"tenantId": {DIGITS}}}', DIGITS, json.dumps({**named, "userId": "a\0"})]

    assert ask(f"PATCH /api/email/accounts/{account_id}", body=folders).status == 422
    for body in organisations:
        assert ask_connect(ORGANISATION, body=body, admin=True).status == 422


@pytest.mark.parametrize("value", [DIGITS, f"-{DIGITS}", "1e400", "NaN", "\0"], ids=short)
def test_queries_are_refused(ask: Ask, account_id: AccountId, value: str) -> None:
    for query in ({"limit": value}, {"cursor": value[:500]}):
        assert ask("GET /api/email/accounts", query=query).status == 422
    for route in ("GET /api/email/sync", "GET /api/email/runs", "DELETE /api/email/sync"):
        assert ask(route, query={"accountId": value}).status == 422


@pytest.mark.parametrize(
    "position", [f"[{DIGITS},1]", f'["2020-01-01T00:00:00Z",{DIGITS}]', "[" * 300], ids=short
)
def test_cursors_are_refused(ask: Ask, account_id: AccountId, position: str) -> None:
    cursor = urlsafe_b64encode(position.encode()).decode()[:500]

    assert ask("GET /api/email/accounts", query={"cursor": cursor}).status == 422
    query = {"accountId": account_id, "cursor": cursor}
    assert ask("GET /api/email/runs", query=query).status == 422


@pytest.mark.parametrize("key", ["\0", "a\0b", "\ud800"], ids=short)
def test_idempotency_keys_are_refused(ask: Ask, account_id: AccountId, key: str) -> None:
    headers = {"idempotency-key": key}

    assert ask(START, body={"accountId": account_id}, headers=headers).status == 422


@pytest.mark.parametrize("name", [DIGITS, "%00", "\0", "\ud800"], ids=short)
def test_names_in_paths_are_not_found(ask: Ask, ask_connect: Ask, name: str) -> None:
    assert ask(f"GET /api/email/accounts/{name}").status in (404, 422)
    assert ask(f"GET /api/email/runs/{name}").status == 404
    assert ask_connect(f"DELETE /api/email/accounts/{name}").status in (404, 422)


@pytest.mark.parametrize("name", NAMES, ids=short)
def test_a_user_whom_no_row_can_name_is_nobody(
    ask: Ask, ask_connect: Ask, account_id: AccountId, name: str
) -> None:
    routes: tuple[tuple[Ask, str, dict[str, Any]], ...] = (
        (ask, "GET /api/email/accounts", {}),
        (ask, START, {"body": {"accountId": account_id}}),
        (ask, "GET /api/test-sync", {}),
        (ask_connect, "GET /api/auth/microsoft", {}),
    )
    for asked, route, parts in routes:
        assert asked(route, user=name, **parts).status == 401
    assert ask("GET /api/email/accounts").status == 200


def test_the_state_and_the_cookie_of_a_sign_in_may_be_anything(ask_connect: Ask) -> None:
    for value in ("\0", DIGITS, "\ud800"):
        answer = ask_connect(
            "GET /api/auth/microsoft/callback",
            query={"state": value.replace("\ud800", "x")},
            cookies=(f"mailsync_sign_in={value}",),
            user=None,
        )
        assert answer.status == 403


@pytest.mark.parametrize(
    "item",
    [DIGITS, f'{{"subscriptionId": {DIGITS}}}', '{"clientState": "\\ud800"}', "[" * 9999],
    ids=short,
)
def test_notifications_are_refused_or_ignored(environment: object, item: str) -> None:
    from handlers.webhook import handler

    answer = call(handler, a_request(HOOK, body=f'{{"value": [{item}]}}', user=None))

    assert answer.status in (202, 400)


@pytest.mark.xdist_group("front")
@pytest.mark.parametrize("name", NAMES, ids=short)
def test_the_authorizer_admits_nobody_whom_no_row_can_name(front: Front, name: str) -> None:
    answer = front.ask("GET /api/email/accounts", front.token(sub=name), "", "")

    assert answer.status_code == 403


@pytest.mark.xdist_group("front")
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat", "sub"])
@pytest.mark.parametrize(
    "number", [DIGITS, f"-{DIGITS}", "1e400", "NaN", "[[]]", '"' + DIGITS + '"']
)
def test_the_authorizer_reads_no_absurd_number(front: Front, claim: str, number: str) -> None:
    claims = {"sub": "ann", "exp": 9999999999, "aud": AUDIENCE, "iss": ISSUER, claim: "HERE"}
    payload = json.dumps(claims).replace('"HERE"', number).encode()
    token = jwt.api_jws.encode(payload, front.key, algorithm="RS256", headers={"kid": "k"})

    answer = front.ask("GET /api/email/accounts", f"Bearer {token}", "", "")

    assert answer.status_code == 403


def test_text_that_is_no_utf8_leaves_the_connection_as_it_was(
    settings: Settings, database: Database
) -> None:
    """Found out in the middle of a message, it would be of no use afterwards."""
    for _ in range(2):
        with pytest.raises(StoreRejected, match="surrogate"), database.transaction() as tx:
            tx.run("take_call", user_id="\ud800", kind="k", per_hour=9)
        with database.transaction() as tx:
            assert tx.run("take_call", user_id="ann", kind="k", per_hour=9) == [[0]]
