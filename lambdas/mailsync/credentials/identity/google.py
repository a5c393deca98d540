"""Sign people in at Google's identity platform, renew their tokens and revoke them; implements
`IdentityPlatform`.

A grant is a Google refresh token. Sources: Google Identity documentation, "Using OAuth 2.0 for Web
Server Applications" and "OpenID Connect"; OpenID Connect Core 1.0, 3.1.3.7.
"""

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import jwt

from mailsync.credentials.identity import (
    AdminConsent,
    OrganisationNotAllowed,
    SignInRejected,
    SignInResult,
    google_errors,
)
from mailsync.credentials.identity.google_settings import GoogleSettings
from mailsync.credentials.token_set import TokenSet
from mailsync.errors import AccessRevoked, ProviderRejected
from mailsync.google_addresses import ID_TOKEN_ISSUERS, MAX_CLOCK_SKEW_FOR_GOOGLE_TOKENS_S
from mailsync.json_request import JsonRequestFailed, JsonResponse, send_json_request
from mailsync.log import logger
from mailsync.model import AccessToken
from mailsync.registry import OAuthSettings
from mailsync.settings import Settings

REQUEST_TIMEOUT_S = 15.0
_ALL_OF_GMAIL = "https://mail.google.com/"
_NO_APP_ONLY_ACCESS = "Google issues no app-only tokens to Mailsync; each user connects a mailbox."


