"""GET /api/auth/microsoft and its callback: a mailbox is connected, again, or instead of another.

Real msal, real TLS, real KMS calls, real Postgres.
"""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from localdev.simulators import Simulators
from localdev.simulators.service import ORGANISATION_TENANT_ID, PERSONAL_TENANT_ID
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import (
    BEGIN,
    BO,
    INBOX,
    NOTHING,
    ONE_OF_EACH,
    SignIn,
    refusal,
    sign_in,
    stored,
)
from tests.api.syncs import executions

BROKEN = """UPDATE mailsync.email_accounts
  SET status = 'reauth_required', failures = 3, last_error = 'AccessRevoked'"""
STATES = "SELECT email_address, status, failures, last_error FROM mailsync.email_accounts"


def test_a_person_lands_in_the_inbox_while_the_first_sync_starts(
    connected: ApiResponse, sql: Sql
) -> None:
    ((account_id, *rest),) = sql(
        "SELECT id::text, user_id, provider, email_address, status FROM mailsync.email_accounts"
    )

    assert connected.status == 302
    assert connected.headers["Location"] == f"{INBOX}?accountId={account_id}"
    assert rest == ["ann", "microsoft", "ann@example.org", "active"]
    assert connected.cookies == (
        "__Host-mailsync_sign_in=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
    )
    ((run_id, *how),) = sql("SELECT id, sync_type, trigger FROM mailsync.sync_runs")
    assert [*executions()] == [run_id]
    assert how == ["initial", "connect"]


def test_a_browser_is_redirected_to_microsoft(api: Api, microsoft: object) -> None:
    response = api(BEGIN, headers={"accept": "text/html"}, query={"returnTo": INBOX})

    assert response.status == 302
    parameters = parse_qs(urlsplit(response.headers["Location"]).query)
    assert parameters["redirect_uri"] == ["https://api.example.org/api/auth/microsoft/callback"]
    assert parameters["code_challenge_method"] == ["S256"]
    (cookie,) = response.cookies
    assert cookie.startswith("__Host-mailsync_sign_in=")
    assert cookie.endswith("; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax")


def test_on_plain_localhost_the_cookie_has_no_prefix_which_browsers_would_refuse(
    api: Api, microsoft: object, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("PUBLIC_URL", "http://localhost:3000")

    response = api(BEGIN)

    assert "localhost%3A3000%2Fapi%2Fauth%2Fmicrosoft%2Fcallback" in response.text
    assert response.cookies[0].startswith("mailsync_sign_in=")
    assert response.cookies[0].endswith("; Path=/api/auth; Max-Age=600; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("state", ["another", "", None])
def test_an_unknown_state_connects_nothing(
    begun: SignIn, consent: dict[str, str], sql: Sql, state: str | None
) -> None:
    del consent["state"]
    query = consent if state is None else {**consent, "state": state}

    assert refusal(begun.come_back(query), sql) == (403, "sign-in-unknown")


@pytest.mark.parametrize("change", ["expires_at = now()", "user_id = 'mallory'"])
def test_a_sign_in_that_expired_or_was_moved_to_another_user_connects_nothing(
    begun: SignIn, consent: dict[str, str], sql: Sql, change: str
) -> None:
    """What is moved in the database does not open."""
    sql(f"UPDATE mailsync.sign_ins SET {change}")

    assert refusal(begun.come_back(consent), sql) == (403, "sign-in-unknown")


def test_the_function_connect_loads_neither_pydantic_nor_msal_at_start() -> None:
    """Both cost a cold start more than everything else together."""
    names = "{'pydantic', 'msal'} & set(sys.modules)"
    source = f"import sys, handlers.connect; print({names} or 'neither')"
    loaded = subprocess.run(
        [sys.executable, "-c", source],
        env={"PYTHONPATH": str(Path("lambdas").resolve()), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert loaded.stdout.strip() == "neither"


def test_a_mailbox_connected_again_is_the_same_account_and_another_one_is_new(
    api: Api, microsoft: Simulators, connected: ApiResponse, sql: Sql
) -> None:
    sql(BROKEN)
    again = sign_in(api, microsoft)

    assert again.headers["Location"] == connected.headers["Location"]
    assert sql(STATES) == [["ann@example.org", "active", 0, None]]
    assert stored(sql) == ONE_OF_EACH

    sql(BROKEN)
    other = sign_in(api, microsoft, BO)

    assert other.headers["Location"] != connected.headers["Location"]
    assert sorted(each[:2] for each in sql(STATES)) == [
        ["ann@example.org", "reauth_required"],
        ["bo@example.org", "active"],
    ]


def test_personal_and_work_accounts_are_both_connected(
    api: Api, microsoft: Simulators, connected: ApiResponse, sql: Sql
) -> None:
    microsoft.find_or_create_mailbox("ann@outlook.com")

    assert sign_in(api, microsoft, "ann@outlook.com").status == 302

    accounts = sql("SELECT provider_account_id FROM mailsync.email_accounts ORDER BY created_at")
    assert [each.split(".")[1] for (each,) in accounts] == [
        ORGANISATION_TENANT_ID,
        PERSONAL_TENANT_ID,
    ]


def test_credentials_come_with_the_account(
    begun: SignIn, consent: dict[str, str], sql: Sql
) -> None:
    sql("ALTER TABLE mailsync.email_credentials ADD CHECK (account_id IS NULL)")

    assert begun.come_back(consent).status >= 500
    assert stored(sql) == NOTHING


def test_the_next_sign_in_deletes_expired_ones(api: Api, begun: SignIn, sql: Sql) -> None:
    api(BEGIN)
    sql("UPDATE mailsync.sign_ins SET expires_at = now()")

    api(BEGIN)

    assert sql("SELECT count(*), min(expires_at) > now() FROM mailsync.sign_ins") == [[1, True]]
