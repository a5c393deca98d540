"""Microsoft's consent page for a whole organisation ends at the callback of the sign-in."""

from ssl import create_default_context
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from localdev.simulators import CLIENT_ID, Simulators
from localdev.simulators.service import TENANT_ID
from tests.api.conftest import Ask, Sql
from tests.api.connecting import CALLBACK, INBOX, NOTHING, cookie_of, stored
from tests.api.requests import Answer

HTML = {"accept": "text/html,*/*"}


def agreed(identity: Simulators, **state: str) -> dict[str, str]:
    """The query with which the consent page sends an administrator back."""
    asked = {"client_id": CLIENT_ID, "redirect_uri": INBOX, "scope": "graph/.default", **state}
    with httpx.Client(verify=create_default_context(cafile=identity.ca_bundle)) as browser:
        page = f"{identity.authority}/v2.0/adminconsent"
        redirect = browser.get(page, params=asked).headers["location"]
    return dict(parse_qsl(urlsplit(redirect).query))


@pytest.mark.parametrize("of_a_sign_in", [False, True])
def test_an_administrator_who_agreed_is_told_so_and_connects_nothing(
    ask_connect: Ask, identity: Simulators, begun: Answer, sql: Sql, of_a_sign_in: bool
) -> None:
    """No sign-in was begun for it, and one that waits is left alone."""
    state = parse_qs(urlsplit(begun.json["authorizationUrl"]).query)["state"][0]
    query = agreed(identity, **{"state": state} if of_a_sign_in else {})
    cookies = cookie_of(begun)

    page = ask_connect(CALLBACK, query=query, cookies=cookies, headers=HTML, user=None)
    plain = ask_connect(CALLBACK, query=query, cookies=cookies, user=None)

    assert (query["admin_consent"], query["tenant"], "code" in query) == ("True", TENANT_ID, False)
    assert (page.status, plain.status, plain.json["success"]) == (200, 200, True)
    assert "an administrator gave consent" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert stored(sql) == NOTHING
    assert sql("SELECT count(*) FROM mailsync.sign_ins") == [[1]]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"error": "access_denied"}, "(access_denied)"),
        (
            {"error": "consent_required", "error_description": "AADSTS65004: <b>ann@example.org"},
            "(consent_required, AADSTS65004)",
        ),
        ({"error": "<script>"}, "(unknown_error)"),
    ],
)
def test_an_administrator_who_did_not_agree_is_told_that(
    ask_connect: Ask, sql: Sql, query: dict[str, str], named: str
) -> None:
    page = ask_connect(
        CALLBACK,
        query={**query, "admin_consent": "True"},
        headers=HTML,
        user=None,
    )

    assert page.status == 400
    assert named in page.text
    assert "has not agreed" in page.text
    assert not any(each in page.text for each in ("<b>", "<script", "ann@"))
    assert stored(sql) == NOTHING


def test_a_code_is_a_sign_in_though_an_administrator_agreed_on_the_way(
    ask_connect: Ask, begun: Answer, answer: dict[str, str]
) -> None:
    query = {**answer, "admin_consent": "True"}

    assert ask_connect(CALLBACK, query=query, cookies=cookie_of(begun), user=None).status == 302
