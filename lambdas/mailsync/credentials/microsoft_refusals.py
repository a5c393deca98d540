"""Why Microsoft's identity platform said no, as a failure of ours or a sentence for a person.

`microsoft_codes` knows what a number means. The platform's own text is dropped, as it may name a
person, and what came back through a browser may be anybody's.

Sources: Microsoft identity platform docs, "Microsoft Entra authentication and authorization error
codes", "OAuth 2.0 authorization code flow", "OAuth 2.0 client credentials flow".
"""

import re
from collections.abc import Mapping
from typing import Any

from mailsync.credentials.microsoft_codes import (
    CODES,
    ERRORS,
    OTHERWISE,
    SUBERRORS,
    UNKNOWN,
    Advice,
    Kind,
)
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)

_MISCONFIGURED = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
# The app is unknown in a tenant until one of its administrators consents (client credentials).
_NOT_ADMITTED = frozenset({65001, 700016, 7000229})

_WORD = re.compile(r"[a-z_]{1,40}")
_NUMBER = re.compile(r"\bAADSTS(\d{4,9})\b")


class SignInRefused(Exception):
    """The sign-in did not take place; `code` is the identity platform's word or one of ours.

    Ours are `state_mismatch`, `issuer_mismatch` and `scope_missing`. Not a failure of a sync, so
    the workflow does not know it.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def of_sign_in(answer: Mapping[str, Any], retry_after_s: float | None = None) -> Exception:
    """A person is waiting: all but our own mistakes and outages is theirs to mend.

    retry_after_s: what the answer's header asked for.
    """
    error, (kind, advice) = _error(answer), _classify(answer)
    if kind in (Kind.THROTTLED, Kind.OUTAGE) or error in _MISCONFIGURED:
        return of_renewal(answer, retry_after_s)
    if error == "access_denied" and not _numbers(answer):
        return SignInRefused(error, "The sign-in was cancelled, or the app was not allowed in.")
    if advice in (UNKNOWN, OTHERWISE[1]):
        advice = "try again, or show this code to your administrator"
    return SignInRefused(error, f"Microsoft refused the sign-in ({_named(answer)}): {advice}.")


def of_admin_consent(query: Mapping[str, Any]) -> str:
    """A sentence for an administrator who comes back without having agreed."""
    return (
        f"Microsoft reports that the consent was not given ({_named(query)}). Nothing was changed;"
        " an administrator can open the consent page again."
    )


def of_renewal(answer: Mapping[str, Any], retry_after_s: float | None = None) -> MailsyncError:
    """What a refused grant means; AccessRevoked is final where the grant itself has ended."""
    named, (kind, advice) = _named(answer), _classify(answer)
    if kind is Kind.ENDED:
        sentence = f"Microsoft refuses the grant ({named}): {advice}. Stored mail stays readable."
        return AccessRevoked(sentence, is_final=True)
    if kind is Kind.BLOCKED:
        return AccessRevoked(
            f"Microsoft refuses the grant ({named}): {advice}. Stored mail stays readable, and the"
            " sync goes on by itself should Microsoft allow it again."
        )
    if kind is Kind.APP:
        return ProviderRejected(f"Microsoft refuses the app registration ({named}): {advice}.")
    said = f"Microsoft's sign-in service does not answer now ({named}): {advice}."
    if kind is Kind.THROTTLED or retry_after_s is not None:
        return ProviderThrottled(f"{said} The sync goes on later.", retry_after_s=retry_after_s)
    return ProviderUnavailable(f"{said} The sync goes on later.")


def of_organisation(answer: Mapping[str, Any], retry_after_s: float | None = None) -> MailsyncError:
    """Nobody's grant is at stake, but an administrator may have to admit the app again."""
    if not _NOT_ADMITTED.isdisjoint(_numbers(answer)):
        return AccessRevoked(
            f"The organisation does not admit the app ({_named(answer)}); its administrator must"
            " agree to it. A mailbox that was connected stays readable and goes on by itself then."
        )
    return of_renewal(answer, retry_after_s)


def _classify(answer: Mapping[str, Any]) -> Advice:
    """By the last number that is known: Microsoft puts the more specific one behind the general,
    as in "AADSTS70002: Error validating credentials. AADSTS50012: ..."."""
    for number in reversed(_numbers(answer)):
        if number in CODES:
            return CODES[number]
    kind, advice = ERRORS.get(_error(answer), OTHERWISE)
    if kind is Kind.BLOCKED:
        advice = SUBERRORS.get(str(answer.get("suberror")), advice)
    return kind, advice


def _error(answer: Mapping[str, Any]) -> str:
    error = str(answer.get("error"))
    return error if _WORD.fullmatch(error) else "unknown_error"


def _numbers(answer: Mapping[str, Any]) -> list[int]:
    """A redirect carries its number in the description only."""
    listed = answer.get("error_codes")
    if isinstance(listed, list):
        return [each for each in listed if isinstance(each, int)]
    return [int(each) for each in _NUMBER.findall(str(answer.get("error_description")))]


def _named(answer: Mapping[str, Any]) -> str:
    """`invalid_grant, AADSTS50173`."""
    return ", ".join([_error(answer), *(f"AADSTS{each}" for each in _numbers(answer)[:3])])
