"""Build response objects for the OpenAPI document. The module `openapi` defines the schemas to
which they refer."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from mailsync.api.problems import PROBLEM_CONTENT_TYPE

PROBLEM_SCHEMA = {"$ref": "#/components/schemas/Problem"}
GATEWAY_MESSAGE_SCHEMA = {"$ref": "#/components/schemas/GatewayMessage"}
# Statuses that API Gateway itself returns, before it invokes a function or when that fails.
_GATEWAY_STATUSES = frozenset({401, 403, 413, 429, 500, 503})


def describe_responses(
    successes: Mapping[int, type[BaseModel] | None], *problems: int, public: bool = False
) -> dict[int, Any]:
    """Return the response objects of a route for the OpenAPI document, by status.

    successes: response model of each successful status. None as model: the response has no body.
    problems: error statuses of this route; those that every route can return are added.
    public: whether the route needs no token, so that it never returns 401 or 403.
    """
    common = (429, 500, 503) if public else (401, 403, 429, 500, 503)
    described = {status: _success_response(status, model) for status, model in successes.items()}
    return described | {status: problem_response(status) for status in sorted({*problems, *common})}


def problem_response(status: int) -> dict[str, Any]:
    """Return the response object of an error status, with the media types of the function's and of
    API Gateway's own errors."""
    content = {}
    if status != 403:
        content[PROBLEM_CONTENT_TYPE] = {"schema": PROBLEM_SCHEMA}
    if status in _GATEWAY_STATUSES:
        content["application/json"] = {"schema": GATEWAY_MESSAGE_SCHEMA}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _success_response(status: int, model: type[BaseModel] | None) -> dict[str, Any]:
    described: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if model is not None:
        described["content"] = {"application/json": {"model": model}}
    return described
