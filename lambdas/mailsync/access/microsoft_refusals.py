"""Why Microsoft's identity platform said no, as a failure of ours or a sentence for a person.

OAuth's error decides what follows, for Microsoft adds numbers; a number that is known here only
chooses the sentence. The platform's own text is dropped, as it may name a person, and what came
back through a browser may be anybody's.

Sources: Microsoft identity platform docs, "Authentication and authorization error codes",
"OAuth 2.0 authorization code flow", "OAuth 2.0 client credentials flow".
"""

import re
from collections.abc import Mapping
from typing import Any

from mailsync.errors import AccessRevoked, MailsyncError, ProviderRejected, ProviderUnavailable

_REVOKED = frozenset({"invalid_grant", "interaction_required", "consent_required"})
_UNAVAILABLE = frozenset({"temporarily_unavailable", "server_error", "too_many_requests"})
_MISCONFIGURED = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
# The app is unknown in a tenant until one of its administrators consents (client credentials).
_NOT_ADMITTED = frozenset({65001, 700016, 7000229})

_WORD = re.compile(r"[a-z_]{1,40}")
_NUMBER = re.compile(r"\bAADSTS(\d{4,9})\b")

_AGREE = "agree on Microsoft's page to let the app read mail"
_BEGIN_AGAIN = "begin the sign-in again"
_PROVE = "sign in again and prove with the second factor that it is you"
_ADVICE: Mapping[int, str] = {
    50020: "this kind of account is not let in; sign in with another one",
    50034: "there is no such account; sign in with another one",
    50053: "the account is locked after too many attempts; wait and try again",
    50057: "the account is disabled; ask your administrator",
    50058: "nobody was signed in; begin the sign-in again",
    50076: _PROVE,
    50079: _PROVE,
    50105: "your administrator must assign you to the app",
    50173: "the password was changed or the sign-in withdrawn; sign in again",
    53003: "your organisation's rules for sign-ins forbid it; ask your administrator",
    54005: f"the code was used already; {_BEGIN_AGAIN}",
    65001: f"nobody has agreed yet; {_AGREE}",
    65004: f"the consent was declined; {_AGREE}",
    70000: _BEGIN_AGAIN,
    70008: f"the code or grant has expired; {_BEGIN_AGAIN}",
    700082: f"the mailbox was not read for 90 days; {_BEGIN_AGAIN}",
    700084: f"the grant has expired; {_BEGIN_AGAIN}",
    90094: "only an administrator of your organisation may agree; ask one",
    501481: f"the code belongs to another sign-in; {_BEGIN_AGAIN}",
    700016: "the app is not known in this organisation; its administrator must agree to it",
    7000229: "the app is not known in this organisation; its administrator must agree to it",
    700024: "the clock is wrong, or the app's certificate is out of date",
    700027: "check MICROSOFT_CLIENT_CERTIFICATE: Microsoft does not know it, or it has expired",
    1000502: "check MICROSOFT_CLIENT_CERTIFICATE: it has expired",
    7000215: "check MICROSOFT_CLIENT_SECRET: it is wrong",
    7000222: "check MICROSOFT_CLIENT_SECRET: it has expired",
}


class SignInRefused(Exception):
    """The sign-in did not take place; `code` is the identity platform's word or one of ours.

    Ours are `state_mismatch`, `issuer_mismatch` and `scope_missing`. Not a failure of a sync, so
    the workflow does not know it.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def of_sign_in(answer: Mapping[str, Any]) -> Exception:
    """A person is waiting: all but our own mistakes and outages is theirs to mend."""
    error = _error(answer)
    if error in _UNAVAILABLE or error in _MISCONFIGURED:
        return of_renewal(answer)
    if error == "access_denied" and not _numbers(answer):
        return SignInRefused(error, "The sign-in was cancelled, or the app was not allowed in.")
    advice = _advice(answer, "try again, or show this code to your administrator")
    return SignInRefused(error, f"Microsoft refused the sign-in ({_named(answer)}): {advice}.")


def of_renewal(answer: Mapping[str, Any]) -> MailsyncError:
    error, named = _error(answer), _named(answer)
    if error in _REVOKED:
        advice = _advice(answer, "connect the mailbox again")
        return AccessRevoked(f"Microsoft refuses the grant ({named}): {advice}.")
    if error in _UNAVAILABLE:
        return ProviderUnavailable(f"Microsoft's sign-in service failed ({named}); trying again.")
    advice = _advice(answer, "check its secret or certificate")
    return ProviderRejected(f"Microsoft refuses the app registration ({named}): {advice}.")


def of_organisation(answer: Mapping[str, Any]) -> MailsyncError:
    """Nobody's grant is at stake, but an administrator may have to admit the app again."""
    if not _NOT_ADMITTED.isdisjoint(_numbers(answer)):
        return AccessRevoked(
            f"The organisation does not admit the app ({_named(answer)}); its administrator must"
            " agree to it."
        )
    return of_renewal(answer)


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


def _advice(answer: Mapping[str, Any], otherwise: str) -> str:
    known = (_ADVICE[each] for each in _numbers(answer) if each in _ADVICE)
    return next(known, otherwise)
