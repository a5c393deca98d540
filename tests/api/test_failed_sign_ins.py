"""A sign-in that fails ends in the application, in OAuth's words and our own; JSON on request."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import BEGIN, BROWSER, CALLBACK, INBOX, NOTHING, SignIn, refusal, stored

MARKUP = '<img src=x onerror=alert(1)> ann@example.org"\\'


def passed_on(response: ApiResponse) -> dict[str, str]:
    """Return the parameters behind the inbox's address; nothing else may have changed in it."""
    assert (response.status, response.headers["Cache-Control"]) == (302, "no-store")
    url = urlsplit(response.headers["Location"])
    assert url._replace(query="").geturl() == INBOX
    return dict(parse_qsl(url.query))


@pytest.mark.parametrize("accept", [BROWSER, {"accept": "*/*"}, {"accept": ""}])
def test_declining_returns_to_the_application(
    begun: SignIn, sql: Sql, accept: dict[str, str]
) -> None:
    declined = passed_on(begun.come_back(begun.decline(), headers=accept))

    assert declined["error"] == "access_denied"
    assert "the consent was declined" in declined["error_description"]
    assert declined.keys() == {"error", "error_description"}
    assert stored(sql) == NOTHING


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"error": "consent_required", "error_description": "AADSTS65001"}, "consent_required"),
        ({"error": "access_denied", "error_description": f"AADSTS65004{MARKUP}"}, "access_denied"),
        ({"error": MARKUP, "error_description": MARKUP}, "access_denied"),
        ({"error": "a_word_of_somebody"}, "access_denied"),
        ({"error": "temporarily_unavailable"}, "temporarily_unavailable"),
        ({"error": "unauthorized_client"}, "server_error"),
        ({"code": "not one of Microsoft's"}, "invalid_grant"),
        ({"code": "c", "iss": "https://evil.example"}, "access_denied"),
    ],
)
def test_every_refusal_has_a_name_of_oauth_and_words_of_ours(
    begun: SignIn, query: dict[str, str], error: str
) -> None:
    ended = passed_on(begun.come_back({"state": begun.state, **query}, headers=BROWSER))

    assert ended["error"] == error
    assert not set('<>"\\') & set(ended["error_description"])
    assert not [each for each in ("alert(", "img", "ann@") if each in str(ended)]


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        ("AADSTS65004: ann@example.org declined", "the consent was declined"),
        ("AADSTS90094: ann@example.org needs one", "only an administrator"),
        ("AADSTS999999: ann@example.org may not", "AADSTS999999): try again"),
        ("ann@example.org may not", "(server_refused): try again"),
    ],
)
def test_a_refusal_in_json_has_a_sentence_without_the_address(
    begun: SignIn, sql: Sql, description: str, sentence: str
) -> None:
    error = {"error": "server_refused", "error_description": description}

    refused = begun.come_back({"state": begun.state, **error})

    assert refusal(refused, sql) == (400, "sign-in-refused")
    assert sentence in refused.json["detail"]
    assert "ann@" not in refused.text


def test_an_unknown_sign_in_ends_in_the_application(api: Api, microsoft: Simulators) -> None:
    query = {"state": MARKUP, "code": "c"}

    ended = passed_on(api(CALLBACK, query=query, headers=BROWSER, user=None))

    assert ended["error"] == "invalid_request"
    assert "start again from the application" in ended["error_description"]
    assert api(CALLBACK, query=query, user=None).problem == (403, "sign-in-unknown")


def test_an_outage_is_reported_with_its_pause_and_the_request(
    api: Api, begun: SignIn, microsoft: Simulators, sql: Sql
) -> None:
    fault = Fault(status=429, body="Too Many Requests", retry_after=90)
    microsoft.service.token_faults.add_rules(FaultRule(fault=fault, times=None))
    another = SignIn(api, microsoft)

    ended = passed_on(begun.come_back(begun.consent(), headers=BROWSER))
    in_json = another.come_back(another.consent())

    assert ended["error"] == "temporarily_unavailable"
    assert ended["error_description"].endswith("(request JKJaXmPLvHcESHA=)")
    assert (in_json.status, in_json.headers["Retry-After"]) == (503, "90")
    assert stored(sql) == NOTHING


def test_a_sign_in_cannot_begin_while_the_platform_is_down(
    api: Api, microsoft: Simulators, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("MICROSOFT_AUTHORITY", "https://localhost:1/common")

    in_json = api(BEGIN)

    assert in_json.problem == (503, "provider-unavailable")
    assert in_json.headers["Retry-After"] == "60"
    assert passed_on(api(BEGIN, headers=BROWSER))["error"] == "temporarily_unavailable"


def test_without_an_application_a_page_runs_nothing_and_shows_a_way_on(
    api: Api, microsoft: Simulators, environment: pytest.MonkeyPatch, sql: Sql
) -> None:
    environment.delenv("APP_INBOX_URL")

    page = api(CALLBACK, query={"state": MARKUP}, headers=BROWSER, user=None)

    assert page.status == 503
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert '<a href="/api/auth/microsoft">Connect the mailbox again</a>' in page.text
    assert "<img" not in page.text
    assert stored(sql) == NOTHING


def test_other_pages_lead_to_the_application(api: Api, microsoft: Simulators) -> None:
    page = api(BEGIN, query={"returnTo": "https://evil.example"}, headers=BROWSER)

    assert page.status == 400
    assert f'<a href="{INBOX}">Go to the application</a>' in page.text
