"""Define the routes of `/api/webhooks`. A provider reports that a mailbox has changed. Mailsync
marks the mailbox as due and starts a function that checks it.

The routes are public. A notification without the secret of a subscription, or without the
provider's signature, has no effect. Its response is the same as the response to a valid
notification.
"""

import base64
import binascii
from collections.abc import Sequence
from http import HTTPStatus

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.problems import ApiError, Problem, register_problem_handler
from mailsync.api.provider_paths import require_provider_is_enabled
from mailsync.errors import ProviderRejected
from mailsync.log import logger
from mailsync.model import NotificationByEmailAddress, ProviderName, SubscriptionNotification
from mailsync.providers.kit import (
    MalformedNotification,
    NotificationResendNeededError,
    PushKit,
    WebhookRequest,
    load_push_kit,
    webhook_path,
)
from mailsync.runs.batches import invoke_notified_mailbox_check_async
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.push_store import PushStore
from mailsync.store.queue_store import NotifiedMailboxQueueStore

MAX_NOTIFICATION_BODY_BYTES = 2 * 1024 * 1024
"""The maximum size of a request body. It is enough for some thousand notifications; a provider
sends only a few in one request."""

_TEXT = "text/plain; charset=utf-8"
_PLAIN_TEXT_HEADERS: dict[str, str | list[str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}
_MALFORMED = Problem(
    type_urn_suffix="malformed-notification",
    http_status=400,
    title="This is not a notification",
    detail="The body is not a notification, so it had no effect; send notifications in the format"
    " that the mail provider documents.",
)
_NO_PUSH = Problem(
    type_urn_suffix="unknown-provider",
    http_status=404,
    title="This provider sends no notifications",
    detail="The path names no provider that notifies of changes, so nothing was done; send the"
    " request to the URL of the subscription.",
)
_POSTPONED = Problem(
    type_urn_suffix="notification-postponed",
    http_status=503,
    title="The notification cannot be verified now",
    detail="The notification could not be verified at this moment, so it had no effect; send it"
    " again.",
    retry_after_s=10,
)
_TOO_LARGE = Problem(
    type_urn_suffix="body-too-large",
    http_status=413,
    title="The body is too large",
    detail=f"The body is too large; send at most {MAX_NOTIFICATION_BODY_BYTES} bytes.",
)

ProviderNotification = SubscriptionNotification | NotificationByEmailAddress
"""A received notification of any provider. It names either a subscription or a mailbox."""

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def build_app() -> APIGatewayHttpResolver:
    """Return the resolver that maps requests of the Lambda function `webhook` to its route."""
    app = APIGatewayHttpResolver()
    register_problem_handler(app)
    app.include_router(router)
    return app


@router.post(webhook_path(ProviderName("<provider>")))
def receive_notifications(provider: str) -> Response[str]:
    event, push = router.current_event, _push_kit(provider)
    try:
        token = push.answer_validation_request(event.raw_event.get("rawQueryString", ""))
        if token is not None:
            return Response(HTTPStatus.OK, _TEXT, token, _PLAIN_TEXT_HEADERS)
        request = WebhookRequest(_body(event), event.headers.get("authorization", ""))
        notifications = push.parse_notifications(request, load_settings())
    except MalformedNotification:
        raise ApiError(_MALFORMED) from None
    except NotificationResendNeededError as reason:
        logger.warning("notification_postponed", reason=str(reason))
        raise ApiError(_POSTPONED) from None
    genuine = _save(ProviderName(provider), notifications)
    if genuine:
        invoke_notified_mailbox_check_async(NotifiedMailboxQueueStore(open_database()))
    logger.info("notified", genuine=genuine, ignored=len(notifications) - genuine)
    return Response(HTTPStatus.ACCEPTED, _TEXT, "", _PLAIN_TEXT_HEADERS)


def _save(provider: ProviderName, notifications: Sequence[ProviderNotification]) -> int:
    """Make the notified mailboxes due. Return the number of genuine notifications: those that match
    a subscription or a connected mailbox."""
    store = PushStore(open_database())
    addresses = [
        each.email_address for each in notifications if isinstance(each, NotificationByEmailAddress)
    ]
    found = store.apply_notifications_by_email_address(provider, addresses) if addresses else 0
    of_subscriptions = [
        each for each in notifications if isinstance(each, SubscriptionNotification)
    ]
    return min(found, len(addresses)) + store.apply_subscription_notifications(of_subscriptions)


def _push_kit(name: str) -> PushKit:
    """Return the push code of the provider that the path names.

    Raises:
        ApiError: the provider is unknown, sends no notifications, or is off in this stage (404).
    """
    provider = ProviderName(name)
    try:
        push = load_push_kit(provider)
    except ProviderRejected:
        raise ApiError(_NO_PUSH) from None
    require_provider_is_enabled(provider)
    return push


def _body(event: APIGatewayProxyEventV2) -> bytes:
    """Return the request's body as bytes, decoded from base64 if it is encoded.

    Raises:
        ApiError: the body is too large, so it was not decoded (413).
        MalformedNotification: the body cannot be decoded.
    """
    text = event.raw_event.get("body") or ""
    if len(text) > MAX_NOTIFICATION_BODY_BYTES:
        raise ApiError(_TOO_LARGE)
    try:
        return base64.b64decode(text) if event.is_base64_encoded else text.encode()
    except (binascii.Error, UnicodeEncodeError):
        raise MalformedNotification from None
