"""Microsoft's consent page for a whole organisation ends at the callback of the sign-in."""

from ssl import create_default_context
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from localdev.simulators import CLIENT_ID, Simulators
from localdev.simulators.service import ORGANISATION_TENANT_ID
from tests.api.requests import Api, Sql
from tests.api.sign_in import BROWSER, CALLBACK, INBOX, NOTHING, SignIn, stored


def agreed(microsoft: Simulators, **state: str) -> dict[str, str]:
    """The query with which the consent page sends an administrator back."""
    query = {"client_id": CLIENT_ID, "redirect_uri": INBOX, "scope": "graph/.default", **state}
    with httpx.Client(verify=create_default_context(cafile=microsoft.ca_bundle)) as browser:
        page = browser.get(f"{microsoft.entra_authority_url}/v2.0/adminconsent", params=query)
    return dict(parse_qsl(urlsplit(page.headers["location"]).query))


@pytest.mark.parametrize("of_a_sign_in", [False, True])
def test_an_administrator_who_agreed_reads_that_and_connects_nothing(
    microsoft: Simulators, begun: SignIn, sql: Sql, of_a_sign_in: bool
) -> None:
    """No sign-in was begun for it, and one that waits is left alone."""
    query = agreed(microsoft, **{"state": begun.state} if of_a_sign_in else {})

    page, plain = begun.come_back(query, headers=BROWSER), begun.come_back(query)

    assert (query["admin_consent"], query["tenant"], "code" in query) == (
        "True",
        ORGANISATION_TENANT_ID,
        False,
    )
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
def test_an_administrator_who_did_not_agree_reads_that(
    api: Api, sql: Sql, query: dict[str, str], named: str
) -> None:
    query = {**query, "admin_consent": "True"}

    page = api(CALLBACK, query=query, headers=BROWSER, user=None)

    assert page.status == 400
    assert named in page.text
    assert "has not agreed" in page.text
    assert not any(each in page.text for each in ("<b>", "<script", "ann@"))
    assert stored(sql) == NOTHING


def test_a_code_is_a_sign_in_though_an_administrator_agreed_on_the_way(
    begun: SignIn, consent: dict[str, str]
) -> None:
    assert begun.come_back({**consent, "admin_consent": "True"}).status == 302
