"""GET /api/auth/google and its callback, against the simulated Google over TLS: a mailbox is
connected, or a sentence says why not.
"""

from collections.abc import Callable
from io import StringIO
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from tests.api.google_sign_in import BEGIN, READ_MAIL, GoogleSignIn, sign_in
from tests.api.requests import ApiResponse, Sql
from tests.api.sign_in import ANN, BO, BROWSER, INBOX, NOTHING, ONE_OF_EACH, refusal, stored
from tests.api.syncs import executions
from tests.api.test_provider_paths import ask

ACCOUNTS = """SELECT provider_account_id, email_address, status FROM mailsync.email_accounts
  ORDER BY created_at"""
GRANTS = "SELECT grant_sealed FROM mailsync.email_credentials"
Arrange = Callable[[Simulators, GoogleSignIn], object]


@pytest.fixture
def begun(google: Simulators) -> GoogleSignIn:
    return GoogleSignIn(google)


def subject(google: Simulators, address: str = ANN) -> str:
    return google.google.accounts.find_account(address).oidc_subject


def test_a_person_lands_in_the_inbox_while_the_first_sync_starts(
    begun: GoogleSignIn, google: Simulators, sql: Sql
) -> None:
    landed = begun.come_back(begun.consent())

    ((account_id, *rest),) = sql(
        "SELECT id::text, user_id, provider, provider_account_id, email_address, status"
        " FROM mailsync.email_accounts"
    )
    assert (landed.status, landed.headers["Location"]) == (302, f"{INBOX}?accountId={account_id}")
    assert rest == ["ann", "google", subject(google), ANN, "active"]
    ((run_id, *how),) = sql("SELECT id, sync_type, trigger FROM mailsync.sync_runs")
    assert ([*executions()], how) == ([run_id], ["initial", "connect"])


def test_the_request_has_pkce_and_asks_for_what_brings_a_refresh_token(google: Simulators) -> None:
    sent = ask("connect", BEGIN, headers={"accept": "text/html"}).headers["Location"]

    assert sent.startswith(f"{google.google.base_url}/o/oauth2/v2/auth?")
    asked = dict(parse_qsl(urlsplit(sent).query))
    assert asked["redirect_uri"] == "https://api.example.org/api/auth/google/callback"
    assert set(asked["scope"].split()) == {"openid", "email", READ_MAIL}
    assert (asked["access_type"], asked["code_challenge_method"]) == ("offline", "S256")
    assert "consent" in asked["prompt"].split()


def switch(**values: Any) -> Arrange:
    return lambda google, begun: google.google.set_behaviour_switches(**values)


def answer(**fault: Any) -> Arrange:
    return lambda google, begun: google.service.token_faults.add_rules(
        FaultRule(fault=Fault(**fault), path="^/token")
    )


def nothing(google: Simulators, begun: GoogleSignIn) -> None:
    """Leave everything as it is."""


OUTAGES: dict[str, dict[str, Any]] = {
    "down": {"status": 503, "body": ""},
    "page": {"status": 200, "body": "<html>Oops</html>"},
    "error page": {"status": 400, "body": "<html>invalid_grant</html>"},
    "no token": {"status": 200, "body": '{"scope": "openid"}'},
    "cut off": {"cut": "before answer"},
    "throttled": {"status": 429, "body": "", "retry_after": 9},
}
FAILURES: dict[str, tuple[Arrange, dict[str, str], str, str]] = {
    "declined": (nothing, {"decline": "1"}, "access_denied", "allow the app to read mail"),
    "unticked": (nothing, {"granular": "1"}, "invalid_scope", "tick the box for Gmail"),
    "blocked": (
        switch(is_app_blocked=True),
        {},
        "access_denied",
        "an administrator of the Google Workspace organisation has blocked the app",
    ),
    "no refresh token": (
        lambda _, begun: begun.change(access_type="online"),
        {},
        "access_denied",
        "remove the app under https://myaccount.google.com/connections",
    ),
    "our clock is late": (switch(clock_offset_s=600), {}, "access_denied", "correct the clock"),
    "our clock is early": (switch(clock_offset_s=-7200), {}, "access_denied", "correct the clock"),
    "nonce": (lambda _, begun: begun.change(nonce="other"), {}, "access_denied", "belong to this"),
    "verifier": (
        lambda _, begun: begun.change(code_challenge="other"),
        {},
        "invalid_grant",
        "the code has expired or was used already",
    ),
    "wrong secret": (
        answer(status=401, code="invalid_client"),
        {},
        "server_error",
        "ask the operator to check the app registration",
    ),
    **{
        name: (answer(**fault), {}, "temporarily_unavailable", "unavailable")
        for name, fault in OUTAGES.items()
    },
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_sign_in_ends_in_the_application_with_a_sentence(
    begun: GoogleSignIn, google: Simulators, sql: Sql, name: str
) -> None:
    arrange, choice, error, sentence = FAILURES[name]
    arrange(google, begun)

    ended = begun.come_back(begun.consent(**choice), headers=BROWSER)

    url = urlsplit(ended.headers["Location"])
    passed_on = dict(parse_qsl(url.query))
    assert (ended.status, url._replace(query="").geturl()) == (302, INBOX)
    assert passed_on["error"] == error
    assert sentence in passed_on["error_description"]
    assert "ann@" not in passed_on["error_description"]
    assert stored(sql) == NOTHING


def test_access_that_google_limits_to_seven_days_is_noted_in_the_log(
    begun: GoogleSignIn, google: Simulators, log: StringIO
) -> None:
    google.google.set_behaviour_switches(is_testing=True)

    assert begun.come_back(begun.consent()).status == 302

    (note,) = [each for each in log.getvalue().splitlines() if "access_is_temporary" in each]
    assert '"seconds":604799' in note


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"state": "another"}, (403, "sign-in-unknown")),
        ({"iss": "https://login.example"}, (400, "sign-in-refused")),
        ({"code": "4/0Aunknown"}, (400, "sign-in-refused")),
    ],
)
def test_the_response_of_another_sign_in_connects_nothing(
    begun: GoogleSignIn, sql: Sql, change: dict[str, str], code: tuple[int, str]
) -> None:
    assert refusal(begun.come_back({**begun.consent(), **change}), sql) == code


