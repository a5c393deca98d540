"""A sign-in: the application begins it, a person consents in a browser, the browser comes back."""

from collections.abc import Mapping
from ssl import create_default_context
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from localdev.simulators import Simulators
from tests.api.requests import Api, ApiResponse, Sql

BEGIN = "GET /api/auth/microsoft"
CALLBACK = "GET /api/auth/microsoft/callback"
INBOX = "https://app.example.org/inbox"
ANN, BO = "ann@example.org", "bo@example.org"
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NOTHING, ONE_OF_EACH = [[0, 0, 0]], [[1, 1, 1]]


class SignIn:
    """Begun for the user; `response` is what the application received."""

    def __init__(self, api: Api, microsoft: Simulators, user: str = "ann") -> None:
        self.response = api(BEGIN, user=user)
        self.url = str(self.response.json["authorizationUrl"])
        self.parameters = dict(parse_qsl(urlsplit(self.url).query))
        self.state = self.parameters["state"]
        self.cookies = tuple(each.split(";")[0] for each in self.response.cookies)
        self._api, self._microsoft = api, microsoft

    def consent(self, account: str = ANN, url: str | None = None) -> dict[str, str]:
        """Return the query with which Microsoft sends the browser back."""
        return self._choose(url or self.url, account=account)

    def decline(self) -> dict[str, str]:
        """Return the query of a person who does not consent."""
        return self._choose(self.url, decline="1")

    def come_back(self, query: Mapping[str, str], **parts: Any) -> ApiResponse:
        """Send this browser to the callback; `parts` are those of a request."""
        return self._api(CALLBACK, query=query, user=None, **{"cookies": self.cookies, **parts})

    def _choose(self, url: str, **choice: str) -> dict[str, str]:
        with httpx.Client(verify=create_default_context(cafile=self._microsoft.ca_bundle)) as page:
            location = page.post(url, data=choice).headers["location"]
        return dict(parse_qsl(urlsplit(location).query))


def sign_in(api: Api, microsoft: Simulators, account: str = ANN, user: str = "ann") -> ApiResponse:
    """Connect the mailbox for the user, from begin to callback."""
    begun = SignIn(api, microsoft, user)
    return begun.come_back(begun.consent(account))


def account_of(landed: ApiResponse) -> str:
    """Return the id of the account with which the browser comes to the inbox."""
    return landed.headers["Location"].removeprefix(f"{INBOX}?accountId=")


def stored(sql: Sql) -> list[list[int]]:
    """Count accounts, credentials and runs."""
    tables = ("email_accounts", "email_credentials", "sync_runs")
    return sql("SELECT " + ",".join(f"(SELECT count(*) FROM mailsync.{each})" for each in tables))


def refusal(response: ApiResponse, sql: Sql) -> tuple[int, str]:
    """Return the problem with which a request ended that has connected nothing."""
    assert stored(sql) == NOTHING
    return response.problem
