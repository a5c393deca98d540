"""Translate errors of Google's identity platform into exceptions with a text for people.

Google answers `invalid_grant` for every cause that ends or blocks a grant, mostly with the same
description, so the text lists the possible causes. Google's own text is dropped: it can contain
personal data, and anybody can forge the text in a redirect.

Sources: Google Identity documentation, "Using OAuth 2.0 to Access Google APIs" (refresh token
    expiration), "Using OAuth 2.0 for Web Server Applications" (authorization errors), "OAuth App
    Verification Help Center"; Google Workspace Admin Help, "Set session length for Google Cloud
    services" (rapt); RFC 6749, 4.1.2.1 and 5.2.
"""

import re
from collections.abc import Mapping
from typing import Any

from mailsync.credentials.identity import SignInRejected
from mailsync.credentials.identity.error_kind import ErrorKind, ErrorKindAndAdvice
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.json_request import JsonResponse

_ENDED_DESCRIPTION = "token has been expired or revoked"
"""The description of `invalid_grant` that Google documents for a token that has ended."""
_POSSIBLE_CAUSES = (
    "Google names no cause. Possible causes: the access was withdrawn in the Google account, the"
    " password was changed, the mailbox was not synced for six months, the app was connected to"
    " this Google account more than 100 times, or the consent screen of the app is in the status"
    ' "Testing", in which access ends 7 days after each sign-in'
)
_BLOCKED_BY_ORGANISATION = (
    "an administrator of the Google Workspace organisation has blocked the app; ask the"
    " administrator to allow it"
)
_INTERNAL = (
    "the app is only for accounts of its own organisation; sign in with such an account, or set the"
    ' user type of the consent screen to "External"'
)
_MEANING_BY_OAUTH_ERROR: Mapping[str, ErrorKindAndAdvice] = {
    "invalid_grant": (ErrorKind.VALID_GRANT_BLOCKED, "connect the mailbox again"),
    "admin_policy_enforced": (ErrorKind.VALID_GRANT_BLOCKED, _BLOCKED_BY_ORGANISATION),
    "rate_limit_exceeded": (ErrorKind.THROTTLED, "too many requests"),
    "slow_down": (ErrorKind.THROTTLED, "too many requests"),
    "server_error": (ErrorKind.OUTAGE, "an outage of Google's"),
    "internal_failure": (ErrorKind.OUTAGE, "an outage of Google's"),
    "temporarily_unavailable": (ErrorKind.OUTAGE, "an outage of Google's"),
    "invalid_client": (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET: Google does not accept them",
    ),
    "disabled_client": (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "the OAuth client is disabled; enable it in the Google Cloud console",
    ),
    "deleted_client": (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "the OAuth client was deleted; create or restore one in the Google Cloud console and set"
        " GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET",
    ),
    "redirect_uri_mismatch": (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "add the callback address to the authorized redirect URIs of the OAuth client",
    ),
    "invalid_scope": (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "add the scope gmail.readonly to the app's data access in the Google Cloud console",
    ),
}
_MEANING_OF_UNLISTED_ERROR: ErrorKindAndAdvice = (
    ErrorKind.FAULTY_APP_REGISTRATION,
    "check the OAuth client and the consent screen in the Google Cloud console",
)
_MEANING_BY_SUBTYPE: Mapping[str, ErrorKindAndAdvice] = {
    each: (
        ErrorKind.VALID_GRANT_BLOCKED,
        "your organisation asks for a new sign-in at intervals; connect the mailbox again, or ask"
        " an administrator to trust the app",
    )
    for each in ("invalid_rapt", "rapt_required")
}
_WORD = re.compile(r"[a-z_]{1,40}")
_CANCELLED = (
    "The sign-in was cancelled or access was denied. No mailbox was connected; start the sign-in"
    " again and allow the app to read mail. If Google did not let you agree, the app may be for"
    " test users only: ask the operator to add your address to them."
)
_ADVICE_AT_SIGN_IN: Mapping[str, str] = {
    "invalid_grant": "the code has expired or was used already; begin the sign-in again",
    "admin_policy_enforced": _BLOCKED_BY_ORGANISATION,
    "org_internal": _INTERNAL,
    "interaction_required": "begin the sign-in again",
    "login_required": "begin the sign-in again",
    "consent_required": "begin the sign-in again and allow the app to read mail",
}


def make_error_from_redirect_query(query: Mapping[str, Any]) -> Exception:
    """Return the exception for the error with which Google redirected the browser."""
    error = _oauth_error(query)
    if error == "access_denied":
        return SignInRejected(error, _CANCELLED)
    return _to_sign_in_error(JsonResponse(400, {"error": error}))


