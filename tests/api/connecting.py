"""A person's browser and the application beside it, while a mailbox is connected."""

from collections.abc import Callable
from ssl import create_default_context
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from localdev.simulators import Simulators
from tests.api.requests import Answer

BEGIN = "GET /api/auth/microsoft"
CALLBACK = "GET /api/auth/microsoft/callback"
INBOX = "https://app.example.org/inbox"
NOTHING, ONE_OF_EACH = [[0, 0, 0]], [[1, 1, 1]]


def choose(identity: Simulators, begun: Answer, **choice: str) -> dict[str, str]:
    """What a person picks on the platform's page; the query that brings the browser back."""
    with httpx.Client(verify=create_default_context(cafile=identity.ca_bundle)) as browser:
        redirect = browser.post(begun.json["authorizationUrl"], data=choice)
    return dict(parse_qsl(urlsplit(redirect.headers["location"]).query))


def cookie_of(answer: Answer) -> tuple[str, ...]:
    """The cookie as the browser sends it back."""
    return tuple(each.split(";")[0] for each in answer.cookies)


def stored(sql: Callable[..., list[list[Any]]]) -> list[list[int]]:
    return sql(
        "SELECT (SELECT count(*) FROM mailsync.email_accounts),"
        " (SELECT count(*) FROM mailsync.email_credentials),"
        " (SELECT count(*) FROM mailsync.sync_runs)"
    )
