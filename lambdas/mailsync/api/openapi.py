"""Build the OpenAPI document of all public routes.

Powertools describes the routes of the Lambda function `api` from their models. The routes of
`connect` and `webhook` have no models, so this package describes them by hand. One path can have
operations of both kinds.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from mailsync.api import syncs
from mailsync.api.openapi_providers import IS_PUBLIC_OPERATION_KEY, describe_provider_paths
from mailsync.api.openapi_responses import describe_responses, problem_response
from mailsync.registry import RegisteredProvider
from mailsync.settings import load_settings

API_VERSION = "1.0.0"
OPENAPI_DOCUMENT_PATH = "/api/openapi.json"
_ABOUT = (
    "Connects mailboxes, starts their syncs and shows their status. Every error response of this"
    " API is a problem (RFC 9457) with a stable `type`. Errors of the API Gateway in front of it"
    " have the schema GatewayMessage."
)
_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "requestId"],
    "properties": {
        "type": {**_TEXT, "pattern": "^urn:mailsync:problem:[a-z-]+$"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "What happened and what to do, for people."},
        "requestId": _TEXT,
    },
}
_GATEWAY_MESSAGE = {
    "type": "object",
    "required": ["message"],
    "properties": {"message": _TEXT},
}
_ACCOUNT_REMOVED = {
    "type": "object",
    "required": ["success", "accountId", "status", "message"],
    "properties": {
        "success": {"const": True},
        "accountId": {**_TEXT, "format": "uuid"},
        "status": {"enum": ["disconnected", "purged", "purging"]},
        "message": _TEXT,
    },
}


def add_openapi_document_route(app: APIGatewayHttpResolver) -> None:
    """Add the route that returns the OpenAPI document; its first request builds the document."""

    @cache
    def text() -> str:
        return json.dumps(build_openapi_document(app, load_settings().enabled_providers()))

    @app.get(
        OPENAPI_DOCUMENT_PATH,
        summary="Return this document",
        responses=describe_responses({200: None}, public=True),
    )
    def openapi() -> Response[str]:
        return Response(200, APPLICATION_JSON, text())


def build_openapi_document(
    app: APIGatewayHttpResolver, providers: Iterable[RegisteredProvider]
) -> dict[str, Any]:
    """Return the OpenAPI document with the routes of all functions, including those that name one
    of `providers`."""
    generated = app.get_openapi_json_schema(
        title="Mailsync",
        version=API_VERSION,
        description=_ABOUT,
        security_schemes={"bearer": HTTPBearer(bearerFormat="JWT")},
        security=[{"bearer": []}],
    )
    described: dict[str, Any] = json.loads(generated)
    for path, operations in (_REMOVAL | describe_provider_paths(providers)).items():
        described["paths"].setdefault(path, {}).update(operations)
    for path, operations in described["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    schemas = described["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    schemas |= {"Problem": _PROBLEM, "GatewayMessage": _GATEWAY_MESSAGE}
    return described


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Complete one operation in place: remove responses that Powertools adds and this API never
    returns, and add response headers."""
    described = operation["responses"]
    for status, response in list(described.items()):
        if "ValidationError" in json.dumps(response):
            del described[status]
    described["500"] = problem_response(500)
    headers = {"302": "Location", "503": "Retry-After"}
    if path == syncs.SYNC_PATH:
        headers["202"] = "Location"
    for status in headers.keys() & described.keys():
        described[status]["headers"] = {headers[status]: {"schema": _TEXT}}
    if "304" in described:
        _describe_conditional_requests(operation)
    if path in (OPENAPI_DOCUMENT_PATH, "/api/health") or operation.pop(
        IS_PUBLIC_OPERATION_KEY, False
    ):
        operation["security"] = []
    if path == OPENAPI_DOCUMENT_PATH:
        described["200"]["content"] = {"application/json": {"schema": {"type": "object"}}}


def _describe_conditional_requests(operation: dict[str, Any]) -> None:
    """Add If-None-Match and ETag to the operation, and remove the body that Powertools describes
    for 304."""
    described = operation["responses"]
    described["304"]["content"] = {}
    for status in ("200", "304"):
        described[status]["headers"] = {name: {"schema": _TEXT} for name in ("ETag", "Retry-After")}
    description = "The ETag of an earlier response. The API returns 304 if nothing has changed."
    tag = {"name": "If-None-Match", "in": "header", "description": description, "schema": _TEXT}
    operation["parameters"].append({"required": False, **tag})


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _removal_responses() -> dict[str, Any]:
    described = describe_responses({200: None, 202: None}, 404, 422)
    for status in (200, 202):
        described[status]["content"] = _json(_ACCOUNT_REMOVED)
    return {str(status): response for status, response in described.items()}


_REMOVAL: dict[str, Any] = {
    "/api/email/accounts/{accountId}": {
        "delete": {
            "operationId": "remove_account",
            "summary": "Disconnect an account and keep or delete its mail",
            "description": "Ends the provider's notifications and deletes the account's tokens."
            " With data=keep its mail stays readable, and connecting the mailbox again resumes"
            " where the sync stopped. With data=purge the account and its mail are deleted: 200"
            " means that all is deleted, 202 that the rest is deleted in the background.",
            "parameters": [
                {
                    "name": "accountId",
                    "in": "path",
                    "required": True,
                    "schema": {**_TEXT, "format": "uuid"},
                },
                {
                    "name": "data",
                    "in": "query",
                    "required": False,
                    "schema": {"enum": ["keep", "purge"], "default": "keep"},
                },
            ],
            "responses": _removal_responses(),
        }
    },
}
