"""The OpenAPI document of every route that a client calls, also those of other functions.

The routes of the function `api` are described by their own models; those of `connect`
and `webhook`, which do without models, are described here. A path may have some of each.
"""

import json
from functools import cache
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer

from mailsync.api import syncs
from mailsync.api.openapi_responses import PROBLEM_SCHEMA, problem_response, responses
from mailsync.api.problems import PROBLEM_CONTENT_TYPE

API_VERSION = "1.0.0"
DOCUMENT_PATH = "/api/openapi.json"
WEBHOOK_PATH = "/api/webhooks/microsoft"
PUBLIC_PATHS = (DOCUMENT_PATH, "/api/health", "/api/auth/microsoft/callback", WEBHOOK_PATH)
_ABOUT = (
    "Starts and shows syncs of mailboxes. Every answer of this API that is an error is a problem"
    " (RFC 9457) with a stable `type`; the gateway in front of it answers in its own words."
)
_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "requestId"],
    "properties": {
        "type": {**_TEXT, "pattern": "^urn:mailsync:problem:[a-z-]+$"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "One sentence that says what to do."},
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
_MAILBOX_WANTED = {
    "type": "object",
    "required": ["tenantId", "emailAddress"],
    "properties": {
        "tenantId": {**_TEXT, "format": "uuid"},
        "emailAddress": _TEXT,
        "userId": {**_TEXT, "description": "For whom; the caller when it is left out."},
    },
}
_CONFIRMATION = {
    "type": "object",
    "required": ["connection"],
    "properties": {
        "connection": {**_TEXT, "description": "As it stood behind the inbox's address."}
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
    """Adds the route of the document; it is made when it is first asked for."""

    @cache
    def text() -> str:
        return json.dumps(build_document(app))

    @app.get(DOCUMENT_PATH, summary="This document", responses=responses({200: None}, public=True))
    def openapi() -> Response[str]:
        return Response(200, APPLICATION_JSON, text())


def build_document(app: APIGatewayHttpResolver) -> dict[str, Any]:
    made = app.get_openapi_json_schema(
        title="Mailsync",
        version=API_VERSION,
        description=_ABOUT,
        security_schemes={"bearer": HTTPBearer(bearerFormat="JWT")},
        security=[{"bearer": []}],
    )
    described: dict[str, Any] = json.loads(made)
    for path, operations in (_CONNECT | _WEBHOOKS).items():
        described["paths"].setdefault(path, {}).update(operations)
    for path, operations in described["paths"].items():
        for operation in operations.values():
            _finish(path, operation)
    schemas = described["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(name, None)
    schemas |= {"Problem": _PROBLEM, "GatewayMessage": _GATEWAY_MESSAGE}
    return described


def _finish(path: str, operation: dict[str, Any]) -> None:
    """Powertools adds answers in its own form that this API never gives."""
    said = operation["responses"]
    for status, answer in list(said.items()):
        if "ValidationError" in json.dumps(answer):
            del said[status]
    said["500"] = problem_response(500)
    headers = {"302": "Location", "503": "Retry-After"}
    if path == syncs.SYNC_PATH:
        headers["202"] = "Location"
    for status in headers.keys() & said.keys():
        said[status]["headers"] = {headers[status]: {"schema": _TEXT}}
    if "304" in said:
        _tell_pollers(operation)
    if path in PUBLIC_PATHS:
        operation["security"] = []
    if path == DOCUMENT_PATH:
        said["200"]["content"] = {"application/json": {"schema": {"type": "object"}}}


def _tell_pollers(operation: dict[str, Any]) -> None:
    """A 304 has no body; Powertools would give it that of the 200."""
    said = operation["responses"]
    said["304"]["content"] = {}
    for status in ("200", "304"):
        said[status]["headers"] = {name: {"schema": _TEXT} for name in ("ETag", "Retry-After")}
    about = "The ETag of an earlier answer; 304 when that is still the answer."
    tag = {"name": "If-None-Match", "in": "header", "description": about, "schema": _TEXT}
    operation["parameters"].append({"required": False, **tag})


def _query(name: str, about: str) -> dict[str, Any]:
    described = {"description": about, "required": False, "schema": _TEXT}
    return {"name": name, "in": "query", **described}


def _connect_answers(*statuses: int, public: bool = False) -> dict[str, Any]:
    """A browser, which accepts HTML, is shown the same as a page."""
    said = responses({}, *statuses, public=public)
    for status in (*statuses, 500, 503):
        said[status]["content"] |= {
            PROBLEM_CONTENT_TYPE: {"schema": PROBLEM_SCHEMA},
            "text/html": _PAGE,
        }
    return {"302": {"description": "Found"}, **{str(key): each for key, each in said.items()}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _organisation_answers() -> dict[str, Any]:
    said = responses({201: None}, 400, 403, 409, 413, 422, 502)
    said[201] |= {"content": _json(_MAILBOX_CONNECTED), "headers": {"Location": {"schema": _TEXT}}}
    said[403]["content"] |= {PROBLEM_CONTENT_TYPE: {"schema": PROBLEM_SCHEMA}}
    return {str(key): each for key, each in said.items()}


def _confirmation_answers() -> dict[str, Any]:
    said = responses({201: None}, 400, 404, 413, 422)
    said[201] |= {"content": _json(_MAILBOX_CONNECTED), "headers": {"Location": {"schema": _TEXT}}}
    return {str(key): each for key, each in said.items()}


def _removal_answers() -> dict[str, Any]:
    said = responses({200: None, 202: None}, 404, 422)
    for status in (200, 202):
        said[status]["content"] = _json(_ACCOUNT_REMOVED)
    return {str(key): each for key, each in said.items()}


def _webhook_answers() -> dict[str, Any]:
    said = responses({200: None, 202: None}, 400, 413, public=True)
    for status in (200, 202):
        said[status]["content"] = {"text/plain": {"schema": _TEXT}}
    return {str(key): each for key, each in said.items()}


_WEBHOOKS: dict[str, Any] = {
    WEBHOOK_PATH: {
        "post": {
            "operationId": "notify_of_changes",
            "summary": "Where Microsoft Graph says that mail changed",
            "description": "Called by Microsoft: makes the mailbox due, or answers the handshake"
            " of a new subscription. What does not bear the secret of a subscription has no"
            " effect and the same answer.",
            "parameters": [_query("validationToken", "The handshake; it is echoed.")],
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
            "responses": _webhook_answers(),
        }
    },
}
_CONNECT: dict[str, Any] = {
    "/api/auth/microsoft": {
        "get": {
            "operationId": "begin_sign_in",
            "summary": "Begin to connect a mailbox of Microsoft 365",
            "description": "Sends the browser to Microsoft. Whoever accepts application/json is"
            " told the address instead.",
            "parameters": [_query("returnTo", "Nothing but the address in APP_INBOX_URL.")],
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
                **_connect_answers(400, 502),
            },
        }
    },
    "/api/auth/microsoft/callback": {
        "get": {
            "operationId": "finish_sign_in",
            "summary": "Where Microsoft sends the browser back to",
            "description": "Connects the mailbox, starts its first sync and leads to the inbox of"
            " the application with `accountId` behind its address; where the stage has connections"
            " confirmed, with `connection` instead. What failed leads there too, with `error` and"
            " `error_description`, unless the request accepts JSON only. An administrator who"
            " agreed for a whole organisation is shown a page that says so (200); nothing is"
            " connected by it.",
            "parameters": [
                _query("state", "As it was sent to Microsoft."),
                _query("code", "When access was granted."),
                _query("error", "When it was not."),
                _query("admin_consent", "When an administrator was asked for an organisation."),
            ],
            "responses": {
                "200": {"description": "OK", "content": _json(_NOTICE) | {"text/html": _PAGE}},
                **_connect_answers(400, 403, 502, public=True),
            },
        }
    },
    "/api/auth/microsoft/confirm": {
        "post": {
            "operationId": "confirm_connection",
            "summary": "Confirm a mailbox that the caller has signed in to",
            "description": "Where the stage asks for it, within ten minutes and once: connects the"
            " mailbox and starts its first sync. A connection of another user is forgotten.",
            "requestBody": {"required": True, "content": _json(_CONFIRMATION)},
            "responses": _confirmation_answers(),
        }
    },
    "/api/email/accounts/microsoft": {
        "post": {
            "operationId": "connect_organisation_mailbox",
            "summary": "Connect a mailbox that its organisation lets the application read",
            "description": "For administrators of the application, and for organisations that it"
            " lists; the first sync is started.",
            "requestBody": {"required": True, "content": _json(_MAILBOX_WANTED)},
            "responses": _organisation_answers(),
        }
    },
    "/api/email/accounts/{accountId}": {
        "delete": {
            "operationId": "remove_account",
            "summary": "Disconnect an account and keep its mail, or delete all of it",
            "description": "The provider is asked for no more notifications, and what the account"
            " signs in with is deleted. With data=keep its mail stays readable and connecting the"
            " mailbox again goes on where the sync stopped; with data=purge everything is deleted:"
            " 200 when it is gone, 202 when the rest is deleted in the background.",
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
            "responses": _removal_answers(),
        }
    },
}
