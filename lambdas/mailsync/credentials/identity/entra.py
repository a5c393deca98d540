"""Sign people in at Microsoft's identity platform and renew their tokens; implements
`IdentityPlatform`. No other module imports msal.

A grant is msal's serialized token cache: the refresh token with the data that msal needs to use it.
Sources: Microsoft identity platform docs, "Refresh tokens", "OAuth 2.0 client credentials flow" and
    "Application authentication certificate credentials".
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from mailsync.credentials.identity import (
    AdminConsent,
    OrganisationNotAllowed,
    SignInRejected,
    SignInResult,
    entra_errors,
)
from mailsync.credentials.identity.entra_settings import EntraSettings
from mailsync.credentials.token_set import TokenSet
from mailsync.errors import (
    AccessRevoked,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
    SettingMissing,
)
from mailsync.model import AccessToken
from mailsync.registry import OAuthSettings
from mailsync.response_body import (
    ACCEPT_ENCODING,
    MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL,
    UnreadableBody,
    read_body_or_none_if_too_large,
)
from mailsync.retry_after import parse_retry_after_s
from mailsync.settings import Settings, is_https_or_loopback_url

REQUEST_TIMEOUT_S = 15
_READ_BYTES = 64 * 2**10
_NO_ORGANISATION = (
    "This deployment allows no organisation, so the mailbox was not connected; list the tenant id"
    " in MICROSOFT_TENANTS."
)
_OTHER_ORGANISATION = (
    "This deployment does not allow the organisation, so the mailbox was not connected; list its"
    " tenant id in MICROSOFT_TENANTS."
)
_CONSENT_GIVEN = (
    "Microsoft reports that an administrator gave consent. This connected no mailbox: open the"
    " application and connect your mailbox. A mailbox that waited for this consent resumes its"
    " sync without further action."
)
_UNREADABLE = (ValueError, KeyError, RuntimeError, TypeError, OverflowError)
"""Exceptions of msal and of this module for a response that does not match the documentation."""
_PEM = re.compile(
    r"-----BEGIN (?:RSA )?(?P<what>PRIVATE KEY|CERTIFICATE)-----.*?-----END [A-Z ]+-----", re.DOTALL
)


def begin_sign_in(settings: Settings, oauth: OAuthSettings, redirect_uri: str) -> dict[str, Any]:
    """Start a sign-in by the OAuth authorization code flow with PKCE.

    Returns the flow, a JSON object that `finish_sign_in` needs; its `auth_uri` is the URL to
    redirect the browser to.

    Raises:
        ProviderThrottled: the identity platform requested a pause.
        ProviderUnavailable: the identity platform is unavailable.
    """
    with _app(settings) as (app, *_), warnings.catch_warnings():
        # msal warns that it prefers response_mode=form_post. A browser sends no SameSite=Lax cookie
        # with a POST from Microsoft's page, and that cookie binds the response to the browser.
        warnings.simplefilter("ignore", UserWarning)
        flow: dict[str, Any] = app.initiate_auth_code_flow(
            list(oauth.scopes), redirect_uri=redirect_uri, prompt="select_account"
        )
    _require_private(flow["auth_uri"])
    return flow


def finish_sign_in(
    settings: Settings, oauth: OAuthSettings, flow: Mapping[str, Any], query: Mapping[str, str]
) -> SignInResult:
    """Exchange the authorization code for tokens. The identity platform appended the code to the
    URL to which it redirected the browser.

    query: the parameters of that URL.

    Raises:
        SignInRejected: the user or the platform denied access, the user did not allow the
            application to read mail, or the query belongs to another flow.
        ProviderRejected: the identity platform rejected the app registration.
        ProviderThrottled: the identity platform requested a pause.
        ProviderUnavailable: the identity platform is unavailable.
    """
    if query.get("state") != flow.get("state"):
        raise SignInRejected(
            "state_mismatch",
            "The response belongs to another sign-in. No mailbox was connected; start the sign-in"
            " again.",
        )
    if "iss" in query and _origin(query["iss"]) != _origin(
        settings.read_settings_section(EntraSettings).authority_url
    ):
        # A code of another issuer must not be sent to this one (RFC 9207, mix-up attack).
        raise SignInRejected(
            "issuer_mismatch",
            "The response was issued by another platform than Microsoft. No mailbox was connected;"
            " start the sign-in again.",
        )
    with _app(settings) as (app, cache, http):
        response = app.acquire_token_by_auth_code_flow(dict(flow), dict(query))
        if "access_token" not in response:
            raise entra_errors.to_sign_in_error(response, http.retry_after_s)
        if not _may_read_mail(response):
            raise SignInRejected(
                "scope_missing",
                "The app was not allowed to read mail. No mailbox was connected; start the sign-in"
                " again and allow the app to read mail.",
            )
        claims = response.get("id_token_claims", {})
        return SignInResult(
            user_id_at_provider=app.get_accounts()[0]["home_account_id"],
            email_address=str(claims.get("preferred_username") or claims.get("email") or ""),
            tokens=TokenSet(_access(response), renewal_grant=cache.serialize()),
        )


def refresh_tokens(settings: Settings, oauth: OAuthSettings, grant: str | None) -> TokenSet:
    """Request a new access token with the grant. Return the new token and the grant for the next
    renewal.

    Raises:
        AccessRevoked: the identity platform rejected the grant. If `is_final` is true, the user
            must sign in again. Else the platform may accept the grant later.
        ProviderRejected: the identity platform rejected the app registration.
        ProviderThrottled: the identity platform requested a pause.
        ProviderUnavailable: the identity platform is unavailable.
    """
    with _app(settings, grant) as (app, cache, http):
        accounts = app.get_accounts()
        response = app.acquire_token_silent_with_error(
            list(oauth.scopes), accounts[0] if accounts else None, force_refresh=True
        )
        if not response:
            raise AccessRevoked(
                "The stored grant holds no refresh token, so new mail is not synced. Stored mail"
                " stays readable; connect the mailbox again.",
                is_final=True,
            )
        if "access_token" not in response:
            raise entra_errors.to_renewal_error(response, http.retry_after_s)
        return TokenSet(_access(response), renewal_grant=cache.serialize())


def try_to_revoke_all_grants_of_user(settings: Settings, oauth: OAuthSettings, grant: str) -> bool:
    """Return False: Microsoft's identity platform cannot revoke a single refresh token."""
    return False


