"""POST /api/email/accounts/{accountId}/confirm-removal."""

from uuid import uuid4

import pytest

from mailsync.model import AccountId
from tests.api.conftest import Ask, Sql
from tests.api.hidden_mail import hide_mail

ROWS = "SELECT count(*), count(*) FILTER (WHERE confirm_at <= now()) FROM mailsync.emails"
DUE = "SELECT next_sync_at <= now() FROM mailsync.email_accounts"


@pytest.fixture
def emptied(account_id: AccountId, sql: Sql) -> AccountId:
    """30 of its 40 messages are gone at the provider, since three hours."""
    hide_mail(sql, account_id, messages=40, gone=30)
    sql(
        "UPDATE mailsync.email_accounts SET last_error = 'SuspiciousRemoval',"
        " last_error_message = '30 of 40', next_sync_at = now() + interval '5 minutes'"
    )
    return account_id


def route(account_id: str) -> str:
    return f"POST /api/email/accounts/{account_id}/confirm-removal"


def test_the_status_and_the_account_show_what_waits_for_a_person(
    ask: Ask, emptied: AccountId
) -> None:
    status = ask("GET /api/email/sync", query={"accountId": emptied}).json
    account = ask(f"GET /api/email/accounts/{emptied}").json
    (listed,) = ask("GET /api/email/accounts").json["accounts"]

    shown = status["pendingRemoval"]
    assert shown == account["pendingRemoval"] == listed["pendingRemoval"]
    assert (shown["hidden"], shown["gone"], shown["folders"]) == (31, 30, 0)
    assert (shown["needsConfirmation"], shown["confirmedAt"]) == (True, None)
    assert hours_between(shown["goneSince"], shown["deletedFrom"]) == 24
    assert status["lastError"]["name"] == "SuspiciousRemoval"


def test_once_confirmed_the_next_sync_is_due_and_asks_the_provider_again(
    ask: Ask, emptied: AccountId, sql: Sql
) -> None:
    answer = ask(route(emptied))

    assert (answer.status, answer.json["accountId"]) == (200, emptied)
    removal = answer.json["pendingRemoval"]
    assert (removal["gone"], removal["needsConfirmation"]) == (30, False)
    assert removal["confirmedAt"] is not None
    assert hours_between(removal["goneSince"], removal["deletedFrom"]) == 2
    assert (sql(ROWS), sql(DUE)) == ([[40, 31]], [[True]])
    status = ask("GET /api/email/sync", query={"accountId": emptied}).json
    assert (status["pendingRemoval"], status["lastError"]) == (removal, None)


def test_confirmed_twice_it_is_confirmed_once(ask: Ask, emptied: AccountId, sql: Sql) -> None:
    first = ask(route(emptied))
    before = sql("SELECT * FROM mailsync.email_accounts")

    assert ask(route(emptied)) == first
    assert sql("SELECT * FROM mailsync.email_accounts") == before


def test_a_check_that_is_under_way_does_not_put_off_the_next_sync(
    ask: Ask, emptied: AccountId, sql: Sql
) -> None:
    sql("UPDATE mailsync.email_accounts SET lease_owner = 'sync-accounts'")

    ask(route(emptied))

    assert sql("SELECT lease_owner FROM mailsync.email_accounts") == [[None]]


@pytest.mark.parametrize(("messages", "gone"), [(0, 0), (19, 19), (40, 20)])
def test_where_not_most_of_a_mailbox_goes_there_is_nothing_to_confirm(
    ask: Ask, account_id: AccountId, sql: Sql, messages: int, gone: int
) -> None:
    hide_mail(sql, account_id, messages=messages, gone=gone)

    answer = ask(route(account_id))

    assert answer.status == 409
    assert answer.json["type"] == "urn:mailsync:problem:no-removal-to-confirm"
    assert sql("SELECT removal_confirmed_at FROM mailsync.email_accounts") == [[None]]


def test_another_users_account_looks_like_one_that_does_not_exist(
    ask: Ask, emptied: AccountId, sql: Sql
) -> None:
    theirs = ask(route(emptied), user="bo")

    assert (theirs.status, theirs) == (404, ask(route(str(uuid4())), user="bo"))
    assert sql("SELECT removal_confirmed_at FROM mailsync.email_accounts") == [[None]]
    assert ask(route("1")).status == 422


def hours_between(start: str, end: str) -> float:
    from datetime import datetime

    spent = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return spent.total_seconds() / 3600
