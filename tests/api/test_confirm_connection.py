"""Where a stage asks for it, a mailbox is connected by the word of the user who began.

What a sibling host or a link can bring about ends before that: it has no JWT of that user.
"""

from urllib.parse import parse_qsl, urlsplit

import pytest

from localdev.simulators import Simulators
from mailsync.api.sign_in import CONFIRMATION_LIFETIME_S
from tests.api.conftest import Ask, Sql
from tests.api.connecting import (
    BEGIN,
    CALLBACK,
    INBOX,
    NOTHING,
    ONE_OF_EACH,
    choose,
    cookie_of,
    stored,
)
from tests.api.requests import Answer, Context

CONFIRM = "POST /api/auth/microsoft/confirm"
WAITING = "SELECT count(*) FROM mailsync.pending_connections"


@pytest.fixture
def ask(ask_connect: Ask, environment: pytest.MonkeyPatch) -> Ask:
    environment.setenv("CONFIRM_CONNECTIONS", "true")
    return ask_connect


def came_back(ask: Ask, identity: Simulators, user: str, account: str) -> Answer:
    """The browser of whoever holds the mailbox, after a sign-in that this user began."""
    begun = ask(BEGIN, user=user)
    query = choose(identity, begun, account=account)
    return ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)


def connection_of(landed: Answer) -> str:
    url = urlsplit(landed.headers["Location"])
    ((name, token),) = parse_qsl(url.query)
    assert (landed.status, url._replace(query="").geturl(), name) == (302, INBOX, "connection")
    return token


@pytest.fixture
def waiting(ask: Ask, identity: Simulators) -> str:
    """The token of Ann's mailbox, to which she has signed in."""
    return connection_of(came_back(ask, identity, "ann", "ann@example.org"))


def test_nothing_is_connected_until_the_user_who_began_says_so(
    ask: Ask, waiting: str, sql: Sql
) -> None:
    before = stored(sql)

    confirmed = ask(CONFIRM, body={"connection": waiting})

    assert (before, stored(sql)) == (NOTHING, ONE_OF_EACH)
    ((account_id, user_id, address),) = sql(
        "SELECT id::text, user_id, email_address FROM mailsync.email_accounts"
    )
    assert (user_id, address) == ("ann", "ann@example.org")
    assert (confirmed.status, confirmed.json["accountId"]) == (201, account_id)
    assert confirmed.headers["Location"] == confirmed.json["statusUrl"]
    assert sql("SELECT id FROM mailsync.sync_runs") == [[confirmed.json["runId"]]]
    assert sql(WAITING) == [[0]]


def test_the_application_of_a_victim_refuses_what_an_attacker_began(
    ask: Ask, identity: Simulators, sql: Sql
) -> None:
    """The victim's browser had the attacker's link and, tossed, his cookie; and nobody has it now:
    a token that strayed is of no use to its own user either."""
    strayed = connection_of(came_back(ask, identity, "mallory", "ann@example.org"))

    by_victim = ask(CONFIRM, body={"connection": strayed}, user="ann")
    by_attacker = ask(CONFIRM, body={"connection": strayed}, user="mallory")

    assert (by_victim.status, by_attacker.status) == (404, 404)
    assert by_victim.json["type"] == "urn:mailsync:problem:connection-unknown"
    assert stored(sql) == NOTHING
    assert sql(WAITING) == [[0]]


def test_a_confirmation_counts_once(ask: Ask, waiting: str, sql: Sql) -> None:
    answers = [ask(CONFIRM, body={"connection": waiting}).status for _ in range(2)]

    assert answers == [201, 404]
    assert stored(sql) == ONE_OF_EACH


def test_a_confirmation_that_comes_too_late_connects_nothing_and_nothing_is_kept(
    ask: Ask, waiting: str, sql: Sql
) -> None:
    from handlers.purge_accounts import handler

    ((left_s,),) = sql(
        "SELECT extract(epoch FROM expires_at - now())::int FROM mailsync.pending_connections"
    )
    sql("UPDATE mailsync.pending_connections SET expires_at = now()")

    assert ask(CONFIRM, body={"connection": waiting}).status == 404
    assert sql(WAITING) == [[1]]
    handler({}, Context())  # type: ignore[arg-type]
    assert sql(WAITING) == [[0]]
    assert stored(sql) == NOTHING
    assert CONFIRMATION_LIFETIME_S - 60 < left_s <= CONFIRMATION_LIFETIME_S <= 900


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE mailsync.pending_connections SET user_id = 'mallory'",
        "UPDATE mailsync.pending_connections SET user_id = 'mallory',"
        " connection_sealed = set_byte(connection_sealed, 20, 0)",
    ],
)
def test_a_row_that_is_given_to_another_user_does_not_open(
    ask: Ask, waiting: str, sql: Sql, change: str
) -> None:
    sql(change)

    assert ask(CONFIRM, body={"connection": waiting}, user="mallory").status == 404
    assert stored(sql) == NOTHING


@pytest.mark.parametrize("body", [{}, [], {"connection": 1}, {"connection": "\ud800"}, {"x": "y"}])
def test_what_names_no_connection_is_refused_by_its_field(ask: Ask, body: object) -> None:
    refused = ask(CONFIRM, body=body)

    assert refused.status == 422
    assert "connection" in refused.json["detail"]


def test_neither_token_nor_grant_lies_in_the_clear(ask: Ask, waiting: str, sql: Sql) -> None:
    ((user_id, *kept),) = sql(
        "SELECT user_id, token_hash, connection_sealed FROM mailsync.pending_connections"
    )

    everything = b"".join(kept)
    assert user_id == "ann"
    assert not [each for each in (waiting, "secret", "ann@") if each.encode() in everything]
