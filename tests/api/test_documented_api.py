"""The API against its own OpenAPI document: Schemathesis sends, the API server responds.

Schemathesis is loaded here and not on import: every process of a test run collects every test, and
one of them runs these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.catalog import ROUTES
from localdev.simulators.service import ORGANISATION_TENANT_ID
from tests.api.api_server import ApiServer

if TYPE_CHECKING:
    import schemathesis
    from schemathesis.schemas import APIOperation
    from schemathesis.specs.openapi.schemas import OpenApiSchema

pytestmark = pytest.mark.xdist_group("api_server")

GOOD = {
    "POST /api/email/accounts/imap": (422,),  # the stage does not connect to the server
    "POST /api/email/accounts/microsoft": (201,),
    "GET /api/email/accounts/{accountId}/estimate": (409,),  # the account has no tokens
    "GET /api/auth/microsoft": (302,),
    "GET /api/auth/microsoft/callback": (302,),  # with an error: no sign-in was begun
    "POST /api/auth/microsoft/confirm": (404,),  # none waits
    "GET /api/auth/google": (302,),
    "GET /api/auth/google/callback": (302,),
    "POST /api/auth/google/confirm": (404,),
}
BRIEFLY = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def document(server: ApiServer) -> OpenApiSchema:
    import schemathesis
    from schemathesis.config import SchemathesisConfig

    published = httpx.get(f"{server.url}/api/openapi.json", timeout=30).raise_for_status().json()
    config = SchemathesisConfig.from_dict({"base-url": server.url})
    return schemathesis.openapi.from_dict(published, config=config)


@pytest.mark.parametrize("route", sorted(each.route_key for each in ROUTES))
def test_all_responses_are_documented_and_a_good_request_succeeds(
    server: ApiServer, document: OpenApiSchema, route: str
) -> None:
    """About invented accounts, and as often about an own one; as an administrator."""
    method, path = route.split(" ")
    headers = {"Authorization": server.token(mailsync_admin=True)}
    statuses: set[int] = set()
    own = dict(zip(("accountId", "runId"), server.account("ann"), strict=True))
    own |= {"tenantId": ORGANISATION_TENANT_ID, "emailAddress": "ann@example.org"}

    @BRIEFLY
    @given(case=cases(document[path][method]), is_own=st.booleans())
    def send(case: schemathesis.Case[Any], is_own: bool) -> None:
        for place in (case.path_parameters, case.query, case.body) if is_own else ():
            if isinstance(place, dict):
                place.update({name: own[name] for name in own.keys() & place.keys()})
        response = case.call_and_validate(headers=headers, checks=checks(), allow_redirects=False)
        statuses.add(response.status_code)

    send()
    assert statuses
    # Else all of these might be refusals.
    good = server.send(route, headers["Authorization"], *server.account("ann"))
    document[path][method].validate_response(good)
    assert good.status_code in GOOD.get(route, (200, 202))


def checks() -> list[Any]:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    return [
        not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_headers_conformance,
        checks.response_schema_conformance,
    ]


def cases(operation: APIOperation[Any, Any, Any, Any]) -> st.SearchStrategy[schemathesis.Case[Any]]:
    """Requests as documented, and others; an operation that takes nothing has only the former."""
    from schemathesis.generation import GenerationMode

    good = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not any(operation.iter_parameters()) and not operation.body:
        return good
    return good | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
