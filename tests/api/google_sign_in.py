"""A sign-in at the simulated Google: begun here, consented there, and the browser comes back."""

from collections.abc import Mapping
from ssl import create_default_context
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from localdev.simulators import Simulators
from tests.api.requests import ApiResponse
from tests.api.sign_in import ANN
from tests.api.test_provider_paths import ask

BEGIN, CALLBACK = "GET /api/auth/google", "GET /api/auth/google/callback"
READ_MAIL = "https://www.googleapis.com/auth/gmail.readonly"
REVOKED = "Token has been expired or revoked."


class GoogleSignIn:
    """Begun for the user. `response` is what the application received."""

    def __init__(self, google: Simulators, user: str = "ann") -> None:
        self.response = ask("connect", BEGIN, user=user)
        self.url = str(self.response.json["authorizationUrl"])
        self.parameters = dict(parse_qsl(urlsplit(self.url).query))
        self.state = self.parameters["state"]
        self._cookies = tuple(each.split(";")[0] for each in self.response.cookies)
        self._tls = create_default_context(cafile=google.ca_bundle)

    def choose(self, account: str = ANN, **choice: Any) -> httpx.Response:
        """Return Google's response to the form of its page; `choice` are further fields."""
        with httpx.Client(verify=self._tls) as page:
            return page.post(self.url, data={"account": account, **choice})

    def consent(self, account: str = ANN, **choice: Any) -> dict[str, str]:
        """Return the query with which Google sends the browser back."""
        location = self.choose(account, **choice).headers["location"]
        return dict(parse_qsl(urlsplit(location).query))

    def change(self, **parameters: str) -> None:
        """Change the authorize request, as if the application had sent another."""
        self.url = self.url.split("?")[0] + "?" + urlencode({**self.parameters, **parameters})

    def come_back(self, query: Mapping[str, str], **parts: Any) -> ApiResponse:
        """Send this browser to the callback."""
        return ask(
            "connect", CALLBACK, query=query, **{"user": None, "cookies": self._cookies, **parts}
        )


def sign_in(google: Simulators, account: str = ANN, user: str = "ann") -> ApiResponse:
    """Connect the Gmail mailbox for the user, from begin to callback."""
    begun = GoogleSignIn(google, user)
    return begun.come_back(begun.consent(account))