def require_operator_allows_organisation(settings: Settings, organisation_id: str) -> None:
    tenants = settings.read_settings_section(EntraSettings).allowed_tenant_ids
    if organisation_id not in tenants:
        raise OrganisationNotAllowed(
            _OTHER_ORGANISATION if tenants else _NO_ORGANISATION, is_any_allowed=bool(tenants)
        )


def parse_admin_consent_redirect(query: Mapping[str, str]) -> AdminConsent | None:
    """Return an administrator's decision about the access to an organisation, if the query of a
    redirect reports such a decision. Return None if the redirect belongs to a sign-in.

    The platform redirects the administrator to the callback of sign-ins. Such a redirect has no
    authorization code and belongs to no sign-in that this API started.
    Source: Microsoft identity platform docs, "Admin consent on the Microsoft identity platform".
    """
    if "admin_consent" not in query or "code" in query:
        return None
    if "error" in query or query["admin_consent"].lower() != "true":
        return AdminConsent(False, entra_errors.explain_missing_admin_consent(query))
    return AdminConsent(True, _CONSENT_GIVEN)


def request_app_only_tokens(
    settings: Settings, oauth: OAuthSettings, organisation_id: str
) -> TokenSet:
    """Request an app-only access token of an organisation. The token is valid for every mailbox
    that the organisation lets the application read.

    Raises:
        AccessRevoked: the organisation has not consented to the application; its administrator must
            do so.
        ProviderRejected: the identity platform rejected the app registration.
        ProviderThrottled: the identity platform requested a pause.
        ProviderUnavailable: the identity platform is unavailable.
    """
    if oauth.app_only_token_resource_url_setting is None:
        raise ProviderRejected("The platform issues no app-only tokens for this provider.")
    scheme, host = _origin(settings.read_url_setting(oauth.app_only_token_resource_url_setting))
    with _app(settings, tenant=organisation_id) as (app, _, http):
        response = app.acquire_token_for_client([f"{scheme}://{host}/.default"])
        if "access_token" not in response:
            raise entra_errors.to_app_only_access_error(response, http.retry_after_s)
        return TokenSet(_access(response), granting_organisation_id=organisation_id)


_OPTIONS = {"timeout": REQUEST_TIMEOUT_S, "allow_redirects": False, "stream": True}


