"""Google's simulated identity platform as Google's documentation describes it, over TLS."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from ssl import create_default_context
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
import pytest

from localdev.simulators import Simulators
from localdev.simulators.google.consents import AccessTokenRefusedError, GrantEndReason
from localdev.simulators.google.server import GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET
from tests.providers.simulators.test_faults import control

ADDRESS = "ann@example.org"
EMAIL = "https://www.googleapis.com/auth/userinfo.email"
READ, SEND = (f"https://www.googleapis.com/auth/gmail.{each}" for each in ("readonly", "send"))
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
CALLBACK = "http://localhost/callback"
CLIENT = {"client_id": GOOGLE_CLIENT_ID, "client_secret": GOOGLE_CLIENT_SECRET}
REQUEST = {
    "client_id": GOOGLE_CLIENT_ID,
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": f"openid email {READ}",
    "access_type": "offline",
    "prompt": "consent",
    "state": "s",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


class Browser:
    """A person with a browser, and the application's requests for tokens."""

    def __init__(self, simulators: Simulators) -> None:
        trust = create_default_context(cafile=simulators.ca_bundle)
        self.http = httpx.Client(base_url=simulators.google.base_url, verify=trust)

    def consent(self, choice: dict[str, Any] | None = None, **request: str) -> dict[str, str]:
        """Return the query of the redirect to the application."""
        form = {"account": ADDRESS, **(choice or {})}
        page = self.http.post("/o/oauth2/v2/auth", params={**REQUEST, **request}, data=form)
        return dict(parse_qsl(urlsplit(page.headers["location"]).query))

    def redeem(self, code: str, verifier: str = VERIFIER) -> httpx.Response:
        form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
        return self.token(grant_type="authorization_code", **form)

    def sign_in(self, **request: str) -> dict[str, Any]:
        tokens: dict[str, Any] = self.redeem(self.consent(None, **request)["code"]).json()
        return tokens

    def renew(self, refresh_token: str) -> httpx.Response:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token)

    def token(self, **form: str) -> httpx.Response:
        return self.http.post("/token", data={**CLIENT, **form})


@pytest.fixture
def browser(simulators: Simulators) -> Iterator[Browser]:
    simulators.find_or_create_mailbox(ADDRESS)
    defaults = simulators.google.behaviour
    opened = Browser(simulators)
    yield opened
    opened.http.close()
    simulators.google.behaviour = defaults
    simulators.google.consents.delete_all_consents()


def test_tokens_name_the_account_and_its_id_token_verifies_with_the_key_set(
    simulators: Simulators, browser: Browser
) -> None:
    tokens = browser.sign_in()

    (key,) = browser.http.get("/oauth2/v3/certs").json()["keys"]
    claims = jwt.decode(
        tokens["id_token"], jwt.PyJWK(key), audience=GOOGLE_CLIENT_ID, algorithms=["RS256"]
    )
    subject = simulators.google.accounts.find_account(ADDRESS).oidc_subject
    assert (claims["sub"], claims["email"], claims["hd"]) == (subject, ADDRESS, "example.org")
    assert (claims["iss"], claims["nonce"]) == ("https://accounts.google.com", "n")
    assert set(tokens["scope"].split()) == {"openid", EMAIL, READ}
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert browser.http.get("/v1/userinfo", headers=bearer).json()["sub"] == subject
    assert browser.http.get("/v1/userinfo").status_code == 401


def test_a_code_is_for_one_exchange_with_its_own_verifier(browser: Browser) -> None:
    code = browser.consent()["code"]
    assert browser.redeem(code).status_code == 200

    again, other = browser.redeem(code), browser.redeem(browser.consent()["code"], "w" * 64)

    assert [each.status_code for each in (again, other)] == [400, 400]
    assert {again.json()["error"], other.json()["error"]} == {"invalid_grant"}


def test_only_offline_access_with_a_consent_brings_a_refresh_token(browser: Browser) -> None:
    requests = [
        {"access_type": "online"},
        {"prompt": "none"},
        {},
        {"prompt": "select_account consent"},
    ]

    assert ["refresh_token" in browser.sign_in(**each) for each in requests] == [
        False,
        False,
        True,
        True,
    ]


