"""Who may ask the dashboard for what, and what it says when something behind it is missing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from localdev.engine.aws_resources import make_aws_client
from mailsync.settings import Settings
from tests.conftest import TEMPLATE
from tests.local.dashboard.conftest import opened, stage_sources

NOWHERE = "http://127.0.0.1:1"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def dashboard(create_database: Callable[[str], str]) -> Iterator[httpx.Client]:
    """Of a stack with a database, whose engine and API do not respond."""
    settings = Settings({"DATABASE_URL": create_database(TEMPLATE)})
    sources = stage_sources(settings, lambda service: make_aws_client(service, NOWHERE))
    with opened(sources, token_required=False) as (_, client):
        yield client


def test_a_link_elsewhere_may_lead_to_a_page_but_not_to_data(dashboard: httpx.Client) -> None:
    """A sign-in that comes back from the mail provider ends on a page."""
    link = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }

    assert dashboard.get("/mailbox?accountId=4711", headers=link).status_code == 200
    assert dashboard.get("/data/accounts", headers=link).status_code == 403


def test_an_action_of_our_own_page_is_heard(dashboard: httpx.Client) -> None:
    own = {**JSON, "Origin": str(dashboard.base_url), "Sec-Fetch-Site": "same-origin"}

    response = dashboard.post("/data/actions/test-sync", content=b"{}", headers=own)

    assert response.status_code == 403
    assert "MAILSYNC_TOKEN" in response.json()["error"]


def test_every_answer_is_protected_and_pages_load_only_their_own(dashboard: httpx.Client) -> None:
    for path in ("/", "/runs/4711", "/data/accounts", "/data/nothing", "/style.css"):
        headers = dashboard.get(path).headers

        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
    assert "default-src 'self'" in dashboard.get("/runs").headers["Content-Security-Policy"]


def test_every_view_has_an_address_and_a_missing_file_none(dashboard: httpx.Client) -> None:
    start = dashboard.get("/")

    assert start.headers["Content-Type"] == "text/html; charset=utf-8"
    assert dashboard.get("/accounts/4711").content == start.content
    assert dashboard.get("/nothing.js").status_code == 404
    assert dashboard.get("/../queries.sql").content == start.content
    assert dashboard.get("/%2e%2e/queries.sql").content == start.content


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/data/nothing", None, 404),
        ("GET", "/data/runs?limit=x", None, 400),
        ("GET", "/data/runs?before=yesterday", None, 400),
        ("GET", "/data/events?before=2026-01-31T09:30:00_7", None, 400),  # of no time zone
        ("GET", "/data/runs?before=0001-01-01T00:00:00%2B01:00_7", None, 400),
        ("GET", "/data/accounts/4711", None, 404),
        ("GET", "/data/messages/999999999999999999", None, 404),
        ("GET", "/data/functions", None, 503),
        ("DELETE", "/data/runs", None, 405),
        ("POST", "/data/actions/nothing", {}, 404),
        ("POST", "/data/actions/sync", [], 400),
        ("POST", "/data/actions/sync", {}, 422),
        ("POST", "/data/actions/connect-by-password", {"provider": "imap"}, 404),
        ("POST", "/data/actions/deliver", {"address": "a@example.com"}, 409),
        ("POST", "/data/actions/event", {"type": "test/sync", "detail": {}}, 501),
    ],
)
def test_whatever_goes_wrong_is_one_sentence(
    dashboard: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    content = None if body is None else json.dumps(body)
    response = dashboard.request(method, path, content=content, headers=JSON if content else {})

    assert response.status_code == status
    assert response.json()["error"].endswith(".")


def test_a_sign_in_that_cannot_start_leads_to_a_page_that_says_why() -> None:
    """The browser has left the page with the button, so JSON would be all that it shows."""
    local = stage_sources(Settings({"DATABASE_URL": "postgresql:///"}), lambda _: None)
    local = replace(local, stage_name="local", get_user_token_or_none=lambda: "token")
    with opened(local, token_required=False) as (_, client):
        response = client.get("/data/sign-in")

    assert response.status_code == 303
    assert response.headers["Location"].startswith(
        "/accounts?error=server_error&error_description="
    )


def test_the_first_page_tells_real_mail_from_a_simulation(dashboard: httpx.Client) -> None:
    overview = dashboard.get("/data/overview").json()

    assert (overview["stage"], overview["simulated"], overview["accounts"]) == ("prod", False, 0)
