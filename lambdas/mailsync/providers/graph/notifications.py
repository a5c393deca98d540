"""Parse the requests that Graph sends to the webhook. The client state in a notification proves
that Graph sent the notification.

Sources: Microsoft Graph docs, "Receive change notifications through webhooks" and "Reduce missing
    subscriptions and change notifications".
"""

import html
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import orjson

from mailsync.model import NotificationKind, RemoteId, SubscriptionNotification
from mailsync.providers.kit import MalformedNotification

MAX_VALIDATION_TOKEN_CHARS = 2_048
"""The maximum length of a validation token that the webhook accepts. Graph has so far sent tokens
of about a hundred characters."""
_MAX_STATE_CHARS = 128
_ID = re.compile(r"[A-Za-z0-9_.=-]{1,128}")
_LIFECYCLE = {
    "reauthorizationRequired": NotificationKind.SUBSCRIPTION_EXPIRING,
    "subscriptionRemoved": NotificationKind.SUBSCRIPTION_REMOVED,
    "missed": NotificationKind.MAIL_CHANGED,
}


def answer_validation_request(raw_query: str) -> str | None:
    """Return the text with which the webhook confirms a new subscription to Graph. Return None if
    the query has no validation token: then the request does not validate a subscription.

    Characters that a browser could interpret as markup are escaped, as the documentation advises;
    genuine tokens contain none.

    raw_query: the query string of the request's URL.

    Raises:
        MalformedNotification: the token is empty or too long.
    """
    if "validationToken" not in raw_query:
        return None
    found = parse_qs(raw_query).get("validationToken", [""])[0]
    if not found or len(found) > MAX_VALIDATION_TOKEN_CHARS:
        raise MalformedNotification
    return html.escape(found)


def parse_notifications(body: bytes) -> Sequence[SubscriptionNotification]:
    """Return the notifications in one webhook request, each once.

    Malformed items and unknown lifecycle events are skipped.

    Raises:
        MalformedNotification: the body is not a JSON object with a list `value`.
    """
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise MalformedNotification from None
    items = parsed.get("value") if isinstance(parsed, dict) else None
    if not isinstance(items, list):
        raise MalformedNotification
    return tuple(dict.fromkeys(each for each in map(_notice, items) if each))


def _notice(item: Any) -> SubscriptionNotification | None:
    if not isinstance(item, dict):
        return None
    remote_id, secret = item.get("subscriptionId"), item.get("clientState")
    if not isinstance(remote_id, str) or not _ID.fullmatch(remote_id):
        return None
    if not isinstance(secret, str) or len(secret) > _MAX_STATE_CHARS:
        return None
    event = item.get("lifecycleEvent")
    kind = NotificationKind.MAIL_CHANGED if event is None else _LIFECYCLE.get(str(event))
    return SubscriptionNotification(RemoteId(remote_id), secret, kind) if kind else None