def test_the_page_has_a_box_for_each_scope_and_an_unticked_one_is_not_granted(
    browser: Browser,
) -> None:
    page = browser.http.get("/o/oauth2/v2/auth", params={**REQUEST, "scope": f"openid {READ}"})
    assert f'name="tick" value="{READ}" checked' in page.text
    assert 'value="openid" checked' not in page.text
    ticked = {"granular": "1", "tick": SEND}

    granted = browser.consent(ticked, scope=f"openid {READ} {SEND}")["scope"]

    assert set(granted.split()) == {"openid", SEND}


def test_granted_scopes_are_included_on_request(browser: Browser) -> None:
    browser.sign_in()

    alone = browser.sign_in(scope=SEND)["scope"]
    together = browser.sign_in(scope=SEND, include_granted_scopes="true")["scope"]

    assert alone == SEND
    assert set(together.split()) == {"openid", EMAIL, READ, SEND}


def test_revoking_one_token_ends_all_of_the_account_and_client(
    simulators: Simulators, browser: Browser
) -> None:
    first, second = browser.sign_in(), browser.sign_in()

    assert browser.http.post("/revoke", data={"token": first["access_token"]}).status_code == 200

    assert browser.renew(second["refresh_token"]).json() == {
        "error": "invalid_grant",
        "error_description": "Token has been expired or revoked.",
    }
    with pytest.raises(AccessTokenRefusedError):
        simulators.google.verify_access_token(second["access_token"])
    again = browser.http.post("/revoke", data={"token": first["access_token"]})
    assert (again.status_code, again.json()["error"]) == (400, "invalid_token")


def test_the_oldest_refresh_token_ends_beyond_the_limit(
    simulators: Simulators, browser: Browser
) -> None:
    simulators.google.set_behaviour_switches(refresh_tokens_kept=2)
    tokens = [browser.sign_in()["refresh_token"] for _ in range(3)]

    assert [browser.renew(each).status_code for each in tokens] == [400, 200, 200]


@pytest.mark.parametrize("end", list(GrantEndReason))
def test_the_control_api_ends_the_grants_of_an_account(
    simulators: Simulators, browser: Browser, end: GrantEndReason
) -> None:
    grant = browser.sign_in()["refresh_token"]

    response = control(simulators, "POST", "google-end-grants", mailbox=ADDRESS, end=end)

    assert response.json() == {"ended": 1}
    refused = browser.renew(grant).json()
    assert refused["error"] == "invalid_grant"
    subtypes = {
        GrantEndReason.REAUTHENTICATION_REQUIRED,
        GrantEndReason.REAUTHENTICATION_PROOF_INVALID,
    }
    assert refused.get("error_subtype") == (end if end in subtypes else None)


def test_an_unknown_switch_is_refused(simulators: Simulators) -> None:
    assert control(simulators, "POST", "google-switches", is_testing=True).status_code == 200
    assert control(simulators, "POST", "google-switches", unheard_of=True).status_code == 400
    simulators.google.set_behaviour_switches(is_testing=False)


def test_another_process_goes_on_with_tokens_keys_and_subjects(tmp_path: Path) -> None:
    with Simulators(tmp_path) as first, closing(Browser(first).http) as http:
        first.find_or_create_mailbox(ADDRESS)
        consent_id = first.google.consents.create_consent(subject_of(first)[0], READ)
        kept = first.google.consents.issue_refresh_token(consent_id)
        keys, subject = http.get("/oauth2/v3/certs").json(), subject_of(first)

    with Simulators(tmp_path) as second, closing(Browser(second).http) as http:
        form = {**CLIENT, "grant_type": "refresh_token", "refresh_token": kept}
        assert http.post("/token", data=form).status_code == 200
        assert http.get("/oauth2/v3/certs").json() == keys
        assert subject_of(second) == subject


def subject_of(simulators: Simulators) -> tuple[str, str]:
    account = simulators.google.accounts.find_account(ADDRESS)
    return account.simulator_user_id, account.oidc_subject