@pytest.mark.parametrize(
    ("switches", "page"),
    [
        ({"internal_organisation": "elsewhere.example"}, "org_internal"),
        ({"is_client_disabled": True}, "disabled_client"),
        ({"is_client_deleted": True}, "invalid_client"),
    ],
)
def test_what_google_says_on_its_own_page_never_returns(
    begun: GoogleSignIn, google: Simulators, switches: dict[str, Any], page: str
) -> None:
    google.google.set_behaviour_switches(**switches)

    shown = begun.choose()

    assert page in shown.text
    assert "location" not in shown.headers


def test_the_same_account_is_kept_and_another_one_is_new(google: Simulators, sql: Sql) -> None:
    first, again = sign_in(google), sign_in(google)

    assert first.headers["Location"] == again.headers["Location"]
    assert stored(sql) == ONE_OF_EACH
    sign_in(google, BO)
    assert [row[:2] for row in sql(ACCOUNTS)] == [[subject(google), ANN], [subject(google, BO), BO]]


def test_a_failed_second_sign_in_changes_nothing_of_the_first(google: Simulators, sql: Sql) -> None:
    sign_in(google)
    before = sql(GRANTS)

    for choice, parameters in (
        ({"granular": "1"}, {}),
        ({}, {"access_type": "online"}),
        ({"decline": "1"}, {}),
    ):
        begun = GoogleSignIn(google)
        begun.change(**parameters)
        assert begun.come_back(begun.consent(**choice)).status == 400

    assert sql(GRANTS) == before
    assert stored(sql) == ONE_OF_EACH


@pytest.fixture
def renamed(google: Simulators) -> Any:
    """Give Ann's account another address, for this test."""
    user_id = google.google.accounts.find_account(ANN).simulator_user_id
    yield lambda address: google.google.accounts.change_address(user_id, address)
    google.google.accounts.change_address(user_id, ANN)


def test_a_renamed_address_is_taken_over_by_the_account_of_its_subject(
    google: Simulators, sql: Sql, renamed: Callable[[str], None]
) -> None:
    sign_in(google)
    renamed("ann.new@example.org")

    sign_in(google, "ann.new@example.org")

    assert sql(ACCOUNTS) == [
        [subject(google, "ann.new@example.org"), "ann.new@example.org", "active"]
    ]


def test_the_address_under_another_subject_is_somebody_else(google: Simulators, sql: Sql) -> None:
    sign_in(google)
    before = subject(google)
    google.google.accounts.replace_oidc_subject(ANN)

    sign_in(google)

    assert sql(ACCOUNTS) == [[before, ANN, "active"], [subject(google), ANN, "active"]]


def test_no_token_is_stored_or_returned_in_clear(google: Simulators, sql: Sql) -> None:
    landed: ApiResponse = sign_in(google)

    rows = sql("SELECT row_to_json(c)::text FROM mailsync.email_credentials c")[0][0]
    assert not [each for each in (b"ya29.".hex(), b"1//0".hex()) if each in rows]
    assert "ya29." not in str(landed.headers)
