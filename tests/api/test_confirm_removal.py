"""POST /api/email/accounts/{accountId}/confirm-removal."""

from datetime import datetime

import pytest

from mailsync.model import AccountId
from tests.api.hidden_mail import hide_mail
from tests.api.requests import Api, Sql

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


def test_status_and_account_show_what_waits_for_a_person(api: Api, emptied: AccountId) -> None:
    status = api("GET /api/email/sync", query={"accountId": emptied}).json
    account = api(f"GET /api/email/accounts/{emptied}").json
    (listed,) = api("GET /api/email/accounts").json["accounts"]

    shown = status["pendingRemoval"]
    assert shown == account["pendingRemoval"] == listed["pendingRemoval"]
    assert (shown["hidden"], shown["gone"], shown["folders"]) == (31, 30, 0)
    assert (shown["needsConfirmation"], shown["confirmedAt"]) == (True, None)
    assert hours_between(shown["goneSince"], shown["deletedFrom"]) == 24
    assert status["lastError"]["name"] == "SuspiciousRemoval"


def test_a_confirmation_makes_the_next_sync_due_and_a_second_one_changes_nothing(
    api: Api, emptied: AccountId, sql: Sql
) -> None:
    """That sync asks the provider again."""
    response = api(route(emptied))

    assert (response.status, response.json["accountId"]) == (200, emptied)
    removal = response.json["pendingRemoval"]
    assert (removal["gone"], removal["needsConfirmation"]) == (30, False)
    assert removal["confirmedAt"] is not None
    assert hours_between(removal["goneSince"], removal["deletedFrom"]) == 2
    assert (sql(ROWS), sql(DUE)) == ([[40, 31]], [[True]])
    status = api("GET /api/email/sync", query={"accountId": emptied}).json
    assert (status["pendingRemoval"], status["lastError"]) == (removal, None)
    before = sql("SELECT * FROM mailsync.email_accounts")
    assert api(route(emptied)) == response
    assert sql("SELECT * FROM mailsync.email_accounts") == before


def test_a_running_check_delays_no_sync(api: Api, emptied: AccountId, sql: Sql) -> None:
    sql("UPDATE mailsync.email_accounts SET lease_owner = 'sync-accounts'")

    api(route(emptied))

    assert sql("SELECT lease_owner FROM mailsync.email_accounts") == [[None]]


@pytest.mark.parametrize(("messages", "gone"), [(0, 0), (19, 19), (40, 20)])
def test_less_than_most_of_a_mailbox_needs_no_confirmation(
    api: Api, account_id: AccountId, sql: Sql, messages: int, gone: int
) -> None:
    hide_mail(sql, account_id, messages=messages, gone=gone)

    response = api(route(account_id))

    assert response.problem == (409, "no-removal-to-confirm")
    assert sql("SELECT removal_confirmed_at FROM mailsync.email_accounts") == [[None]]


def hours_between(start: str, end: str) -> float:
    spent = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return spent.total_seconds() / 3600
