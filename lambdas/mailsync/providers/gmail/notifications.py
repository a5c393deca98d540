"""Verify and parse the requests that Pub/Sub pushes to the webhook.

Google signs a token for each push. A push is genuine if the token has Google's signature, the
configured audience, and the verified address of the configured service account: anybody can have
Google sign a token for any audience, in a project of their own. From the body, Mailsync uses only
the mailbox's address, to find the connected mailbox to check. It ignores the history id.

Sources: Google Cloud documentation, "Authentication for push subscriptions" and "Push
    subscriptions" (Pub/Sub); Gmail API documentation, "Push notifications"; hookdeck/webhook-skills
    PR 180, xorbitsai/xagent #727 (audience alone), googleapis/google-auth-library-python #889
    (clock skew).
"""

import base64
import binascii
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import jwt
import orjson
from jwt.types import Options

from mailsync.google_addresses import (
    ID_TOKEN_ISSUERS,
    MAX_CLOCK_SKEW_FOR_GOOGLE_TOKENS_S,
    GoogleIdentityUrls,
)
from mailsync.log import logger
from mailsync.model import NotificationByEmailAddress
from mailsync.providers.gmail.push_settings import GmailPushSettings
from mailsync.providers.kit import NotificationResendNeededError, WebhookRequest
from mailsync.published_keys import PublishedKeySet
from mailsync.settings import Settings

MAX_PUSH_TOKEN_CHARS = 8192
_MAX_ADDRESS_CHARS = 320
_ALGORITHMS = ("RS256",)
_OPTIONS: Options = {
    "verify_exp": False,  # checked last: only a genuine push is refused for its time
    "verify_iat": False,
    "require": ["exp", "iat", "iss", "aud", "email"],
}


def parse_pubsub_push(
    request: WebhookRequest, settings: Settings
) -> Sequence[NotificationByEmailAddress]:
    """Return the notification that a push contains. Return an empty list for a forged push, and for
    a genuine push that names no mailbox.

    The webhook then responds as to a valid push. If it refused the push, Pub/Sub would send it
    again for days, and a forger would learn that the forgery was noticed.

    Raises:
        NotificationResendNeededError: Google's keys are unavailable, or the push is genuine and its
            token is not valid at this moment.
    """
    push = settings.read_settings_section(GmailPushSettings)
    if not push.is_configured:
        return _ignored("NotConfigured")
    keys = _key_set(settings.read_settings_section(GoogleIdentityUrls).jwks_url, settings)
    scheme, _, token = request.authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.isascii() or len(token) > MAX_PUSH_TOKEN_CHARS:
        return _ignored("NoToken")
    try:
        claims = _verified_claims(token.strip(), keys, push.token_audience)
    except jwt.PyJWTError as error:
        # Log only the error's name, because its text may quote the token.
        return _ignored(type(error).__name__)
    if claims["email"] != push.service_account or claims.get("email_verified") is not True:
        return _ignored("OtherServiceAccount")
    _require_valid_now(claims)
    address = _mailbox_address(request.body)
    return [NotificationByEmailAddress(address)] if address else _ignored("NoMailbox")


def _ignored(reason: str) -> Sequence[NotificationByEmailAddress]:
    logger.info("push_ignored", reason=reason)
    return ()


def _verified_claims(token: str, keys: PublishedKeySet, audience: str) -> Mapping[str, Any]:
    """Return the claims of a token after its signature, issuer and audience were verified.

    Raises:
        jwt.PyJWTError: the token is malformed, forged, or for another audience.
        NotificationResendNeededError: no key of Google is known.
    """
    key = keys.find_key_for_jwt(jwt.get_unverified_header(token).get("kid"))
    if key is None:
        if not keys.has_keys:
            raise NotificationResendNeededError("KeysUnavailable")
        raise jwt.InvalidKeyError
    claims: Mapping[str, Any] = jwt.decode(
        token,
        key,
        algorithms=_ALGORITHMS,
        audience=audience,
        issuer=ID_TOKEN_ISSUERS,
        options=_OPTIONS,
    )
    return claims


def _require_valid_now(claims: Mapping[str, Any]) -> None:
    """Raise NotificationResendNeededError unless the token is valid now, give or take the clock
    skew.

    Pub/Sub then sends the push again with a new token, so a wrong clock loses no push.
    """
    try:
        issued_at, expires_at = float(claims["iat"]), float(claims["exp"])
    except (TypeError, ValueError, OverflowError):
        raise NotificationResendNeededError("TimesMalformed") from None
    now = time.time()
    if now < issued_at - MAX_CLOCK_SKEW_FOR_GOOGLE_TOKENS_S:
        raise NotificationResendNeededError("TokenFromTheFuture")
    if now > expires_at + MAX_CLOCK_SKEW_FOR_GOOGLE_TOKENS_S:
        raise NotificationResendNeededError("TokenExpired")


def _mailbox_address(body: bytes) -> str | None:
    """Return the address of the mailbox that a push names, in lower case. None: no address."""
    try:
        message = orjson.loads(body)["message"]
        # The data may be base64 or base64url; `b64decode` accepts only base64.
        data = str(message["data"]).translate(str.maketrans("-_", "+/"))
        payload = orjson.loads(base64.b64decode(data + "=" * (-len(data) % 4), validate=True))
        address = payload["emailAddress"]
    except (orjson.JSONDecodeError, binascii.Error, ValueError, KeyError, TypeError, IndexError):
        return None
    if not isinstance(address, str) or not 3 <= len(address) <= _MAX_ADDRESS_CHARS:
        return None
    is_usable = "@" in address and address.isprintable() and address.isascii()
    return address.lower() if is_usable else None


@cache
def _key_set(url: str, settings: Settings) -> PublishedKeySet:
    """Return the key set, which the process keeps between invocations."""
    return PublishedKeySet(url, settings.provider_tls_context())
