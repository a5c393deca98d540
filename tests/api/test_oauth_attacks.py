"""Attacks on the sign-in (RFC 6819, RFC 9700); each ends with nothing stored.

The attacker is a user of the same application: he can begin sign-ins of his own, sees their
links and cookies, and can make the victim's browser open any address.
"""

from ssl import create_default_context
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from localdev.simulators import CLIENT_ID, CLIENT_SECRET, Simulators
from tests.api.conftest import Ask, Sql
from tests.api.connecting import (
    BEGIN,
    CALLBACK,
    INBOX,
    NOTHING,
    ONE_OF_EACH,
    choose,
    cookie_of,
    stored,
)
from tests.api.requests import Answer

MARKUP = "<img src=x onerror=alert(1)> ann@example.org"
ELSEWHERE = [
    "https://evil.example",
    "http://app.example.org/inbox",
    "javascript:alert(1)//https://app.example.org/inbox",
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
def ask(ask_connect: Ask) -> Ask:
    return ask_connect


def kind(answer: Answer) -> str:
    return str(answer.json["type"]).removeprefix("urn:mailsync:problem:")


def redeemed(identity: Simulators, form: dict[str, str]) -> httpx.Response:
    """The token endpoint, asked by somebody who knows even the app's secret."""
    app = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    with httpx.Client(verify=create_default_context(cafile=identity.ca_bundle)) as client:
        url = f"{identity.authority}/oauth2/v2.0/token"
        return client.post(url, data={**app, "grant_type": "authorization_code", **form})


def test_a_callback_that_is_replayed_connects_nothing_more(
    ask: Ask, begun: Answer, answer: dict[str, str], connected: Answer, sql: Sql
) -> None:
    sql("DELETE FROM mailsync.email_accounts")

    replayed = ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None)

    assert (connected.status, replayed.status, kind(replayed)) == (302, 403, "sign-in-unknown")
    assert stored(sql) == NOTHING


def test_the_attackers_answer_in_the_victims_browser_connects_nothing(
    ask: Ask, begun: Answer, identity: Simulators, sql: Sql
) -> None:
    """Login CSRF: else the victim would work in the attacker's mailbox, or he in the victim's."""
    attackers = choose(identity, ask(BEGIN, user="mallory"), account="bo@example.org")

    refused = ask(CALLBACK, query=attackers, cookies=cookie_of(begun), user=None)

    assert (refused.status, kind(refused)) == (403, "sign-in-unknown")
    assert stored(sql) == NOTHING


def test_a_callback_without_a_cookie_or_with_another_ones_connects_nothing(
    ask: Ask, answer: dict[str, str], sql: Sql
) -> None:
    other = cookie_of(ask(BEGIN, user="mallory"))
    guesses = [(f"__Host-mailsync_sign_in={each}",) for each in ("", "guess")]
    cookies = [(), *guesses, other]

    refused = [ask(CALLBACK, query=answer, cookies=each, user=None) for each in cookies]

    assert [each.status for each in refused] == [403] * len(cookies)
    assert stored(sql) == NOTHING


def test_a_stolen_code_in_the_attackers_own_sign_in_connects_nothing(
    ask: Ask, answer: dict[str, str], identity: Simulators, sql: Sql
) -> None:
    """Code injection: state and cookie are the attacker's, only PKCE and the nonce are not."""
    begun = ask(BEGIN, user="mallory")
    own = choose(identity, begun, account="bo@example.org")
    query = {**own, "code": answer["code"]}

    refused = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert (refused.status, kind(refused)) == (400, "sign-in-refused")
    assert "AADSTS501481" in refused.json["detail"]
    assert stored(sql) == NOTHING


def test_a_tampered_code_connects_nothing_and_uses_the_sign_in_up(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    tampered = answer | {"code": answer["code"][:-3] + "xyz"}

    refused = ask(CALLBACK, query=tampered, cookies=cookie_of(begun), user=None)
    again = ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None)

    assert (refused.status, kind(refused), again.status) == (400, "sign-in-refused", 403)
    assert stored(sql) == NOTHING


def test_no_return_address_but_the_inbox_is_taken(ask: Ask, sql: Sql) -> None:
    answers = [ask(BEGIN, query={"returnTo": each}) for each in ELSEWHERE]

    assert {(each.status, kind(each)) for each in answers} == {(400, "return-to-not-allowed")}
    assert sql("SELECT count(*) FROM mailsync.sign_ins") == [[0]]


def test_a_callback_cannot_choose_where_it_leads(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    query = {**answer, "returnTo": "https://evil.example", "redirect_uri": "https://evil.example"}

    landed = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert landed.headers["Location"].startswith(f"{INBOX}?accountId=")
    assert "evil" not in str(landed)
    assert stored(sql) == ONE_OF_EACH


@pytest.mark.parametrize("issuer", ["https://evil.example/common/v2.0", "", "https://[evil"])
def test_an_answer_of_another_platform_connects_nothing(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql, issuer: str
) -> None:
    """Mix-up: the code would be shown to a platform that did not issue it (RFC 9207)."""
    query = {**answer, "iss": issuer}

    refused = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert (refused.status, kind(refused)) == (400, "sign-in-refused")
    assert stored(sql) == NOTHING


def test_the_platforms_own_name_is_let_in(
    ask: Ask, begun: Answer, answer: dict[str, str], identity: Simulators
) -> None:
    query = {**answer, "iss": f"{identity.authority}/v2.0"}

    assert ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None).status == 302


