"""Build the OpenAPI document of all public routes.

Powertools describes the routes of the Lambda function `api` from their models. The routes of
`connect` and `webhook` have no models, so this package describes them by hand. One path can have
operations of both kinds.
"""

import json
from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, Tag

from mailsync.api import syncs
from mailsync.api.openapi_providers import (
    MAILBOX_CONNECTION_OPERATIONS_TAG,
    TEMPORARY_PUBLIC_OPERATION_KEY,
    build_provider_path_items,
)
from mailsync.api.openapi_responses import (
    describe_headers,
    describe_problem_response,
    describe_responses,
)
from mailsync.api.openapi_schemas import add_missing_and_remove_unused_schemas
from mailsync.registry import RegisteredProvider

API_VERSION = "1.0.0"
OPENAPI_DOCUMENT_PATH = "/api/openapi.json"
_ABOUT = (
    "Connects mailboxes, starts their syncs and shows their status. Every error response of this"
    " API is a problem (RFC 9457) with a stable `type`. Errors of the API Gateway in front of it"
    " have the schema GatewayMessage."
)
_TAGS = {
    "/api/email/sync": Tag(name="Syncs", description="Start and stop syncs, and show progress."),
    "/api/email/accounts": Tag(name="Accounts", description="Connected mailboxes, their folders."),
    "/api/email/runs": Tag(name="Runs", description="The syncs of a mailbox so far."),
    "/api/auth/": Tag(name=MAILBOX_CONNECTION_OPERATIONS_TAG, description="Connect mailboxes."),
    "/api/webhooks/": Tag(name="Notifications", description="Only a provider calls these."),
    "/api/": Tag(name="Service", description="The self-test, the health and this document."),
}
"""The tag of each operation, by the beginning of the operation's path. The first beginning that
fits a path applies. Client generators use the tags as names of classes."""


def build_openapi_document(
    app: APIGatewayHttpResolver, providers: Iterable[RegisteredProvider]
) -> dict[str, Any]:
    """Return the OpenAPI document with the routes of all Lambda functions.

    app: the resolver with the routes of the Lambda function `api`.
    providers: the document contains the routes whose path names one of these providers.
    """
    generated = app.get_openapi_json_schema(
        title="Mailsync",
        version=API_VERSION,
        description=_ABOUT,
        security_schemes={"bearer": HTTPBearer(bearerFormat="JWT")},
        security=[{"bearer": []}],
        tags=[*_TAGS.values()],
    )
    described: dict[str, Any] = json.loads(generated)
    for path, operations in (_WITHOUT_PYDANTIC | build_provider_path_items(providers)).items():
        described["paths"].setdefault(path, {}).update(operations)
    for path, operations in described["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    add_missing_and_remove_unused_schemas(described)
    return described


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Complete one operation in place: remove responses that Powertools adds and this API never
    returns, and add response headers."""
    described = operation["responses"]
    for status, response in list(described.items()):
        if "ValidationError" in json.dumps(response):
            del described[status]
    described["500"] = describe_problem_response(500)
    tag = next(tag.name for start, tag in _TAGS.items() if path.startswith(start))
    operation.setdefault("tags", [tag])
    if path == syncs.SYNC_PATH and "202" in described:
        described["202"]["headers"] = describe_headers("Location")
    for parameter in operation.get("parameters", ()):
        _complete_parameter(parameter)
    if "304" in described:
        _describe_conditional_requests(operation)
    if path in (OPENAPI_DOCUMENT_PATH, "/api/health") or operation.pop(
        TEMPORARY_PUBLIC_OPERATION_KEY, False
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
        described[status]["headers"] = describe_headers("ETag", "Retry-After")
    description = "The ETag of an earlier response. The API returns 304 if nothing has changed."
    tag = {"name": "If-None-Match", "in": "header", "description": description}
    operation["parameters"].append({"required": False, **tag, "schema": {"type": "string"}})


def _complete_parameter(parameter: dict[str, Any]) -> None:
    """Complete one parameter in place. Write the name of a header with capital letters, as the
    documentation does. Remove null from the allowed values, because no URL and no header can
    contain null."""
    if parameter["in"] == "header":
        parameter["name"] = parameter["name"].title()
    schema = parameter["schema"]
    parameter["schema"] = next(iter(schema.get("anyOf", [schema])))


_ACCOUNT_ID_PARAMETER = {
    "name": "accountId",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
_WITHOUT_PYDANTIC: dict[str, Any] = {
    "/api/email/accounts/{accountId}/estimate": {
        "get": {
            "operationId": "estimate_first_sync",
            "summary": "Estimate the first sync of an account",
            "description": "Requests the number of messages from the mail provider and returns how"
            " long a first sync of all of them takes, how many requests it sends, and what it costs"
            " on AWS. It changes nothing and is allowed beside a running sync.",
            "parameters": [_ACCOUNT_ID_PARAMETER],
            "responses": {
                str(status): response
                for status, response in describe_responses(
                    {200: "FirstSyncEstimate"}, 404, 409, 422, 502
                ).items()
            },
        }
    },
    "/api/email/accounts/{accountId}": {
        "delete": {
            "operationId": "remove_account",
            "summary": "Disconnect an account and keep or delete its mail",
            "description": "Ends the provider's notifications and deletes the account's tokens."
            " With data=keep its mail stays readable, and connecting the mailbox again resumes"
            " where the sync stopped. With data=purge the account and its mail are deleted: 200"
            " means that all is deleted, 202 that the rest is deleted in the background.",
            "parameters": [
                _ACCOUNT_ID_PARAMETER,
                {
                    "name": "data",
                    "in": "query",
                    "required": False,
                    "schema": {"type": "string", "enum": ["keep", "purge"], "default": "keep"},
                },
            ],
            "responses": {
                str(status): response
                for status, response in describe_responses(
                    {200: "AccountRemoved", 202: "AccountRemoved"}, 404, 422
                ).items()
            },
        }
    },
}
