"""`make dashboard STAGE=...`: whose login it takes, and what it shows to whom."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
import pytest

from dashboard import deployed
from dashboard.server import Dashboard
from localdev.engine.failure import StartFailed
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.conftest import TEMPLATE
from tests.local.dashboard.conftest import opened
from tests.store.rows import one
from tests.store.two_mailboxes import fill

BROUGHT, OWN = "postgresql://functions@db.example.com/mail", "postgresql://me@aurora/mailsync"
READING = "postgresql://reader@db.example.com/mail"
OUTPUTS = dict.fromkeys(("DatabaseSecretArn", "MailboxSyncArn", "TestSyncArn", "ApiUrl"), "x")


def stage_with(patch: pytest.MonkeyPatch, secret: dict[str, str]) -> None:
    """What AWS would return for it."""
    patch.setattr(deployed, "_outputs", lambda _: OUTPUTS)
    patch.setattr(deployed, "_secret", lambda _: secret)
    patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def test_the_secret_says_where_the_database_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stage_with(monkeypatch, {"DATABASE_URL": BROUGHT})
    monkeypatch.setenv("DATABASE_URL", OWN)

    assert (
        deployed.find_data_sources_of_deployed_stage("prod").mailsync_settings.database_url
        == BROUGHT
    )


def test_whoever_looks_says_it_for_a_database_of_the_stages_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage_with(monkeypatch, {"DATABASE_URL": ""})

    with pytest.raises(StartFailed, match="Stage prod has a database of its own"):
        deployed.find_data_sources_of_deployed_stage("prod")

    monkeypatch.setenv("DATABASE_URL", OWN)
    assert (
        deployed.find_data_sources_of_deployed_stage("prod").mailsync_settings.database_url == OWN
    )


def test_a_login_that_reads_is_taken_without_a_look_at_the_settings_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage_with(monkeypatch, {})
    monkeypatch.delattr(deployed, "_secret")
    monkeypatch.setenv("DASHBOARD_DATABASE_URL", READING)

    assert (
        deployed.find_data_sources_of_deployed_stage("prod").mailsync_settings.database_url
        == READING
    )


@pytest.fixture
def stage(
    create_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str]:
    """A stage with mail in its database: the id of a message and of its account."""
    url = create_database(TEMPLATE)
    stage_with(monkeypatch, {"DATABASE_URL": url})
    database = Database(Settings({"DATABASE_URL": url}))
    fill(database)
    begins = "UPDATE mailsync.emails SET snippet = 'Dear Ann' RETURNING id, account_id::text"
    message, account = one(database, begins)
    database.close()
    return message, account


def prod(*, show_bodies: bool = False) -> AbstractContextManager[tuple[Dashboard, httpx.Client]]:
    return opened(deployed.find_data_sources_of_deployed_stage("prod", show_bodies=show_bodies))


def test_data_and_actions_need_the_token_of_the_printed_url(stage: tuple[int, str]) -> None:
    paths = ("accounts", "overview", "runs", "events", "changes", f"messages/{stage[0]}", "sign-in")
    with prod() as (dashboard, client):
        for path in paths:
            assert client.get(f"/data/{path}").status_code == 401
        assert client.post("/data/actions/sync", json={}).status_code == 401
        assert "open the URL that it printed" in client.get("/data/accounts?token=wrong").text
        wrong = {"Cookie": f"mailsync_dashboard_{client.base_url.port}=wrong; {{malformed"}
        assert client.get("/data/accounts", headers=wrong).status_code == 401
        assert b"Mailsync" in client.get("/accounts").content  # a page, without any data

        entered = client.get(dashboard.url_with_token)
        assert client.get("/data/accounts").status_code == 200

    assert (entered.status_code, entered.headers["Location"]) == (303, "/")
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_each_start_has_a_token_of_its_own_and_it_leads_to_no_other_site(
    stage: tuple[int, str],
) -> None:
    with prod() as (first, client), prod() as (second, _):
        token = first.url_with_token.partition("?")[2]
        elsewhere = client.get(f"{first.url}//evil.example/runs?{token}&status=failed")

    assert token != second.url_with_token.partition("?")[2]
    assert elsewhere.headers["Location"] == "/evil.example/runs?status=failed"


def test_the_text_of_mail_is_not_shown_unless_it_was_asked_for(
    stage: tuple[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    message, _ = stage
    with prod() as (dashboard, client):
        client.get(dashboard.url_with_token)
        refused = client.get(f"/data/messages/{message}/body")
        shown = client.get(f"/data/messages/{message}").json()
        listed = client.get(f"/data/folders/{shown['folderId']}/messages").json()["messages"]

    assert (refused.status_code, "--show-bodies" in refused.json()["error"]) == (403, True)
    assert (shown["subject"], shown["snippet"]) == ("ann", "")
    assert {each["snippet"] for each in listed} == {""}
    assert capsys.readouterr().err == ""


def test_each_text_that_is_shown_is_reported(
    stage: tuple[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    message, account = stage
    with prod(show_bodies=True) as (dashboard, client):
        client.get(dashboard.url_with_token)
        shown = [client.get(f"/data/messages/{message}/body") for _ in range(2)]

    assert [each.status_code for each in shown] == [200, 200]
    assert b"ann" in shown[0].content
    reported = capsys.readouterr().err.splitlines()
    assert [each.partition("opened ")[2] for each in reported] == 2 * [
        f"message {message} of account {account}"
    ]
