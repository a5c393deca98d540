"""Build response objects for the OpenAPI document. The response objects refer to schemas that the
module `openapi_schemas` defines."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from mailsync.api.caller import NOT_ADMIN_PROBLEM, NOT_SIGNED_IN_PROBLEM
from mailsync.api.openapi_schemas import make_schema_reference
from mailsync.api.problems import (
    BODY_TOO_LARGE_PROBLEM,
    MALFORMED_BODY_PROBLEM,
    PROBLEM_CONTENT_TYPE,
    UNEXPECTED_EXCEPTION_PROBLEM,
    UNSUPPORTED_CONTENT_TYPE_PROBLEM,
    exception_to_problem,
    make_invalid_field_problem,
    problem_to_json,
)
from mailsync.api.rate_limits import make_rate_limit_problem
from mailsync.errors import AccountNotConnected, AccountNotFound, ProviderRejected, StoreUnavailable

# Statuses that API Gateway itself returns, before it invokes a function or when that fails.
_GATEWAY_STATUSES = frozenset({401, 403, 413, 429, 500, 503})
_EXAMPLE_REQUEST_ID = "JKJaXmPLvHcESHA="
_EXAMPLES = (
    *(MALFORMED_BODY_PROBLEM, NOT_SIGNED_IN_PROBLEM, NOT_ADMIN_PROBLEM, BODY_TOO_LARGE_PROBLEM),
    *(
        UNSUPPORTED_CONTENT_TYPE_PROBLEM,
        make_invalid_field_problem("accountId"),
        make_rate_limit_problem(300, 12),
    ),
    exception_to_problem(AccountNotFound()),
    exception_to_problem(AccountNotConnected("The account is paused; resume it first.")),
    UNEXPECTED_EXCEPTION_PROBLEM,
    exception_to_problem(ProviderRejected()),
    exception_to_problem(StoreUnavailable("The database does not respond.")),
)
_EXAMPLE_BODIES = {
    each.http_status: problem_to_json(each, _EXAMPLE_REQUEST_ID) for each in _EXAMPLES
}
_HEADERS: Mapping[str, dict[str, Any]] = {
    "ETag": {"schema": {"type": "string"}, "description": "A value for If-None-Match."},
    "Location": {
        "schema": {"type": "string"},
        "description": "Where to go on, or the sync status.",
    },
    "Retry-After": {
        "schema": {"type": "integer"},
        "description": "Seconds to wait before the next call.",
    },
}


def describe_headers(*names: str) -> dict[str, Any]:
    """Return the value of `headers` in the OpenAPI document for a response that may have these
    headers."""
    return {name: _HEADERS[name] for name in names}


def describe_responses(
    successes: Mapping[int, type[BaseModel] | str | None], *problems: int, public: bool = False
) -> dict[int, Any]:
    """Return the response objects of a route for the OpenAPI document, by status.

    successes: for each successful status, the response model or the name of the response's schema.
        None: the response has no body.
    problems: error statuses that are special to this route. This function adds the error statuses
        that every route can return.
    public: whether the route needs no token. The result then has the statuses 401 and 403 only if
        `problems` contains them.
    """
    common = (429, 500, 503) if public else (401, 403, 429, 500, 503)
    described = {status: _success_response(status, model) for status, model in successes.items()}
    for status in sorted({*problems, *common}):
        described[status] = describe_problem_response(status, status != 403 or 403 in problems)
    return described


def describe_problem_response(status: int, is_from_function: bool = True) -> dict[str, Any]:
    """Return the response object of an error status for the OpenAPI document.

    An error status has the same schema on every route and for every media type, so that a generated
    client has one type for the status. Errors that API Gateway itself returns have the media type
    application/json.

    is_from_function: whether the Lambda function behind the route can return this status. False:
        only API Gateway returns it.
    """
    is_from_gateway = status in _GATEWAY_STATUSES
    schema = make_schema_reference("ProblemOrGatewayMessage" if is_from_gateway else "Problem")
    phrase, content = HTTPStatus(status).phrase, {}
    if is_from_function:
        content[PROBLEM_CONTENT_TYPE] = {"schema": schema, "example": _EXAMPLE_BODIES[status]}
    if is_from_gateway:
        content["application/json"] = {"schema": schema, "example": {"message": phrase}}
    headers = describe_headers("Retry-After") if status in (429, 503) else {}
    return {"description": phrase, "headers": headers, "content": content}


def _success_response(status: int, model: type[BaseModel] | str | None) -> dict[str, Any]:
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if status in (201, 302):
        described["headers"] = describe_headers("Location")
    if isinstance(model, str):
        described["content"] = {"application/json": {"schema": make_schema_reference(model)}}
    elif model is not None:
        described["content"] = {"application/json": {"model": model}}
    return described
