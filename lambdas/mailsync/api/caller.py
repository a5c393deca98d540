"""Read who called the API, and at which base URL, from a request."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import ApiError, Problem
from mailsync.model import is_storable_user_id
from mailsync.settings import Settings

NOT_SIGNED_IN_PROBLEM = Problem(
    type_urn_suffix="not-signed-in",
    http_status=401,
    title="Not signed in",
    detail="The request names no user; send the application's JWT as a bearer token.",
)
NOT_ADMIN_PROBLEM = Problem(
    type_urn_suffix="not-an-administrator",
    http_status=403,
    title="Not an administrator",
    detail="Only an administrator of the application can connect a mailbox without its owner; sign"
    " in as an administrator.",
)


def caller_user_id(event: APIGatewayProxyEventV2) -> str:
    """Return the user id that the authorizer read from the token.

    Raises:
        ApiError: there is no user id, or Postgres cannot store it (401).
    """
    user_id = _authorizer_context(event).get("userId")
    if not user_id or not is_storable_user_id(str(user_id)):
        raise ApiError(NOT_SIGNED_IN_PROBLEM)
    return str(user_id)


def is_caller_admin(event: APIGatewayProxyEventV2) -> bool:
    """Return whether the token declares the caller an administrator of the application."""
    return _authorizer_context(event).get("admin") == "true"


def api_base_url(event: APIGatewayProxyEventV2, settings: Settings) -> str:
    """Return the base URL of the API without a slash at its end.

    The result is PUBLIC_URL if that setting is set, else the URL of the host that the request
    names.
    """
    return settings.public_url or f"https://{event.request_context.domain_name}"


def _authorizer_context(event: APIGatewayProxyEventV2) -> dict[str, Any]:
    """Return the context that the authorizer added to the request; empty on a public route."""
    authorizer = event.raw_event["requestContext"].get("authorizer") or {}
    return authorizer.get("lambda") or {}
