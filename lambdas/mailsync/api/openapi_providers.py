"""Describe the routes whose paths name a provider, such as the sign-in, for the OpenAPI
document."""

from collections.abc import Iterable
from typing import Any

from mailsync.api.openapi_responses import describe_responses
from mailsync.api.openapi_schemas import make_schema_reference
from mailsync.api.password_problems import DOCUMENTED_PASSWORD_PROBLEMS
from mailsync.api.problems import PROBLEM_CONTENT_TYPE, problem_to_json
from mailsync.api.provider_paths import (
    confirm_connection_path,
    connect_mailbox_path,
    sign_in_callback_path,
    sign_in_path,
)
from mailsync.providers.kit import webhook_path
from mailsync.registry import DEFAULT_PROVIDER_OF_STORED_VALUES, RegisteredProvider

MAILBOX_CONNECTION_OPERATIONS_TAG = "Connections"
TEMPORARY_PUBLIC_OPERATION_KEY = "x-is-public"
"""Key that marks an operation that needs no token. `build_openapi_document` removes the key from
the finished document."""
_TEXT = {"type": "string"}
_PAGE = {"schema": _TEXT}


def build_provider_path_items(providers: Iterable[RegisteredProvider]) -> dict[str, Any]:
    """Return the OpenAPI operations of the routes of these providers, by path and method."""
    paths: dict[str, Any] = {}
    for registration in providers:
        provider = registration.provider_name
        if registration.oauth_settings:
            paths[sign_in_path(provider)] = {"get": _sign_in(registration)}
            paths[sign_in_callback_path(provider)] = {"get": _callback(registration)}
            paths[confirm_connection_path(provider)] = {"post": _confirmation(registration)}
        if (
            registration.oauth_settings
            and registration.oauth_settings.app_only_token_resource_url_setting
        ):
            paths[connect_mailbox_path(provider)] = {"post": _organisation(registration)}
        if registration.uses_password:
            paths[connect_mailbox_path(provider)] = {"post": _password(registration)}
        if registration.sends_notifications:
            paths[webhook_path(provider)] = {"post": _webhook(registration)}
    return paths


def _operation_id(name: str, registration: RegisteredProvider) -> str:
    """Return an operation id that is unique in the document: `name` with the provider as suffix.

    The ids of `DEFAULT_PROVIDER_OF_STORED_VALUES`, the only provider of the first release, have no
    suffix.
    """
    is_first = registration.provider_name == DEFAULT_PROVIDER_OF_STORED_VALUES
    return name if is_first else f"{name}_{registration.provider_name}"


def _sign_in(registration: RegisteredProvider) -> dict[str, Any]:
    return {
        "operationId": _operation_id("begin_sign_in", registration),
        "summary": f"Start the sign-in that connects a mailbox of {registration.display_name}",
        "description": "Redirects the browser to the identity platform. A request that accepts"
        " application/json gets the URL in the body instead.",
        "parameters": [
            _query_parameter("returnTo", "Optional; only the value of APP_INBOX_URL is valid.")
        ],
        "responses": _sign_in_responses("SignInStarted", 400, 502),
    }


def _callback(registration: RegisteredProvider) -> dict[str, Any]:
    responses = _sign_in_responses("ConsentGiven", 400, 403, 502, public=True)
    responses["200"]["content"]["text/html"] = _PAGE
    return {
        TEMPORARY_PUBLIC_OPERATION_KEY: True,
        "operationId": _operation_id("finish_sign_in", registration),
        "summary": "Finish the sign-in; the identity platform redirects to this route",
        "description": "Connects the mailbox, starts its first sync and redirects to the inbox"
        " of the application with the query parameter `accountId`. In a stage with"
        " `confirm_connections` no mailbox is connected yet, and the parameter is `connection`."
        " A failed sign-in redirects with `error` and `error_description`, unless the request"
        " accepts only JSON. An administrator who gave consent for an organisation gets a page"
        " (200); no mailbox is connected.",
        "parameters": [
            _query_parameter("state", "The state that the sign-in sent."),
            _query_parameter("code", "The authorization code, if access was granted."),
            _query_parameter("error", "The OAuth error code, if access was not granted."),
            _query_parameter("admin_consent", "Set at the end of an admin consent."),
        ],
        "responses": responses,
    }


