"""Attacks on the sign-in (RFC 6819, RFC 9700); each ends with nothing stored.

The attacker is a user of the same application: he can begin sign-ins of his own, sees their
links and cookies, and can make the victim's browser open any address.
"""

from urllib.parse import urlencode, urlsplit

import pytest

from localdev.simulators import Simulators
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import BEGIN, BO, INBOX, ONE_OF_EACH, SignIn, refusal, stored

UNKNOWN, REFUSED = (403, "sign-in-unknown"), (400, "sign-in-refused")
ELSEWHERE = [
    "",
    f"{INBOX}/",
    "https://evil.example",
    "http://app.example.org/inbox",
    "javascript:alert(1)//https://app.example.org/inbox",
    "//evil.example",
    "//evil.example/inbox",
    "\\\\evil.example",
    "/\\evil.example",
    "https://app.example.org@evil.example/inbox",
    "https://app.example.org.evil.example/inbox",
    "https://app.example.org/inbox/../../evil",
    "https://app.example.org/inbox#@evil.example",
    "https%3A%2F%2Fevil.example",
    "https://app.example.org/inbox\r\nLocation: https://evil.example",
    " https://app.example.org/inbox",
    "HTTPS://APP.EXAMPLE.ORG/inbox",
]


@pytest.fixture
def attackers(api: Api, microsoft: Simulators) -> SignIn:
    """A sign-in that the attacker has begun."""
    return SignIn(api, microsoft, "mallory")


def test_a_replayed_callback_connects_nothing_more(
    begun: SignIn, consent: dict[str, str], connected: ApiResponse, sql: Sql
) -> None:
    sql("DELETE FROM mailsync.email_accounts")

    assert connected.status == 302
    assert refusal(begun.come_back(consent), sql) == UNKNOWN


def test_the_attackers_consent_in_the_victims_browser_connects_nothing(
    begun: SignIn, attackers: SignIn, sql: Sql
) -> None:
    """Login CSRF: else the victim would work in the attacker's mailbox, or he in the victim's."""
    assert refusal(begun.come_back(attackers.consent(BO)), sql) == UNKNOWN


def test_a_callback_needs_the_cookie_of_its_sign_in_and_does_not_spoil_it_without(
    begun: SignIn, attackers: SignIn, consent: dict[str, str], sql: Sql
) -> None:
    guesses = [(f"__Host-mailsync_sign_in={each}",) for each in ("", "guess")]

    for cookies in ((), *guesses, attackers.cookies):
        assert refusal(begun.come_back(consent, cookies=cookies), sql)[0] == 403
    assert begun.come_back(consent).status == 302


def test_a_stolen_code_in_the_attackers_own_sign_in_connects_nothing(
    attackers: SignIn, consent: dict[str, str], sql: Sql
) -> None:
    """Code injection: state and cookie are the attacker's, only PKCE and the nonce are not."""
    refused = attackers.come_back({**attackers.consent(BO), "code": consent["code"]})

    assert refusal(refused, sql) == REFUSED
    assert "AADSTS501481" in refused.json["detail"]


def test_a_tampered_code_connects_nothing_and_uses_the_sign_in_up(
    begun: SignIn, consent: dict[str, str], sql: Sql
) -> None:
    tampered = {**consent, "code": consent["code"][:-3] + "xyz"}

    assert refusal(begun.come_back(tampered), sql) == REFUSED
    assert refusal(begun.come_back(consent), sql)[0] == 403


def test_the_inbox_is_the_only_return_address(api: Api, microsoft: Simulators, sql: Sql) -> None:
    responses = [api(BEGIN, query={"returnTo": each}) for each in ELSEWHERE]

    assert {each.problem for each in responses} == {(400, "return-to-not-allowed")}
    assert sql("SELECT count(*) FROM mailsync.sign_ins") == [[0]]


def test_a_callback_leads_to_the_inbox_whatever_else_it_carries(
    begun: SignIn, consent: dict[str, str], microsoft: Simulators, sql: Sql
) -> None:
    """The platform's own issuer, other addresses, and cookies of the application."""
    evil = dict.fromkeys(("returnTo", "redirect_uri"), "https://evil.example")
    cookies = ("session=a; theme=dark", "mailsync_sign_in=tossed", *begun.cookies)
    query = {**consent, **evil, "iss": f"{microsoft.entra_authority_url}/v2.0"}

    landed = begun.come_back(query, cookies=cookies)

    assert landed.headers["Location"].startswith(f"{INBOX}?accountId=")
    assert "evil" not in str(landed)
    assert stored(sql) == ONE_OF_EACH


@pytest.mark.parametrize("issuer", ["https://evil.example/common/v2.0", "", "https://[evil"])
def test_a_code_of_another_platform_connects_nothing(
    begun: SignIn, consent: dict[str, str], sql: Sql, issuer: str
) -> None:
    """Mix-up: the code would be shown to a platform that did not issue it (RFC 9207)."""
    assert refusal(begun.come_back({**consent, "iss": issuer}), sql) == REFUSED


def test_a_sign_in_whose_link_lost_its_challenge_connects_nothing(begun: SignIn, sql: Sql) -> None:
    """PKCE downgrade: the code of such a link would work for each who sees it."""
    left = {name: each for name, each in begun.parameters.items() if "challenge" not in name}
    link = urlsplit(begun.url)._replace(query=urlencode(left)).geturl()

    assert refusal(begun.come_back(begun.consent(url=link)), sql) == REFUSED


# What evil.example.org can put into a browser that goes to api.example.org; the real cookie it
# cannot set, as `test_tossed_cookies.py` shows in Chromium. Some servers strip what stands before.
TOSSED = [
    "mailsync_sign_in={0}",
    "__Secure-mailsync_sign_in={0}",
    "\u2000__Host-mailsync_sign_in={0}",
    "\x85__Host-mailsync_sign_in={0}",
    "\xa0__Host-mailsync_sign_in={0}",
    "__HOST-mailsync_sign_in={0}",
    "=__Host-mailsync_sign_in={0}",
    '__Host-mailsync_sign_in="{0}"',
    "x=y, __Host-mailsync_sign_in={0}",
]


@pytest.mark.parametrize("tossed", TOSSED)
def test_the_attackers_link_under_a_tossed_cookie_connects_nothing(
    attackers: SignIn, sql: Sql, tossed: str
) -> None:
    """Else the attacker would read the victim's mail: the victim agrees at Microsoft's own page."""
    cookie = tossed.format(attackers.cookies[0].partition("=")[2])

    assert refusal(attackers.come_back(attackers.consent(), cookies=(cookie,)), sql) == UNKNOWN


@pytest.mark.parametrize("public_url", ["https://api.example.org", "http://localhost:3000"])
@pytest.mark.parametrize("in_one_header", [True, False])
def test_two_cookies_of_the_sign_in_connect_nothing(
    *,
    api: Api,
    environment: pytest.MonkeyPatch,
    microsoft: Simulators,
    sql: Sql,
    public_url: str,
    in_one_header: bool,
) -> None:
    """A browser keeps one of a name; a second one was set for another domain or path."""
    environment.setenv("PUBLIC_URL", public_url)
    own, attackers = SignIn(api, microsoft), SignIn(api, microsoft, "mallory")
    both = (*attackers.cookies, *own.cookies)

    cookies = ("; ".join(both),) if in_one_header else both
    refused = own.come_back(attackers.consent(), cookies=cookies)

    assert refusal(refused, sql) == UNKNOWN
    assert "another site may have set one" in refused.json["detail"]