class _HttpClient:
    """The HTTP client of one msal application; raises for throttling and redirects.

    Requests contain the app's secret, codes and refresh tokens. The client therefore sends them
    only by https or to loopback, whatever URLs the platform's metadata names, and follows no
    redirect: a redirect with 307 would forward the form.

    The client checks statuses itself: msal exposes neither status nor headers of a response, and
    would parse the plain text of a 429 as JSON.

    retry_after_s: Retry-After of the last response, in seconds. None: no header.
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
        """Read the body, of at most `MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL`, and return the response.

        Raises:
            ValueError: the body is larger, or cannot be decompressed.
            ProviderThrottled, ProviderUnavailable: the status is 429, 503 or a redirect.
        """
        from urllib3.exceptions import HTTPError

        with response:
            self._check(response)
            raw = response.raw.stream(_READ_BYTES, decode_content=False)
            encoding = response.headers.get("Content-Encoding")
            try:
                body = read_body_or_none_if_too_large(
                    raw, encoding, MAX_BYTES_OF_RESPONSE_WITHOUT_MAIL
                )
            except (UnreadableBody, HTTPError) as error:
                raise ValueError(type(error).__name__) from None
        if body is None:
            raise ValueError("too large")
        response._content = bytes(body)  # `response.text` uses it
        return response

    def _check(self, response: Any) -> None:
        self.retry_after_s = parse_retry_after_s(response.headers.get("Retry-After"))
        status = response.status_code
        if 300 <= status < 400:
            raise ProviderUnavailable(
                f"Microsoft's sign-in service redirects to another address ({status}), to which the"
                " app's secret is not sent. Stored mail stays readable and the sync is retried. If"
                " this persists, check MICROSOFT_AUTHORITY."
            )
        if status == 429 or (status == 503 and self.retry_after_s is not None):
            raise ProviderThrottled(
                f"Microsoft's sign-in service requested a pause ({status}). Stored mail stays"
                " readable; the sync resumes after the pause.",
                retry_after_s=self.retry_after_s,
            )


@contextmanager
def _app(
    settings: Settings, grant: str | None = None, *, tenant: str | None = None
) -> Iterator[tuple[Any, Any, _HttpClient]]:
    """Yield a new msal application with its token cache and its HTTP client.

    msal repeats a rejection from its cache for 60 s. A reused application would reject renewals
    even after the user has signed in again.
    """
    import msal
    import requests

    cache, credential = (
        msal.SerializableTokenCache(),
        read_client_credential_from_settings(settings),
    )
    with requests.Session() as session, _translated():
        session.trust_env = False
        session.headers["Accept-Encoding"] = ACCEPT_ENCODING
        session.verify = settings.provider_ca_bundle_path or True
        http = _HttpClient(session)
        if grant:
            cache.deserialize(grant)
        app = msal.ConfidentialClientApplication(
            settings.read_settings_section(EntraSettings).client_id,
            client_credential=credential,
            authority=_authority(settings, tenant),
            # The authority is a setting, so msal need not ask Microsoft whether it is valid.
            instance_discovery=False,
            token_cache=cache,
            http_client=http,
        )
        yield app, cache, http


def _authority(settings: Settings, tenant: str | None) -> str:
    """Return the authority URL, with `tenant` as its last part if given."""
    authority = settings.read_settings_section(EntraSettings).authority_url
    return f"{authority.rpartition('/')[0]}/{tenant}" if tenant else authority


def read_client_credential_from_settings(settings: Settings) -> str | dict[str, str]:
    """Return the credential with which the application signs in at the platform: the certificate
    with its private key if MICROSOFT_CLIENT_CERTIFICATE is set, else the client secret.

    A certificate is safer than a secret, because the private key never leaves the function.

    Raises:
        SettingMissing: MICROSOFT_CLIENT_CERTIFICATE lacks the certificate or its key.
    """
    pem = settings.read_settings_section(EntraSettings).client_certificate
    if pem is None:
        return settings.read_settings_section(EntraSettings).client_secret
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
    if not is_https_or_loopback_url(url):
        raise ProviderUnavailable(
            "Microsoft's sign-in service names an address without https, to which no secret is"
            " sent. Stored mail stays readable and the sync is retried. If this persists, check"
            " MICROSOFT_AUTHORITY."
        )


def _origin(url: str) -> tuple[str, str]:
    try:
        split = urlsplit(url)
    except ValueError:
        return "", ""
    return split.scheme, split.netloc


@contextmanager
def _translated() -> Iterator[None]:
    """Turn exceptions of msal and requests into ProviderUnavailable.

    msal raises MsalError for a 5xx, passes exceptions of requests on, and raises built-in
    exceptions for a response that it cannot parse or verify.
    """
    import msal.exceptions
    import requests

    unavailable = (msal.exceptions.MsalError, requests.RequestException)
    try:
        yield
    except (*unavailable, *_UNREADABLE) as error:
        raise ProviderUnavailable(
            f"Microsoft's sign-in service failed ({type(error).__name__}). Stored mail stays"
            " readable; the sync is retried."
        ) from None


def _access(response: Mapping[str, Any]) -> AccessToken:
    lifetime = timedelta(seconds=int(response["expires_in"]))
    return AccessToken(response["access_token"], datetime.now(UTC) + lifetime)


def _may_read_mail(response: Mapping[str, Any]) -> bool:
    granted = {each.rpartition("/")[2].lower() for each in str(response.get("scope")).split()}
    return bool(granted & {"mail.read", "mail.readwrite"})