def _confirmation(registration: RegisteredProvider) -> dict[str, Any]:
    return {
        "operationId": _operation_id("confirm_connection", registration),
        "summary": "Confirm a mailbox after a sign-in of the caller",
        "description": "Connects the mailbox and starts its first sync, in a stage with"
        " `confirm_connections`. A connection is valid once and for ten minutes. If another"
        " user started it, it is deleted and the response is 404.",
        "requestBody": _body("ConnectionConfirmation"),
        "responses": _created_responses(400, 404, 413, 422),
    }


def _organisation(registration: RegisteredProvider) -> dict[str, Any]:
    return {
        "operationId": _operation_id("connect_organisation_mailbox", registration),
        "tags": [MAILBOX_CONNECTION_OPERATIONS_TAG],
        "summary": "Connect a mailbox with the consent of its organisation",
        "description": "Stores the account and starts its first sync. The caller must be an"
        " administrator of the application, and the operator must allow the organisation.",
        "requestBody": _body("OrganisationMailbox"),
        "responses": _created_responses(400, 403, 409, 413, 422, 502),
    }


def _password(registration: RegisteredProvider) -> dict[str, Any]:
    return {
        "operationId": _operation_id("connect_mailbox_with_password", registration),
        "tags": [MAILBOX_CONNECTION_OPERATIONS_TAG],
        "summary": f"Connect a mailbox of {registration.display_name} with user name and password",
        "description": "Signs in at the mail server within 15 seconds, stores the account of the"
        " caller and starts its first sync. The server of a well-known provider is found by the"
        " domain of the user name; other servers are named by `host`. The password is stored"
        " encrypted and no response contains it. An account that the caller already has for the"
        " mailbox keeps its mail and gets the new password. If nothing was connected, the problem's"
        " type says who can correct it and `detail` says how.",
        "requestBody": _body("PasswordMailbox"),
        "responses": _password_responses(),
    }


def _password_responses() -> dict[str, Any]:
    responses = _created_responses(400, 413, 422, 502)
    content = responses["422"]["content"][PROBLEM_CONTENT_TYPE]
    invalid = content.pop("example")
    content["examples"] = {
        "invalid-field": {"value": invalid},
        **{
            each.type_urn_suffix: {"value": problem_to_json(each, invalid["requestId"])}
            for each in DOCUMENTED_PASSWORD_PROBLEMS
        },
    }
    return responses


def _webhook(registration: RegisteredProvider) -> dict[str, Any]:
    return {
        TEMPORARY_PUBLIC_OPERATION_KEY: True,
        "operationId": _operation_id("notify_of_changes", registration),
        "summary": f"Receive change notifications of {registration.display_name}",
        "description": "The provider calls this route. A notification makes its mailbox due. The"
        " validation request of a new subscription gets its token back. A forged notification,"
        " without the secret of a subscription or without a valid token of the provider in"
        " Authorization, has no effect and gets the same response. 503 means that the notification"
        " could not be verified or stored at this moment, so the provider sends it again.",
        "parameters": [
            _query_parameter(
                "validationToken", "The token of a validation request. The response repeats it."
            )
        ],
        "requestBody": {**_body("ChangeNotifications"), "required": False},
        "responses": _webhook_responses(),
    }


def _query_parameter(name: str, description: str) -> dict[str, Any]:
    described = {"description": description, "required": False, "schema": _TEXT}
    return {"name": name, "in": "query", **described}


def _body(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": make_schema_reference(schema)}}
    return {"required": True, "content": content}


def _sign_in_responses(success: str, *statuses: int, public: bool = False) -> dict[str, Any]:
    """Return the responses of a sign-in route; errors are pages for clients that accept HTML.

    success: name of the schema of a successful response without a redirect.
    """
    described = describe_responses({200: success, 302: None}, *statuses, public=public)
    for status in (*statuses, 500, 503):
        described[status]["content"]["text/html"] = _PAGE
    return {str(status): response for status, response in described.items()}


def _created_responses(*statuses: int) -> dict[str, Any]:
    """Return the responses of a route that connects a mailbox."""
    described = describe_responses({201: "MailboxConnected"}, *statuses)
    return {str(status): response for status, response in described.items()}


def _webhook_responses() -> dict[str, Any]:
    described = describe_responses({200: None, 202: None}, 400, 413, public=True)
    for status in (200, 202):
        described[status]["content"] = {"text/plain": {"schema": _TEXT}}
    return {str(status): response for status, response in described.items()}
