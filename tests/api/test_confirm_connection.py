"""With CONFIRM_CONNECTIONS a mailbox is connected when the user who began confirms it.

What a sibling host or a link can bring about ends before that: it has no JWT of that user.
"""

from urllib.parse import parse_qsl, urlsplit

import pytest

from localdev.simulators import Simulators
from mailsync.api.sign_in import UNCONFIRMED_CONNECTION_LIFETIME_S
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import INBOX, NOTHING, ONE_OF_EACH, refusal, sign_in, stored
from tests.support.functions import run_scheduled

CONFIRM = "POST /api/auth/microsoft/confirm"
PENDING = "SELECT count(*) FROM mailsync.pending_connections"
UNKNOWN = (404, "connection-unknown")


@pytest.fixture
def api(api: Api, microsoft: Simulators, environment: pytest.MonkeyPatch) -> Api:
    environment.setenv("CONFIRM_CONNECTIONS", "true")
    return api


def connection_of(landed: ApiResponse) -> str:
    url = urlsplit(landed.headers["Location"])
    ((name, token),) = parse_qsl(url.query)
    assert (landed.status, url._replace(query="").geturl(), name) == (302, INBOX, "connection")
    return token


@pytest.fixture
def pending(api: Api, microsoft: Simulators) -> str:
    """The token of Ann's mailbox, to which she has signed in."""
    return connection_of(sign_in(api, microsoft))


def test_a_confirmation_connects_the_mailbox(api: Api, pending: str, sql: Sql) -> None:
    before = stored(sql)

    confirmed = api(CONFIRM, body={"connection": pending})

    assert (before, stored(sql)) == (NOTHING, ONE_OF_EACH)
    ((account_id, user_id, address),) = sql(
        "SELECT id::text, user_id, email_address FROM mailsync.email_accounts"
    )
    assert (user_id, address) == ("ann", "ann@example.org")
    assert (confirmed.status, confirmed.json["accountId"]) == (201, account_id)
    assert confirmed.headers["Location"] == confirmed.json["statusUrl"]
    assert sql("SELECT id FROM mailsync.sync_runs") == [[confirmed.json["runId"]]]
    assert sql(PENDING) == [[0]]
    assert api(CONFIRM, body={"connection": pending}).problem == UNKNOWN
    assert stored(sql) == ONE_OF_EACH


def test_the_application_of_a_victim_refuses_what_an_attacker_began(
    api: Api, microsoft: Simulators, sql: Sql
) -> None:
    """The victim's browser had the attacker's link and, tossed, his cookie. A token that strayed
    is of no use to its own user either."""
    strayed = connection_of(sign_in(api, microsoft, user="mallory"))

    for user in ("ann", "mallory"):
        refused = api(CONFIRM, body={"connection": strayed}, user=user)
        assert refusal(refused, sql) == UNKNOWN
    assert sql(PENDING) == [[0]]


def test_a_late_confirmation_connects_and_keeps_nothing(api: Api, pending: str, sql: Sql) -> None:
    left = "SELECT extract(epoch FROM expires_at - now())::int FROM mailsync.pending_connections"
    ((left_s,),) = sql(left)
    sql("UPDATE mailsync.pending_connections SET expires_at = now()")

    assert api(CONFIRM, body={"connection": pending}).status == 404
    assert sql(PENDING) == [[1]]
    run_scheduled("purge_accounts")
    assert sql(PENDING) == [[0]]
    assert stored(sql) == NOTHING
    assert (
        UNCONFIRMED_CONNECTION_LIFETIME_S - 60 < left_s <= UNCONFIRMED_CONNECTION_LIFETIME_S <= 900
    )


@pytest.mark.parametrize(
    "change",
    [
        "user_id = 'mallory'",
        "user_id = 'mallory', connection_sealed = set_byte(connection_sealed, 20, 0)",
    ],
)
def test_a_row_of_another_user_does_not_open(api: Api, pending: str, sql: Sql, change: str) -> None:
    sql(f"UPDATE mailsync.pending_connections SET {change}")

    refused = api(CONFIRM, body={"connection": pending}, user="mallory")

    assert refusal(refused, sql)[0] == 404


def test_neither_token_nor_grant_is_stored_in_the_clear(api: Api, pending: str, sql: Sql) -> None:
    ((user_id, *kept),) = sql(
        "SELECT user_id, token_hash, connection_sealed FROM mailsync.pending_connections"
    )

    everything = b"".join(kept)
    assert user_id == "ann"
    assert not [each for each in (pending, "secret", "ann@") if each.encode() in everything]