def begin_sign_in(settings: Settings, oauth: OAuthSettings, redirect_uri: str) -> dict[str, Any]:
    """Start a sign-in by the OAuth authorization code flow with PKCE. Sends no request.

    Google issues a refresh token only for `access_type=offline`, and at a second consent only with
    `prompt=consent`.

    Returns the flow, a JSON object that `finish_sign_in` needs; its `auth_uri` is the URL to
    redirect the browser to.
    """
    google = settings.read_settings_section(GoogleSettings)
    state, nonce, verifier = token_urlsafe(32), token_urlsafe(32), token_urlsafe(64)
    parameters = {
        "client_id": google.client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": " ".join(oauth.scopes),
        "access_type": "offline",
        "prompt": "consent select_account",
        "state": state,
        "nonce": nonce,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    return {
        "state": state,
        "nonce": nonce,
        "code_verifier": verifier,
        "redirect_uri": redirect_uri,
        "auth_uri": f"{google.authorize_url}?{urlencode(parameters)}",
    }


def finish_sign_in(
    settings: Settings, oauth: OAuthSettings, flow: Mapping[str, Any], query: Mapping[str, str]
) -> SignInResult:
    """Exchange the authorization code for tokens. Google appended the code to the URL to which it
    redirected the browser.

    query: the parameters of that URL.

    Raises:
        SignInRejected: the user, an administrator or Google denied access; the user did not allow
            the app to read mail; Google issued no refresh token; the query or the ID token belongs
            to another flow; or the clocks of Google and Mailsync differ too much.
        ProviderRejected: Google rejected the OAuth client.
        ProviderThrottled: Google requested a pause.
        ProviderUnavailable: Google is unavailable.
    """
    _require_own_response(flow, query)
    if "code" not in query:
        raise google_errors.make_error_from_redirect_query(query)
    form = {
        "grant_type": "authorization_code",
        "code": query["code"],
        "redirect_uri": flow["redirect_uri"],
        "code_verifier": flow["code_verifier"],
    }
    response = _request_tokens(settings, form)
    if response.status != 200:
        raise google_errors.to_code_exchange_error(response)
    document = response.json_body
    access = _access(document)
    _require_scopes(oauth, document)
    claims = _claims_of_id_token(settings, document, flow["nonce"])
    grant = document.get("refresh_token")
    if not isinstance(grant, str) or not grant:
        raise SignInRejected(
            "refresh_token_missing",
            "Google issued no refresh token, so the mailbox could be read for an hour only. No"
            " mailbox was connected or changed; remove the app under"
            " https://myaccount.google.com/connections and start the sign-in again.",
        )
    _note_time_limit(document)
    address = str(claims.get("email") or "")
    return SignInResult(claims["sub"], address, TokenSet(access, renewal_grant=grant))


def refresh_tokens(settings: Settings, oauth: OAuthSettings, grant: str | None) -> TokenSet:
    """Request a new access token with the refresh token. Return the new token, the grant for the
    next renewal, and the present email address of the account.

    Raises:
        AccessRevoked: Google rejected the refresh token, or an administrator blocked the app. If
            `is_final` is true, the user must sign in again. Else Google may accept the token later.
        ProviderRejected: Google rejected the OAuth client.
        ProviderThrottled: Google requested a pause.
        ProviderUnavailable: Google is unavailable.
    """
    if not grant:
        raise AccessRevoked(
            "The account has no refresh token, so new mail is not synced. Stored mail stays"
            " readable; connect the mailbox again.",
            is_final=True,
        )
    response = _request_tokens(settings, {"grant_type": "refresh_token", "refresh_token": grant})
    if response.status != 200:
        raise google_errors.to_renewal_error(response)
    document = response.json_body
    newer = document.get("refresh_token")
    # Google seldom sends a new refresh token. Without one, the stored refresh token stays.
    kept = newer if isinstance(newer, str) and newer else grant
    return TokenSet(_access(document), renewal_grant=kept, email_address=_address(document))


def try_to_revoke_all_grants_of_user(settings: Settings, oauth: OAuthSettings, grant: str) -> bool:
    """Revoke all tokens that the Google account has granted to the app, including the tokens of
    other connections of the same account. Return whether Google confirmed the revocation.

    Raises:
        ProviderUnavailable: there was no response.
    """
    url = settings.read_settings_section(GoogleSettings).revoke_url
    return _post(settings, url, {"token": grant}).status == 200


def require_operator_allows_organisation(settings: Settings, organisation_id: str) -> None:
    raise OrganisationNotAllowed(_NO_APP_ONLY_ACCESS, is_any_allowed=False)


def request_app_only_tokens(
    settings: Settings, oauth: OAuthSettings, organisation_id: str
) -> TokenSet:
    raise ProviderRejected(_NO_APP_ONLY_ACCESS)


def parse_admin_consent_redirect(query: Mapping[str, str]) -> AdminConsent | None:
    """Return None: Google's administrators allow an app in their console, without a redirect."""
    return None


def _require_own_response(flow: Mapping[str, Any], query: Mapping[str, str]) -> None:
    """Raise SignInRejected if the redirect belongs to another sign-in or another platform."""
    if query.get("state") != flow.get("state"):
        raise SignInRejected(
            "state_mismatch",
            "The response belongs to another sign-in. No mailbox was connected; start the sign-in"
            " again.",
        )
    if query.get("iss", ID_TOKEN_ISSUERS[0]) not in ID_TOKEN_ISSUERS:
        # A code of another issuer must not be sent to Google (RFC 9207, mix-up attack).
        raise SignInRejected(
            "issuer_mismatch",
            "The response was issued by another platform than Google. No mailbox was connected;"
            " start the sign-in again.",
        )


def _require_scopes(oauth: OAuthSettings, document: Mapping[str, Any]) -> None:
    """Raise SignInRejected unless the user granted every API scope. On Google's page each scope has
    a box that the user may leave unticked.

    A response without `scope` granted what was requested (RFC 6749, 5.1).
    Source: Google Identity documentation, "How to handle granular permissions".
    """
    granted = str(document.get("scope", " ".join(oauth.scopes))).split()
    missing = [each for each in oauth.scopes if each.startswith("https:") and each not in granted]
    if missing and _ALL_OF_GMAIL not in granted:
        raise SignInRejected(
            "scope_missing",
            "On Google's page the box that lets the app read mail was not ticked. No mailbox was"
            " connected or changed; start the sign-in again and tick the box for Gmail.",
        )


def _claims_of_id_token(
    settings: Settings, document: Mapping[str, Any], nonce: str
) -> Mapping[str, Any]:
    """Return the claims of the ID token that came with the access token.

    The signature of the ID token is not verified, because the token endpoint sent the ID token over
    TLS (OpenID Connect Core 1.0, 3.1.3.7, 6).

    Raises:
        SignInRejected: the ID token belongs to another sign-in, or the clocks differ too much.
    """
    claims = _read_id_token(document)
    client_id = settings.read_settings_section(GoogleSettings).client_id
    is_own = claims.get("aud") == client_id and claims.get("iss") in ID_TOKEN_ISSUERS
    subject = claims.get("sub")
    if not is_own or not isinstance(subject, str) or not subject or claims.get("nonce") != nonce:
        raise SignInRejected(
            "id_token_mismatch",
            "Google's response does not belong to this sign-in. No mailbox was connected; start the"
            " sign-in again.",
        )
    issued_at, expires_at = (_number(claims.get(name)) for name in ("iat", "exp"))
    if (
        not issued_at - MAX_CLOCK_SKEW_FOR_GOOGLE_TOKENS_S
        <= time.time()
        <= expires_at + MAX_CLOCK_SKEW_FOR_GOOGLE_TOKENS_S
    ):
        raise SignInRejected(
            "clock_skew",
            "The clock of this service differs from Google's, so the sign-in cannot be verified. No"
            " mailbox was connected; the operator must correct the clock, then start the sign-in"
            " again.",
        )
    return claims


def _read_id_token(document: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        claims: Mapping[str, Any] = jwt.decode(
            str(document.get("id_token")), options={"verify_signature": False}
        )
    except (jwt.PyJWTError, RecursionError):
        return {}
    return claims


def _address(document: Mapping[str, Any]) -> str | None:
    """Return the account's address according to the ID token of a renewal. None: no
    address."""
    address = _read_id_token(document).get("email")
    return address if isinstance(address, str) and "@" in address else None


def _note_time_limit(document: Mapping[str, Any]) -> None:
    """Log a warning if Google limits the lifetime of the refresh token. Google does so while the
    consent screen of the app has the status "Testing"."""
    lifetime_s = document.get("refresh_token_expires_in")
    if lifetime_s is not None:
        logger.warning("google_access_is_temporary", seconds=_number(lifetime_s))


def _request_tokens(settings: Settings, form: Mapping[str, str]) -> JsonResponse:
    google = settings.read_settings_section(GoogleSettings)
    client = {"client_id": google.client_id, "client_secret": google.client_secret}
    return _post(settings, google.token_url, {**client, **form})


def _post(settings: Settings, url: str, form: Mapping[str, str]) -> JsonResponse:
    """Send a form. Raises ProviderUnavailable without a complete response."""
    tls = settings.provider_tls_context()
    try:
        return send_json_request("POST", url, tls=tls, timeout_s=REQUEST_TIMEOUT_S, form=form)
    except JsonRequestFailed as error:
        raise google_errors.make_no_response_error(str(error)) from None


def _access(document: Mapping[str, Any]) -> AccessToken:
    """Return the access token. Raises ProviderUnavailable if the response has none."""
    token, lifetime_s = document.get("access_token"), _number(document.get("expires_in"))
    if not isinstance(token, str) or not token or not 0 < lifetime_s < 10**7:
        raise google_errors.make_no_response_error("NoAccessToken")
    return AccessToken(token, datetime.now(UTC) + timedelta(seconds=lifetime_s))


def _number(value: Any) -> float:
    """Return the number that a JSON value contains; 0 for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
