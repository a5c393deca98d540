"""Who asks, and under which address they reached us."""

from typing import Any

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import ApiError, Problem
from mailsync.model import is_storable_name
from mailsync.settings import Settings

_NOT_SIGNED_IN = Problem(
    kind="not-signed-in",
    status=401,
    title="Not signed in",
    detail="Send the application's JWT as a bearer token.",
)


def caller_user_id(event: APIGatewayProxyEventV2) -> str:
    """The user whom the authorizer named. Raises ApiError (401) when it named nobody, or somebody
    whom no row can name."""
    named = _authorizer_context(event).get("userId")
    if not named or not is_storable_name(str(named)):
        raise ApiError(_NOT_SIGNED_IN)
    return str(named)


def is_caller_admin(event: APIGatewayProxyEventV2) -> bool:
    """Whether the application calls this user an administrator, in the authorizer's words."""
    return _authorizer_context(event).get("admin") == "true"


def api_base_url(event: APIGatewayProxyEventV2, settings: Settings) -> str:
    """PUBLIC_URL, or the API's own host name; without a slash at its end."""
    return settings.public_url or f"https://{event.request_context.domain_name}"


def _authorizer_context(event: APIGatewayProxyEventV2) -> dict[str, Any]:
    """What the authorizer said of the caller; empty on a public route."""
    authorizer = event.raw_event["requestContext"].get("authorizer") or {}
    return authorizer.get("lambda") or {}