def test_a_code_is_worth_nothing_without_its_verifier(
    answer: dict[str, str], begun: Answer, identity: Simulators, sql: Sql
) -> None:
    asked = parse_qs(urlsplit(begun.json["authorizationUrl"]).query)
    form = {"code": answer["code"], "redirect_uri": asked["redirect_uri"][0]}

    refused = redeemed(identity, form)

    assert asked["code_challenge_method"] == ["S256"]
    assert (refused.status_code, refused.json()["error_codes"]) == (400, [501481])
    assert stored(sql) == NOTHING


def test_a_challenge_taken_out_of_the_link_makes_the_sign_in_fail(
    ask: Ask, begun: Answer, identity: Simulators, sql: Sql
) -> None:
    """PKCE downgrade: the code of such a link would work for whoever gets hold of it."""
    url = urlsplit(begun.json["authorizationUrl"])
    asked = {name: value[0] for name, value in parse_qs(url.query).items()}
    stripped = {name: each for name, each in asked.items() if "challenge" not in name}
    link = url._replace(query=urlencode(stripped)).geturl()
    weak = Answer(200, {}, f'{{"authorizationUrl": "{link}"}}')

    query = choose(identity, weak, account="ann@example.org")
    refused = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert (refused.status, kind(refused)) == (400, "sign-in-refused")
    assert stored(sql) == NOTHING


@pytest.mark.parametrize("error", ["access_denied", MARKUP])
def test_what_an_injected_error_says_is_shown_to_nobody(
    ask: Ask, begun: Answer, sql: Sql, error: str
) -> None:
    state = parse_qs(urlsplit(begun.json["authorizationUrl"]).query)["state"][0]
    query = {"state": state, "error": error, "error_description": f"AADSTS65004: {MARKUP}"}
    browser = {"accept": "text/html"}

    ended = ask(CALLBACK, query=query, cookies=cookie_of(begun), headers=browser, user=None)

    assert ended.status == 302
    location = ended.headers["Location"]
    assert location.startswith(f"{INBOX}?error=access_denied&error_description=")
    assert "AADSTS65004" in location
    assert not [each for each in ("img", "onerror", "ann%40", "ann@") if each in location]
    assert stored(sql) == NOTHING


def values(answer: Answer) -> str:
    """The value of the sign-in's cookie, which its own browser shows to an attacker."""
    return cookie_of(answer)[0].partition("=")[2]


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
def test_a_victim_who_opens_the_attackers_link_under_a_tossed_cookie_connects_nothing(
    ask: Ask, identity: Simulators, sql: Sql, tossed: str
) -> None:
    """Else the attacker would read the victim's mail: the victim agrees at Microsoft's own page."""
    attackers = ask(BEGIN, user="mallory")
    victims = choose(identity, attackers, account="ann@example.org")
    cookies = (tossed.format(values(attackers)),)

    refused = ask(CALLBACK, query=victims, cookies=cookies, user=None)

    assert (refused.status, kind(refused)) == (403, "sign-in-unknown")
    assert stored(sql) == NOTHING


@pytest.mark.parametrize("public_url", ["https://api.example.org", "http://localhost:3000"])
@pytest.mark.parametrize("in_one_header", [True, False])
def test_two_cookies_of_the_sign_in_connect_nothing(
    *,
    ask: Ask,
    environment: pytest.MonkeyPatch,
    identity: Simulators,
    sql: Sql,
    public_url: str,
    in_one_header: bool,
) -> None:
    """A browser keeps one of a name; a second one was set for another domain or path."""
    environment.setenv("PUBLIC_URL", public_url)
    own, attackers = ask(BEGIN), ask(BEGIN, user="mallory")
    victims = choose(identity, attackers, account="ann@example.org")
    both = (*cookie_of(attackers), *cookie_of(own))

    cookies = ("; ".join(both),) if in_one_header else both
    refused = ask(CALLBACK, query=victims, cookies=cookies, user=None)

    assert (refused.status, kind(refused)) == (403, "sign-in-unknown")
    assert "another site may have set one" in refused.json["detail"]
    assert stored(sql) == NOTHING


def test_other_cookies_of_the_host_do_not_matter(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    cookies = ("session=a; theme=dark", "mailsync_sign_in=tossed", *cookie_of(begun))

    landed = ask(CALLBACK, query=answer, cookies=cookies, user=None)

    assert landed.headers["Location"].startswith(f"{INBOX}?accountId=")
    assert stored(sql) == ONE_OF_EACH