def to_code_exchange_error(response: JsonResponse) -> Exception:
    """Return the exception for a rejected exchange of an authorization code."""
    return _to_sign_in_error(response)


def _to_sign_in_error(response: JsonResponse) -> Exception:
    error, (kind, _) = _oauth_error(response.json_body), _classify(response)
    if kind in (ErrorKind.THROTTLED, ErrorKind.OUTAGE) or (
        kind is ErrorKind.FAULTY_APP_REGISTRATION and error in _MEANING_BY_OAUTH_ERROR
    ):
        return to_renewal_error(response)
    advice = _ADVICE_AT_SIGN_IN.get(error, "try again, or show this code to your administrator")
    return SignInRejected(
        error, f"Google refused the sign-in ({error}), so no mailbox was connected: {advice}."
    )


def to_renewal_error(response: JsonResponse) -> MailsyncError:
    """Return the exception for a failed renewal of an access token.

    Only for `invalid_grant` and for a block by an administrator the result is AccessRevoked, which
    closes the account. AccessRevoked is final (`is_final`) if Google reports that the refresh token
    has expired or was revoked. After any other AccessRevoked, scheduled checks send the refresh
    token again; the interval between these checks doubles from ten minutes to a day.
    """
    label, (kind, advice) = _label(response), _classify(response)
    if kind is ErrorKind.GRANT_ENDED:
        text = (
            f"Google rejected the grant ({label}), so new mail is not synced. {advice}. Stored mail"
            " stays readable; connect the mailbox again, and the sync resumes where it stopped."
        )
        return AccessRevoked(text, is_final=True)
    if kind is ErrorKind.VALID_GRANT_BLOCKED:
        return AccessRevoked(
            f"Google rejected the grant ({label}), so new mail is not synced: {advice}. Stored mail"
            " stays readable, and the sync resumes by itself if Google accepts the grant again."
        )
    if kind is ErrorKind.FAULTY_APP_REGISTRATION:
        return ProviderRejected(
            f"Google rejected the app ({label}), so new mail is not synced: {advice}. Stored mail"
            " stays readable."
        )
    text = (
        f"Google's sign-in service is unavailable ({label}): {advice}. Stored mail stays readable;"
        " the sync is retried."
    )
    if kind is ErrorKind.THROTTLED or response.retry_after_s is not None:
        return ProviderThrottled(text, retry_after_s=response.retry_after_s)
    return ProviderUnavailable(text)


def make_no_response_error(cause: str) -> ProviderUnavailable:
    """Return the exception for a request to which no complete response arrived. `cause` is a short
    name of the reason, for the error message."""
    return ProviderUnavailable(
        f"Google's sign-in service failed ({cause}). Stored mail stays readable; the sync is"
        " retried."
    )


def _classify(response: JsonResponse) -> ErrorKindAndAdvice:
    """Return the meaning of an error response. The body counts only if the status is a 4xx other
    than 429: with another status a gateway may have sent an old body."""
    error = _oauth_error(response.json_body)
    if response.status == 429:
        return _MEANING_BY_OAUTH_ERROR["rate_limit_exceeded"]
    if not 400 <= response.status < 500 or "error" not in response.json_body:
        return _MEANING_BY_OAUTH_ERROR["server_error"]
    subtype = str(response.json_body.get("error_subtype"))
    if error == "invalid_grant" and subtype in _MEANING_BY_SUBTYPE:
        return _MEANING_BY_SUBTYPE[subtype]
    description = str(response.json_body.get("error_description")).lower()
    if error == "invalid_grant" and _ENDED_DESCRIPTION in description:
        return ErrorKind.GRANT_ENDED, _POSSIBLE_CAUSES
    return _MEANING_BY_OAUTH_ERROR.get(error, _MEANING_OF_UNLISTED_ERROR)


def _oauth_error(document: Mapping[str, Any]) -> str:
    error = str(document.get("error"))
    return error if _WORD.fullmatch(error) else "unknown_error"


def _label(response: JsonResponse) -> str:
    """Return OAuth's error with Google's subtype, or the status: `invalid_grant, invalid_rapt`."""
    if "error" not in response.json_body:
        return f"status {response.status}"
    subtype = str(response.json_body.get("error_subtype"))
    named = [_oauth_error(response.json_body), subtype if subtype in _MEANING_BY_SUBTYPE else ""]
    return ", ".join(filter(None, named))
