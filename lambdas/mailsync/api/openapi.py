"""The OpenAPI document of all public routes.

Powertools describes the routes of the function `api` from their models. The routes of `connect`
and `webhook` have no models and are described here. A path can have operations of both.
"""

import json
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from mailsync.api import syncs
from mailsync.api.openapi_responses import PROBLEM_SCHEMA, describe_responses, problem_response
from mailsync.api.problems import PROBLEM_CONTENT_TYPE

API_VERSION = "1.0.0"
DOCUMENT_PATH = "/api/openapi.json"
WEBHOOK_PATH = "/api/webhooks/microsoft"
PUBLIC_PATHS = (DOCUMENT_PATH, "/api/health", "/api/auth/microsoft/callback", WEBHOOK_PATH)
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
_PAGE = {"schema": _TEXT}
_NOTICE = {
    "type": "object",
    "required": ["success", "message"],
    "properties": {"success": {"const": True}, "message": _TEXT},
}
_MAILBOX_REQUEST = {
    "type": "object",
    "required": ["tenantId", "emailAddress"],
    "properties": {
        "tenantId": {**_TEXT, "format": "uuid"},
        "emailAddress": _TEXT,
        "userId": {
            **_TEXT,
            "description": "The user who will own the account. Default: the caller.",
        },
    },
}
_CONFIRMATION = {
    "type": "object",
    "required": ["connection"],
    "properties": {
        "connection": {
            **_TEXT,
            "description": "The query parameter `connection` of the redirect to the inbox.",
        }
    },
}
_MAILBOX_CONNECTED = {
    "type": "object",
    "required": ["success", "accountId", "emailAddress", "runId", "statusUrl"],
    "properties": {
        "success": {"const": True},
        "accountId": {**_TEXT, "format": "uuid"},
        "emailAddress": _TEXT,
        "runId": _TEXT,
        "statusUrl": _TEXT,
    },
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


def add_document_route(app: APIGatewayHttpResolver) -> None:
    """Add the route that returns the document; the first request builds the document."""

    @cache
    def text() -> str:
        return json.dumps(build_document(app))

    @app.get(
        DOCUMENT_PATH,
        summary="Return this document",
        responses=describe_responses({200: None}, public=True),
    )
    def openapi() -> Response[str]:
        return Response(200, APPLICATION_JSON, text())


def build_document(app: APIGatewayHttpResolver) -> dict[str, Any]:
    """Return the OpenAPI document with the routes of all functions."""
    generated = app.get_openapi_json_schema(
        title="Mailsync",
        version=API_VERSION,
        description=_ABOUT,
        security_schemes={"bearer": HTTPBearer(bearerFormat="JWT")},
        security=[{"bearer": []}],
    )
    described: dict[str, Any] = json.loads(generated)
    for path, operations in (_CONNECT | _WEBHOOKS).items():
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
    """Remove responses that Powertools adds and this API never returns; add response headers."""
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
    if path in PUBLIC_PATHS:
        operation["security"] = []
    if path == DOCUMENT_PATH:
        described["200"]["content"] = {"application/json": {"schema": {"type": "object"}}}


def _describe_conditional_requests(operation: dict[str, Any]) -> None:
    """Add If-None-Match and ETag, and remove the body of 304 that Powertools describes."""
    described = operation["responses"]
    described["304"]["content"] = {}
    for status in ("200", "304"):
        described[status]["headers"] = {name: {"schema": _TEXT} for name in ("ETag", "Retry-After")}
    description = "The ETag of an earlier response. The API returns 304 if nothing has changed."
    tag = {"name": "If-None-Match", "in": "header", "description": description, "schema": _TEXT}
    operation["parameters"].append({"required": False, **tag})


def _query_parameter(name: str, description: str) -> dict[str, Any]:
    described = {"description": description, "required": False, "schema": _TEXT}
    return {"name": name, "in": "query", **described}


def _sign_in_responses(*statuses: int, public: bool = False) -> dict[str, Any]:
    """Return the responses of a sign-in route; errors are pages for clients that accept HTML."""
    described = describe_responses({}, *statuses, public=public)
    for status in (*statuses, 500, 503):
        described[status]["content"] |= {
            PROBLEM_CONTENT_TYPE: {"schema": PROBLEM_SCHEMA},
            "text/html": _PAGE,
        }
    return {
        "302": {"description": "Found"},
        **{str(status): response for status, response in described.items()},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _organisation_responses() -> dict[str, Any]:
    described = describe_responses({201: None}, 400, 403, 409, 413, 422, 502)
    described[201] |= {
        "content": _json(_MAILBOX_CONNECTED),
        "headers": {"Location": {"schema": _TEXT}},
    }
    described[403]["content"] |= {PROBLEM_CONTENT_TYPE: {"schema": PROBLEM_SCHEMA}}
    return {str(status): response for status, response in described.items()}


def _confirmation_responses() -> dict[str, Any]:
    described = describe_responses({201: None}, 400, 404, 413, 422)
    described[201] |= {
        "content": _json(_MAILBOX_CONNECTED),
        "headers": {"Location": {"schema": _TEXT}},
    }
    return {str(status): response for status, response in described.items()}


def _removal_responses() -> dict[str, Any]:
    described = describe_responses({200: None, 202: None}, 404, 422)
    for status in (200, 202):
        described[status]["content"] = _json(_ACCOUNT_REMOVED)
    return {str(status): response for status, response in described.items()}


def _webhook_responses() -> dict[str, Any]:
    described = describe_responses({200: None, 202: None}, 400, 413, public=True)
    for status in (200, 202):
        described[status]["content"] = {"text/plain": {"schema": _TEXT}}
    return {str(status): response for status, response in described.items()}


_WEBHOOKS: dict[str, Any] = {
    WEBHOOK_PATH: {
        "post": {
            "operationId": "notify_of_changes",
            "summary": "Receive change notifications of Microsoft Graph",
            "description": "Microsoft calls this route. A notification makes its mailbox due. The"
            " validation request of a new subscription gets its token back. A notification without"
            " the secret of a subscription has no effect and gets the same response.",
            "parameters": [
                _query_parameter(
                    "validationToken", "The token of a validation request. The response repeats it."
                )
            ],
            "requestBody": {
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["value"],
                            "properties": {"value": {"type": "array", "items": {}}},
                        }
                    }
                }
            },
            "responses": _webhook_responses(),
        }
    },
}
_CONNECT: dict[str, Any] = {
    "/api/auth/microsoft": {
        "get": {
            "operationId": "begin_sign_in",
            "summary": "Start the sign-in that connects a mailbox of Microsoft 365",
            "description": "Redirects the browser to Microsoft. A request that accepts"
            " application/json gets the URL in the body instead.",
            "parameters": [
                _query_parameter("returnTo", "Optional; only the value of APP_INBOX_URL is valid.")
            ],
            "responses": {
                "200": {
                    "description": "OK",
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "required": ["authorizationUrl"],
                                "properties": {"authorizationUrl": _TEXT},
                            }
                        }
                    },
                },
                **_sign_in_responses(400, 502),
            },
        }
    },
    "/api/auth/microsoft/callback": {
        "get": {
            "operationId": "finish_sign_in",
            "summary": "Finish the sign-in; Microsoft redirects the browser to this route",
            "description": "Connects the mailbox, starts its first sync and redirects to the inbox"
            " of the application with the query parameter `accountId`. In a stage with"
            " `confirm_connections` no mailbox is connected yet, and the parameter is `connection`."
            " A failed sign-in redirects with `error` and `error_description`, unless the request"
            " accepts only JSON. An administrator who gave consent for an organisation gets a page"
            " (200); no mailbox is connected.",
            "parameters": [
                _query_parameter("state", "The state that the sign-in sent to Microsoft."),
                _query_parameter("code", "The authorization code, if access was granted."),
                _query_parameter("error", "The OAuth error code, if access was not granted."),
                _query_parameter("admin_consent", "Set at the end of an admin consent."),
            ],
            "responses": {
                "200": {"description": "OK", "content": _json(_NOTICE) | {"text/html": _PAGE}},
                **_sign_in_responses(400, 403, 502, public=True),
            },
        }
    },
    "/api/auth/microsoft/confirm": {
        "post": {
            "operationId": "confirm_connection",
            "summary": "Confirm a mailbox after a sign-in of the caller",
            "description": "Connects the mailbox and starts its first sync, in a stage with"
            " `confirm_connections`. A connection is valid once and for ten minutes. If another"
            " user started it, it is deleted and the response is 404.",
            "requestBody": {"required": True, "content": _json(_CONFIRMATION)},
            "responses": _confirmation_responses(),
        }
    },
    "/api/email/accounts/microsoft": {
        "post": {
            "operationId": "connect_organisation_mailbox",
            "summary": "Connect a mailbox with the consent of its organisation",
            "description": "Stores the account and starts its first sync. The caller must be an"
            " administrator of the application, and MICROSOFT_TENANTS must list the organisation.",
            "requestBody": {"required": True, "content": _json(_MAILBOX_REQUEST)},
            "responses": _organisation_responses(),
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
