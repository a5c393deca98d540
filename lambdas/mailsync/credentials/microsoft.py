"""Signing in to Microsoft 365: the only module that knows msal.

A grant is msal's token cache as text: the refresh token with what msal needs to use it.
Sources: Microsoft identity platform docs, "Refresh tokens", "OAuth 2.0 client credentials flow"
and "Application authentication certificate credentials".
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from mailsync.credentials import microsoft_refusals as refusals
from mailsync.credentials.microsoft_refusals import SignInRefused
from mailsync.credentials.token_set import TokenSet
from mailsync.errors import (
    AccessRevoked,
    ProviderThrottled,
    ProviderUnavailable,
    SettingMissing,
)
from mailsync.model import Access
from mailsync.response_body import (
    ACCEPT_ENCODING,
    SMALL_BODY_BYTES,
    UnreadableBody,
    read_body,
)
from mailsync.retry_after import retry_after_s
from mailsync.settings import Settings, is_private_url

SCOPES = ("Mail.Read", "User.Read")
TIMEOUT_S = 15
_READ_BYTES = 64 * 2**10
_UNREADABLE = (ValueError, KeyError, RuntimeError, TypeError, OverflowError)
"""What msal and we raise for an answer that is not as documented."""
_PEM = re.compile(
    r"-----BEGIN (?:RSA )?(?P<what>PRIVATE KEY|CERTIFICATE)-----.*?-----END [A-Z ]+-----",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`home_account_id` stays the same when the address changes."""

    home_account_id: str
    address: str
    tokens: TokenSet


def begin_sign_in(settings: Settings, redirect_uri: str) -> dict[str, Any]:
    """What to keep, as JSON, until the person comes back; `auth_uri` is where to send them.

    Raises:
        ProviderThrottled, ProviderUnavailable: the identity platform does not answer.
    """
    with _app(settings) as (app, *_), warnings.catch_warnings():
        # msal wants the answer as a POST from Microsoft's page, but a browser sends no
        # SameSite=Lax cookie with one, and that cookie is what binds the answer to the browser.
        warnings.simplefilter("ignore", UserWarning)
        flow: dict[str, Any] = app.initiate_auth_code_flow(
            list(SCOPES), redirect_uri=redirect_uri, prompt="select_account"
        )
    _require_private(flow["auth_uri"])
    return flow


def finish_sign_in(
    settings: Settings, flow: Mapping[str, Any], query: Mapping[str, str]
) -> SignedIn:
    """Exchanges the code in the query of the redirect.

    Raises:
        SignInRefused: the person or the platform said no, or the query belongs to another flow.
        ProviderRejected: the app registration is refused.
        ProviderThrottled: the identity platform asks for a pause.
        ProviderUnavailable: the identity platform does not answer.
    """
    if query.get("state") != flow.get("state"):
        raise SignInRefused("state_mismatch", "This sign-in was begun elsewhere; begin it again.")
    if "iss" in query and _origin(query["iss"]) != _origin(settings.microsoft_authority):
        # Another platform's code must not be shown to this one, nor the other way round (RFC 9207).
        raise SignInRefused("issuer_mismatch", "Another platform than Microsoft answered.")
    with _app(settings) as (app, cache, http):
        answer = app.acquire_token_by_auth_code_flow(dict(flow), dict(query))
        if "access_token" not in answer:
            raise refusals.of_sign_in(answer, http.retry_after_s)
        if not _may_read_mail(answer):
            raise SignInRefused("scope_missing", "The app was not allowed to read mail.")
        claims = answer.get("id_token_claims", {})
        return SignedIn(
            home_account_id=app.get_accounts()[0]["home_account_id"],
            address=str(claims.get("preferred_username") or claims.get("email") or ""),
            tokens=TokenSet(_access(answer), grant=cache.serialize()),
        )


def refresh(settings: Settings, grant: str | None) -> TokenSet:
    """A new access token for a grant, and the grant to use next time.

    Raises:
        AccessRevoked: the grant is refused; only a person can give a new one.
        ProviderRejected: the app registration is refused.
        ProviderThrottled: the identity platform asks for a pause.
        ProviderUnavailable: the identity platform does not answer.
    """
    with _app(settings, grant) as (app, cache, http):
        accounts = app.get_accounts()
        answer = app.acquire_token_silent_with_error(
            list(SCOPES), accounts[0] if accounts else None, force_refresh=True
        )
        if not answer:
            raise AccessRevoked(
                "The stored grant holds no refresh token; connect the mailbox again.", is_final=True
            )
        if "access_token" not in answer:
            raise refusals.of_renewal(answer, http.retry_after_s)
        return TokenSet(_access(answer), grant=cache.serialize())


def app_only_tokens(settings: Settings, organisation_id: str) -> TokenSet:
    """A new access token of the application itself, for every mailbox it may read there.

    Raises:
        AccessRevoked: the organisation does not admit the app; its administrator must agree.
        ProviderRejected: the app registration is refused.
        ProviderThrottled: the identity platform asks for a pause.
        ProviderUnavailable: the identity platform does not answer.
    """
    scheme, host = _origin(settings.graph_url)
    with _app(settings, tenant=organisation_id) as (app, _, http):
        answer = app.acquire_token_for_client([f"{scheme}://{host}/.default"])
        if "access_token" not in answer:
            raise refusals.of_organisation(answer, http.retry_after_s)
        return TokenSet(_access(answer), organisation_id=organisation_id)


_OPTIONS = {"timeout": TIMEOUT_S, "allow_redirects": False, "stream": True}


