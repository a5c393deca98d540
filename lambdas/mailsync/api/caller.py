"""Who asks, and under which address they reached us."""

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import Problem, Refused
from mailsync.settings import Settings

_NOBODY = Problem(
    kind="not-signed-in",
    status=401,
    title="Not signed in",
    detail="Send the application's JWT as a bearer token.",
)


def user_id(event: APIGatewayProxyEventV2) -> str:
    """The user whom the authorizer named. Raises Refused (401) when it named nobody."""
    authorizer = event.raw_event["requestContext"].get("authorizer") or {}
    named = (authorizer.get("lambda") or {}).get("userId")
    if not named:
        raise Refused(_NOBODY)
    return str(named)


def base_url(event: APIGatewayProxyEventV2, settings: Settings) -> str:
    """PUBLIC_URL, or the API's own host name; without a slash at its end."""
    return settings.public_url or f"https://{event.request_context.domain_name}"
