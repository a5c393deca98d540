"""Graph as a savepoints client uses it: rounds followed link by link."""

from ssl import create_default_context
from typing import Any

import httpx

from localdev.simulators import CLIENT_ID, CLIENT_SECRET, Simulators
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.service import ORGANISATION_TENANT_ID

IMMUTABLE = 'IdType="ImmutableId"'
INBOX_DELTA = "/me/mailFolders/inbox/messages/delta"
Json = dict[str, Any]


def graph_client(simulators: Simulators, mailbox: Mailbox, **headers: str) -> httpx.Client:
    bearer = f"Bearer {simulators.issue_microsoft_access_token(mailbox)}"
    return httpx.Client(
        base_url=simulators.graph_url,
        headers={"Authorization": bearer, **headers},
        trust_env=False,
        timeout=20,
    )


def app_client(simulators: Simulators) -> httpx.Client:
    """The application without a user, by its own token."""
    trust = create_default_context(cafile=simulators.ca_bundle)
    answer = httpx.post(
        f"{simulators.entra.base_url}/{ORGANISATION_TENANT_ID}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": f"{simulators.graph_http_origin}/.default",
        },
        verify=trust,
    )
    return httpx.Client(
        base_url=simulators.graph_url,
        headers={"Authorization": f"Bearer {answer.json()['access_token']}", "Prefer": IMMUTABLE},
        trust_env=False,
        timeout=20,
    )


def delta_round(graph: httpx.Client, link: str, **headers: str) -> tuple[list[Json], str]:
    """All objects of a round and its deltaLink."""
    objects: list[Json] = []
    while True:
        response = graph.get(link, headers=headers)
        assert response.status_code == 200, response.text
        page = response.json()
        objects += page["value"]
        if "@odata.deltaLink" in page:
            return objects, page["@odata.deltaLink"]
        link = page["@odata.nextLink"]


def error_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]