class _HttpClient:
    """The HTTP client of one msal application, which tells what msal keeps to itself.

    What it sends holds the app's secret, codes and refresh tokens, so it goes out by https alone
    (or to this machine), whatever address the platform's own metadata names, and follows no
    redirect: one with 307 would carry the form along.

    msal hands out neither the status of an answer nor its headers, and reads the plain text of a
    429 as broken JSON. `retry_after_s` is what the last answer asked for, None if nothing.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self.retry_after_s: float | None = None

    def get(self, url: str, **parts: Any) -> Any:
        _require_private(url)
        return self._read(self._session.get(url, **_OPTIONS, **parts))

    def post(self, url: str, **parts: Any) -> Any:
        _require_private(url)
        return self._read(self._session.post(url, **_OPTIONS, **parts))

    def close(self) -> None:
        self._session.close()

    def _read(self, response: Any) -> Any:
        """The answer with its body, of `SMALL_BODY_BYTES` at most.

        Raises:
            ValueError: the body is larger, or cannot be unpacked.
            ProviderThrottled, ProviderUnavailable: the body does not matter any more.
        """
        from urllib3.exceptions import HTTPError

        with response:
            self._check(response)
            raw = response.raw.stream(_READ_BYTES, decode_content=False)
            encoding = response.headers.get("Content-Encoding")
            try:
                body = read_body(raw, encoding, SMALL_BODY_BYTES)
            except (UnreadableBody, HTTPError) as error:
                raise ValueError(type(error).__name__) from None
        if body is None:
            raise ValueError("too large")
        response._content = bytes(body)  # what `text` reads, instead of the connection
        return response

    def _check(self, response: Any) -> None:
        self.retry_after_s = retry_after_s(response.headers.get("Retry-After"))
        status = response.status_code
        if 300 <= status < 400:
            raise ProviderUnavailable(
                f"Microsoft's sign-in service leads elsewhere ({status}); the app's secret is not"
                " sent there. The sync goes on later; if this stays, check MICROSOFT_AUTHORITY."
            )
        if status == 429 or (status == 503 and self.retry_after_s is not None):
            raise ProviderThrottled(
                f"Microsoft's sign-in service asks for a pause ({status}); the sync goes on then.",
                retry_after_s=self.retry_after_s,
            )


@contextmanager
def _app(
    settings: Settings, grant: str | None = None, *, tenant: str | None = None
) -> Iterator[tuple[Any, Any, _HttpClient]]:
    """An msal application with its token cache and its HTTP client.

    Always a new one: msal answers a refused request from memory for 60 s, so an application
    that is kept would go on refusing after a person has signed in again.
    """
    import msal
    import requests

    cache, credential = msal.SerializableTokenCache(), _credential(settings)
    with requests.Session() as session, _translated():
        session.trust_env = False
        session.headers["Accept-Encoding"] = ACCEPT_ENCODING
        session.verify = settings.ca_bundle or True
        http = _HttpClient(session)
        if grant:
            cache.deserialize(grant)
        app = msal.ConfidentialClientApplication(
            settings.microsoft_client_id,
            client_credential=credential,
            authority=_authority(settings, tenant),
            # The platform is a setting; Microsoft need not be asked whether it is one of theirs.
            instance_discovery=False,
            token_cache=cache,
            http_client=http,
        )
        yield app, cache, http


def _authority(settings: Settings, tenant: str | None) -> str:
    """The platform's address ends in the tenant, or a word for several of them."""
    authority = settings.microsoft_authority
    return f"{authority.rpartition('/')[0]}/{tenant}" if tenant else authority


def _credential(settings: Settings) -> str | dict[str, str]:
    """The certificate where there is one: its key never leaves the function, as a secret does.

    Raises:
        SettingMissing: the certificate's setting does not hold both it and its key.
    """
    pem = settings.microsoft_client_certificate
    if pem is None:
        return settings.microsoft_client_secret
    found = {each["what"]: each[0] for each in _PEM.finditer(pem)}
    try:
        key, certificate = found["PRIVATE KEY"], found["CERTIFICATE"]
        load_pem_private_key(key.encode(), password=None)
        load_pem_x509_certificate(certificate.encode())
    except (KeyError, ValueError, TypeError):
        raise SettingMissing(
            "MICROSOFT_CLIENT_CERTIFICATE must hold a certificate and its unencrypted RSA key, both"
            " as PEM."
        ) from None
    return {"private_key": key, "public_certificate": certificate}


def _require_private(url: str) -> None:
    """Raise ProviderUnavailable unless the address is https or on loopback."""
    if not is_private_url(url):
        raise ProviderUnavailable(
            "Microsoft's sign-in service names an address without https; nothing is sent there."
            " The sync goes on later; if this stays, check MICROSOFT_AUTHORITY."
        )


def _origin(url: str) -> tuple[str, str]:
    try:
        split = urlsplit(url)
    except ValueError:
        return "", ""
    return split.scheme, split.netloc


@contextmanager
def _translated() -> Iterator[None]:
    """msal raises its own error for a 5xx, lets those of requests through, and raises one of
    the built-in ones for an answer that it cannot read or trust."""
    import msal.exceptions
    import requests

    unavailable = (msal.exceptions.MsalError, requests.RequestException)
    try:
        yield
    except (*unavailable, *_UNREADABLE) as error:
        raise ProviderUnavailable(
            f"Microsoft's sign-in service failed ({type(error).__name__}); trying again."
        ) from None


def _access(answer: Mapping[str, Any]) -> Access:
    lifetime = timedelta(seconds=int(answer["expires_in"]))
    return Access(answer["access_token"], datetime.now(UTC) + lifetime)


def _may_read_mail(answer: Mapping[str, Any]) -> bool:
    granted = {each.rpartition("/")[2].lower() for each in str(answer.get("scope")).split()}
    return bool(granted & {"mail.read", "mail.readwrite"})
