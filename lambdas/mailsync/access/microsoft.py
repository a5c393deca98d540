"""Signing in to Microsoft 365: the only module that knows msal.

A grant is msal's token cache as text: the refresh token with what msal needs to use it. Source:
Microsoft identity platform docs, "Refresh tokens" and "Authentication and authorization error
codes".
"""

import functools
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from mailsync.errors import AccessRevoked, MailsyncError, ProviderRejected, ProviderUnavailable
from mailsync.model import Access
from mailsync.settings import Settings

SCOPES = ("Mail.Read", "User.Read")
TIMEOUT_S = 15
_REVOKED = frozenset({"invalid_grant", "interaction_required", "consent_required"})
_UNAVAILABLE = frozenset({"temporarily_unavailable", "server_error", "too_many_requests"})


class SignInRefused(Exception):
    """The sign-in did not take place; `code` is the identity platform's word or one of ours.

    Ours are `state_mismatch` and `scope_missing`. Not a failure of a sync, so the workflow does
    not know it.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`home_account_id` stays the same when the address changes; `grant` is to be sealed."""

    home_account_id: str
    address: str
    grant: str = field(repr=False)
    access: Access


@dataclass(frozen=True, slots=True)
class Renewed:
    """`grant` replaces the one that was used."""

    grant: str = field(repr=False)
    access: Access


def begin_sign_in(
    settings: Settings, redirect_uri: str, login_hint: str | None = None
) -> dict[str, Any]:
    """What to keep, as JSON, until the person comes back; `auth_uri` is where to send them.

    Raises:
        ProviderUnavailable: the identity platform does not answer.
    """
    with _app(settings, None) as (app, _), warnings.catch_warnings():
        # msal wants the answer as a POST from Microsoft's page, but a browser sends no
        # SameSite=Lax cookie with one, and that cookie is what binds the answer to the browser.
        warnings.simplefilter("ignore", UserWarning)
        flow: dict[str, Any] = app.initiate_auth_code_flow(
            list(SCOPES), redirect_uri=redirect_uri, login_hint=login_hint, prompt="select_account"
        )
    return flow


def finish_sign_in(
    settings: Settings, flow: Mapping[str, Any], query: Mapping[str, str]
) -> SignedIn:
    """Exchanges the code in the query of the redirect.

    Raises:
        SignInRefused: the person or the platform said no, or the query belongs to another flow.
        ProviderRejected: the app registration is refused.
        ProviderUnavailable: the identity platform does not answer.
    """
    if query.get("state") != flow.get("state"):
        raise SignInRefused("state_mismatch", "This sign-in was begun elsewhere; begin it again.")
    with _app(settings, None) as (app, cache):
        answer = app.acquire_token_by_auth_code_flow(dict(flow), dict(query))
        if "access_token" not in answer:
            raise _sign_in_refusal(answer)
        if not _may_read_mail(answer):
            raise SignInRefused("scope_missing", "The app was not allowed to read mail.")
        claims = answer.get("id_token_claims", {})
        return SignedIn(
            home_account_id=app.get_accounts()[0]["home_account_id"],
            address=str(claims.get("preferred_username") or claims.get("email") or ""),
            grant=cache.serialize(),
            access=_access(answer),
        )


def refresh(settings: Settings, grant: str) -> Renewed:
    """A new access token for a grant, and the grant to use next time.

    Raises:
        AccessRevoked: the grant is refused; only a person can give a new one.
        ProviderRejected: the app registration is refused.
        ProviderUnavailable: the identity platform does not answer.
    """
    with _app(settings, grant) as (app, cache):
        accounts = app.get_accounts()
        answer = app.acquire_token_silent_with_error(
            list(SCOPES), accounts[0] if accounts else None, force_refresh=True
        )
        if not answer:
            raise AccessRevoked("The stored grant holds no refresh token; connect it again.")
        if "access_token" not in answer:
            raise _refusal(answer)
        return Renewed(cache.serialize(), _access(answer))


@contextmanager
def _app(settings: Settings, grant: str | None) -> Iterator[tuple[Any, Any]]:
    """An msal application with its token cache.

    Always a new one: msal answers a refused request from memory for 60 s, so an application
    that is kept would go on refusing after a person has signed in again.
    """
    import msal
    import requests

    cache = msal.SerializableTokenCache()
    with requests.Session() as session, _translated():
        session.trust_env = False
        session.verify = settings.ca_bundle or True
        http_client = _with_timeout(session)
        if grant:
            cache.deserialize(grant)
        app = msal.ConfidentialClientApplication(
            settings.microsoft_client_id,
            client_credential=settings.microsoft_client_secret,
            authority=settings.microsoft_authority,
            # The platform is a setting; Microsoft need not be asked whether it is one of theirs.
            instance_discovery=False,
            token_cache=cache,
            http_client=http_client,
        )
        yield app, cache


def _with_timeout(session: Any) -> Any:
    session.request = functools.partial(session.request, timeout=TIMEOUT_S)
    return session


@contextmanager
def _translated() -> Iterator[None]:
    """msal raises its own error for a 5xx, lets those of requests through, and raises one of
    the built-in ones for an answer that it cannot read or trust."""
    import msal.exceptions
    import requests

    unavailable = (msal.exceptions.MsalError, requests.RequestException)
    try:
        yield
    except (*unavailable, ValueError, KeyError, RuntimeError) as error:
        raise ProviderUnavailable(
            f"Microsoft's sign-in service failed ({type(error).__name__}); trying again."
        ) from None


def _access(answer: Mapping[str, Any]) -> Access:
    lifetime = timedelta(seconds=int(answer["expires_in"]))
    return Access(answer["access_token"], datetime.now(UTC) + lifetime)


def _may_read_mail(answer: Mapping[str, Any]) -> bool:
    granted = {each.rpartition("/")[2].lower() for each in str(answer.get("scope")).split()}
    return bool(granted & {"mail.read", "mail.readwrite"})


def _sign_in_refusal(answer: Mapping[str, Any]) -> Exception:
    error = str(answer.get("error"))
    if error == "access_denied":
        return SignInRefused(error, "The sign-in was cancelled, or the app was not allowed in.")
    failure = _refusal(answer)
    if isinstance(failure, AccessRevoked):
        return SignInRefused(error, f"Microsoft refused the sign-in ({_named(answer)}).")
    return failure


def _refusal(answer: Mapping[str, Any]) -> MailsyncError:
    """The error, not its number, decides: Microsoft adds numbers (Entra docs, error codes)."""
    error, named = str(answer.get("error")), _named(answer)
    if error in _REVOKED:
        return AccessRevoked(f"Microsoft refuses the grant ({named}); connect the mailbox again.")
    if error in _UNAVAILABLE:
        return ProviderUnavailable(f"Microsoft's sign-in service failed ({named}); trying again.")
    return ProviderRejected(
        f"Microsoft refuses the app registration ({named}); check MICROSOFT_CLIENT_SECRET."
    )


def _named(answer: Mapping[str, Any]) -> str:
    """`invalid_grant, AADSTS50173`; the description is dropped, it may name a person."""
    codes = answer.get("error_codes") or []
    return ", ".join([str(answer.get("error")), *(f"AADSTS{each}" for each in codes)])
