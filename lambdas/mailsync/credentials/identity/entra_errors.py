"""Translate errors of Microsoft's identity platform into exceptions with a text for people.

`entra_codes` has the meaning of each code. The platform's own text is dropped, because it can
contain personal data, and because anybody can forge the text in a redirect.

Sources: Microsoft identity platform docs, "Microsoft Entra authentication and authorization error
    codes", "OAuth 2.0 authorization code flow", "OAuth 2.0 client credentials flow".
"""

import re
from collections.abc import Mapping
from typing import Any

from mailsync.credentials.identity import SignInRejected
from mailsync.credentials.identity.entra_codes import (
    ADVICE_BY_SUBERROR,
    DEFAULT_GRANT_BLOCKED_ADVICE,
    KIND_AND_ADVICE_BY_AADSTS_CODE,
    KIND_AND_ADVICE_BY_OAUTH_ERROR,
    KIND_AND_ADVICE_OF_UNLISTED_ERROR,
)
from mailsync.credentials.identity.error_kind import ErrorKind, ErrorKindAndAdvice
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)

_MISCONFIGURED = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
# A tenant does not know the app until one of its administrators consents (client credentials).
_CONSENT_MISSING = frozenset({65001, 700016, 7000229})

_WORD = re.compile(r"[a-z_]{1,40}")
_NUMBER = re.compile(r"\bAADSTS(\d{4,9})\b")


def to_sign_in_error(response: Mapping[str, Any], retry_after_s: float | None = None) -> Exception:
    """Return the exception for a failed sign-in.

    The result is SignInRejected if the user or an administrator can solve the problem. For
    throttling, outages and a wrong app registration the result is the exception that
    `to_renewal_error` returns.

    Args:
        response: the token response, or the query of the redirect.
        retry_after_s: value of the header Retry-After in seconds. None: no header.
    """
    error, (kind, advice) = _oauth_error(response), _classify(response)
    if kind in (ErrorKind.THROTTLED, ErrorKind.OUTAGE) or error in _MISCONFIGURED:
        return to_renewal_error(response, retry_after_s)
    if error == "access_denied" and not _codes(response):
        return SignInRejected(
            error,
            "The sign-in was cancelled or access was denied. No mailbox was connected; start the"
            " sign-in again and allow the app to read mail.",
        )
    if advice in (DEFAULT_GRANT_BLOCKED_ADVICE, KIND_AND_ADVICE_OF_UNLISTED_ERROR[1]):
        advice = "try again, or show this code to your administrator"
    return SignInRejected(
        error, f"Microsoft refused the sign-in ({_error_label(response)}): {advice}."
    )


def explain_missing_admin_consent(query: Mapping[str, Any]) -> str:
    """Return the text for an administrator who did not give consent."""
    return (
        f"Microsoft reports that consent was not given ({_error_label(query)}). No mailbox was"
        " changed; an administrator can open the consent page again."
    )


def to_renewal_error(
    response: Mapping[str, Any], retry_after_s: float | None = None
) -> MailsyncError:
    """Return the exception for a failed renewal of an access token.

    AccessRevoked is final (`is_final`) if the grant has ended; then only a new sign-in helps. After
    any other AccessRevoked the platform may accept the grant again later, without a new sign-in.

    Args:
        response: the token response.
        retry_after_s: value of the header Retry-After in seconds. None: no header.
    """
    label, (kind, advice) = _error_label(response), _classify(response)
    if kind is ErrorKind.GRANT_ENDED:
        text = f"Microsoft rejected the grant ({label}): {advice}. Stored mail stays readable."
        return AccessRevoked(text, is_final=True)
    if kind is ErrorKind.VALID_GRANT_BLOCKED:
        return AccessRevoked(
            f"Microsoft rejected the grant ({label}): {advice}. Stored mail stays readable, and the"
            " sync resumes by itself if Microsoft accepts the grant again."
        )
    if kind is ErrorKind.FAULTY_APP_REGISTRATION:
        return ProviderRejected(
            f"Microsoft rejected the app registration ({label}): {advice}. Stored mail stays"
            " readable."
        )
    text = (
        f"Microsoft's sign-in service is unavailable ({label}): {advice}. Stored mail stays"
        " readable; the sync is retried."
    )
    if kind is ErrorKind.THROTTLED or retry_after_s is not None:
        return ProviderThrottled(text, retry_after_s=retry_after_s)
    return ProviderUnavailable(text)


def to_app_only_access_error(
    response: Mapping[str, Any], retry_after_s: float | None = None
) -> MailsyncError:
    """Return the exception for a failed request of an app-only access token.

    The result is AccessRevoked if the organisation has not consented to the application, else the
    exception that `to_renewal_error` returns.

    Args:
        response: the token response.
        retry_after_s: value of the header Retry-After in seconds. None: no header.
    """
    if not _CONSENT_MISSING.isdisjoint(_codes(response)):
        return AccessRevoked(
            f"The organisation has not consented to the app ({_error_label(response)}). Stored mail"
            " stays readable; an administrator of the organisation must give consent, then the sync"
            " resumes by itself."
        )
    return to_renewal_error(response, retry_after_s)


def _classify(response: Mapping[str, Any]) -> ErrorKindAndAdvice:
    """Return the meaning of the response's last AADSTS code that `entra_codes` lists. Without a
    listed code, return the meaning of OAuth's error, with the advice for the suberror if any.

    Microsoft puts the specific code behind the general one, as in "AADSTS70002: Error validating
    credentials. AADSTS50012: ...".
    """
    for number in reversed(_codes(response)):
        if number in KIND_AND_ADVICE_BY_AADSTS_CODE:
            return KIND_AND_ADVICE_BY_AADSTS_CODE[number]
    kind, advice = KIND_AND_ADVICE_BY_OAUTH_ERROR.get(
        _oauth_error(response), KIND_AND_ADVICE_OF_UNLISTED_ERROR
    )
    if kind is ErrorKind.VALID_GRANT_BLOCKED:
        advice = ADVICE_BY_SUBERROR.get(str(response.get("suberror")), advice)
    return kind, advice


def _oauth_error(response: Mapping[str, Any]) -> str:
    error = str(response.get("error"))
    return error if _WORD.fullmatch(error) else "unknown_error"


def _codes(response: Mapping[str, Any]) -> list[int]:
    """Return the AADSTS codes of a response; those of a redirect are read from its description."""
    listed = response.get("error_codes")
    if isinstance(listed, list):
        return [each for each in listed if isinstance(each, int)]
    return [int(each) for each in _NUMBER.findall(str(response.get("error_description")))]


def _error_label(response: Mapping[str, Any]) -> str:
    """Return OAuth's error with at most three codes: `invalid_grant, AADSTS50173`."""
    return ", ".join([_oauth_error(response), *(f"AADSTS{each}" for each in _codes(response)[:3])])
