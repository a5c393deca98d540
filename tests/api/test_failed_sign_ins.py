"""A sign-in that fails ends where the application expects it, in OAuth's words and our own."""

from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from tests.api.conftest import Ask, Sql
from tests.api.connecting import BEGIN, CALLBACK, INBOX, NOTHING, choose, cookie_of, stored
from tests.api.requests import Answer

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MARKUP = '<script>alert(1)</script>"\\'


@pytest.fixture
def come_back(ask_connect: Ask, begun: Answer) -> Callable[..., Answer]:
    """Ann's browser after Microsoft's page, with the query that brought it back."""

    def come_back(query: dict[str, str], headers: dict[str, str] = BROWSER) -> Answer:
        cookies = cookie_of(begun)
        return ask_connect(CALLBACK, query=query, cookies=cookies, headers=headers, user=None)

    return come_back


def said(answer: Answer) -> dict[str, str]:
    """The parameters behind the inbox's address; nothing else may have changed in it."""
    assert answer.status == 302
    assert answer.headers["Cache-Control"] == "no-store"
    url = urlsplit(answer.headers["Location"])
    assert url._replace(query="").geturl() == INBOX
    return dict(parse_qsl(url.query))


def state_of(begun: Answer) -> str:
    asked = parse_qsl(urlsplit(str(begun.json["authorizationUrl"])).query)
    return dict(asked)["state"]


@pytest.mark.parametrize("accept", [BROWSER, {"accept": "*/*"}, {"accept": ""}])
def test_a_person_who_declines_is_back_in_the_application(
    *,
    begun: Answer,
    come_back: Callable[..., Answer],
    identity: Simulators,
    sql: Sql,
    accept: dict[str, str],
) -> None:
    declined = said(come_back(choose(identity, begun, decline="1"), accept))

    assert declined["error"] == "access_denied"
    assert "the consent was declined" in declined["error_description"]
    assert declined.keys() == {"error", "error_description"}
    assert stored(sql) == NOTHING


@pytest.mark.parametrize(
    ("answered", "error"),
    [
        ({"error": "consent_required", "error_description": "AADSTS65001"}, "consent_required"),
        ({"error": "access_denied", "error_description": MARKUP}, "access_denied"),
        ({"error": MARKUP, "error_description": MARKUP}, "access_denied"),
        ({"error": "a_word_of_somebody"}, "access_denied"),
        ({"error": "temporarily_unavailable"}, "temporarily_unavailable"),
        ({"error": "unauthorized_client"}, "server_error"),
        ({"code": "not one of Microsoft's"}, "invalid_grant"),
        ({"code": "c", "iss": "https://evil.example"}, "access_denied"),
    ],
)
def test_every_refusal_has_a_name_of_oauth_and_words_of_ours(
    begun: Answer, come_back: Callable[..., Answer], answered: dict[str, str], error: str
) -> None:
    ended = said(come_back({"state": state_of(begun), **answered}))

    assert ended["error"] == error
    assert not set('<>"\\') & set(ended["error_description"])
    assert "alert(" not in str(ended)


def test_a_sign_in_that_is_not_known_here_ends_there_too(ask_connect: Ask) -> None:
    query = {"state": MARKUP, "code": "c"}

    ended = said(ask_connect(CALLBACK, query=query, headers=BROWSER, user=None))

    assert ended["error"] == "invalid_request"
    assert "start again from the application" in ended["error_description"]


def test_an_outage_is_named_as_one_and_a_defect_with_its_request(
    come_back: Callable[..., Answer], answer: dict[str, str], identity: Simulators, sql: Sql
) -> None:
    fault = Fault(status=429, body="Too Many Requests", retry_after=90)
    identity.service.token_faults.add(Rule(fault=fault))

    ended = said(come_back(answer))

    assert ended["error"] == "temporarily_unavailable"
    assert ended["error_description"].endswith("(request JKJaXmPLvHcESHA=)")
    assert stored(sql) == NOTHING


def test_a_browser_that_cannot_even_begin_is_sent_back(
    ask_connect: Ask, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("MICROSOFT_AUTHORITY", "https://localhost:1/common")

    assert said(ask_connect(BEGIN, headers=BROWSER))["error"] == "temporarily_unavailable"


def test_a_program_that_asks_for_json_is_told_in_json(ask_connect: Ask) -> None:
    refused = ask_connect(CALLBACK, query={"state": "s"}, user=None)

    assert refused.status == 403
    assert refused.json["type"] == "urn:mailsync:problem:sign-in-unknown"


def test_without_an_application_a_page_runs_nothing_and_shows_a_way_on(
    ask_connect: Ask, environment: pytest.MonkeyPatch, sql: Sql
) -> None:
    environment.delenv("APP_INBOX_URL")

    page = ask_connect(CALLBACK, query={"state": MARKUP}, headers=BROWSER, user=None)

    assert page.status == 503
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert '<a href="/api/auth/microsoft">Connect the mailbox again</a>' in page.text
    assert "<script" not in page.text
    assert stored(sql) == NOTHING


def test_other_pages_lead_to_the_application(ask_connect: Ask) -> None:
    query = {"returnTo": "https://evil.example"}

    page = ask_connect(BEGIN, query=query, headers=BROWSER)

    assert page.status == 400
    assert f'<a href="{INBOX}">Go to the application</a>' in page.text
