"""Simulate Google's identity platform over https: sign-in page, token endpoint, revocation, user
information and key set. Google has several hosts; the simulator serves all their paths on one.

Sources: Google Identity documentation, "Using OAuth 2.0 for Web Server Applications" and "OpenID
    Connect"; captures of token responses in public issue reports.
"""

import hmac
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

from localdev.http_server import Request, Response
from localdev.simulators.google.accounts import AccountDirectory, GoogleAccount
from localdev.simulators.google.behaviour import GoogleBehaviour
from localdev.simulators.google.consents import (
    PRODUCTION_REFRESH_TOKEN_LIFETIME_S,
    TESTING_REFRESH_TOKEN_LIFETIME_S,
    AccessTokenRefusedError,
    ConsentStore,
    GoogleAccessTokenPermissions,
    GrantRefusedError,
)
from localdev.simulators.google.push_tokens import GOOGLE_TOKEN_ISSUER, PushTokenSigner
from localdev.simulators.identity.answers import (
    build_injected_fault_response,
    error_page_response,
    html_page_response,
    json_response,
    redirect_to_application_response,
)
from localdev.simulators.identity.sign_in_page import render_sign_in_page
from localdev.simulators.identity.signing import SigningKey, make_random_claim_value
from localdev.simulators.service import SharedSimulatorState, UserNotFound

GOOGLE_CLIENT_ID = "123456789012-simulated.apps.googleusercontent.com"
GOOGLE_CLIENT_SECRET = "GOCSPX-local-only-secret"
AUTHORIZE_PATH = "/o/oauth2/v2/auth"
_OPENID_SCOPES = ("openid", "email", "profile")
_FULL_SCOPE_NAMES = {
    "email": "https://www.googleapis.com/auth/userinfo.email",
    "profile": "https://www.googleapis.com/auth/userinfo.profile",
}


class _TokenEndpointError(Exception):
    """The token endpoint rejects a request with an error code of OAuth."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.status = status


def is_path_opened_in_browser(path: str) -> bool:
    """Return whether a person opens `path` in a browser; programs call all other endpoints."""
    return path == AUTHORIZE_PATH


class GoogleIdentityServer:
    """Google's simulated identity platform, as an application for `localdev.http_server.Server`.

    base_url: URL of this platform. The caller sets it when the port is known.
    """

    def __init__(
        self, service: SharedSimulatorState, *, client_id: str, client_secret: str
    ) -> None:
        self.base_url = ""
        self.behaviour = GoogleBehaviour()
        self.client_id = client_id
        self.client_secret = client_secret
        self.accounts = AccountDirectory(service)
        self.consents = ConsentStore(service.database)
        self._service = service
        self._key = SigningKey(service.database, "google key", "google-simulator")
        self.push_tokens = PushTokenSigner(self._key)
        self._handlers: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", AUTHORIZE_PATH): self._authorize,
            ("POST", AUTHORIZE_PATH): self._sign_in,
            ("POST", "/token"): self._token,
            ("POST", "/revoke"): self._revoke,
            ("GET", "/v1/userinfo"): self._user_information,
            ("GET", "/oauth2/v3/certs"): self._certificates,
        }

    def __call__(self, request: Request) -> Response:
        handler = self._handlers.get((request.method, request.path))
        if handler is None:
            return Response(404, b"", {"Content-Type": "text/plain"})
        if not is_path_opened_in_browser(request.path):
            fault = self._service.token_faults.take_fault_for_request(request.method, request.path)
            if fault:
                document = {"error": fault.code, "error_description": fault.message}
                return build_injected_fault_response(fault, document)
        return handler(request)

    def set_behaviour_switches(self, **values: Any) -> None:
        """Set switches of `GoogleBehaviour` by name. Raises TypeError for an unknown switch."""
        self.behaviour = replace(self.behaviour, **values)

    def verify_access_token(self, token: str) -> GoogleAccessTokenPermissions:
        """Return the user and the scopes of an access token. Raises AccessTokenRefusedError if the
        token is not valid."""
        return self.consents.verify_access_token(token)

    def issue_access_token(self, user: str, *scopes: str, lifetime_s: float = 3599) -> str:
        """Return an access token of the user without a sign-in, for tests. Raises UserNotFound."""
        consent_id = self.consents.create_consent(
            self.accounts.find_account(user).simulator_user_id, " ".join(scopes)
        )
        return self.consents.issue_access_token(consent_id, lifetime_s)

    def _certificates(self, request: Request) -> Response:
        return json_response(200, {"keys": [self._key.public_jwk()]})

    def _authorize(self, request: Request) -> Response:
        query = dict(parse_qsl(request.query_string))
        fault = self._authorize_fault(query)
        if fault:
            return fault
        asked = [each for each in query.get("scope", "").split() if each not in _OPENID_SCOPES]
        mailboxes = self._service.list_mailboxes()
        if hint := query.get("login_hint", "").lower():
            mailboxes.sort(key=lambda each: each.address.lower() != hint)
        return html_page_response(render_sign_in_page(query, mailboxes, tickable_scopes=asked))

    def _sign_in(self, request: Request) -> Response:
        """Handle the sign-in form: parameters of the authorize request, the chosen account, and the
        scopes whose boxes are ticked."""
        form = parse_qsl(request.body.decode())
        query = dict(parse_qsl(request.query_string)) | dict(form)
        fault = self._authorize_fault(query)
        if fault:
            return fault
        if query.get("decline"):
            return redirect_to_application_response(query, {"error": "access_denied"})
        try:
            account = self.accounts.find_account(query.get("account", ""))
        except UserNotFound:
            return error_page_response("Couldn't find your Google Account.")
        organisation = self.behaviour.internal_organisation
        if organisation is not None and account.organisation_domain != organisation:
            return error_page_response("Error 403: org_internal. This app is restricted.", 403)
        if self.behaviour.is_app_blocked:
            return redirect_to_application_response(query, {"error": "admin_policy_enforced"})
        ticked = [value for name, value in form if name == "tick"]
        return self._consented(query, account, ticked if "granular" in query else None)

    def _authorize_fault(self, query: dict[str, str]) -> Response | None:
        """Return the error page for a malformed authorize request or an unusable client. Google
        shows this page and does not redirect. None: the request is correct."""
        if query.get("client_id") != self.client_id or self.behaviour.is_client_deleted:
            return error_page_response(
                "Error 401: invalid_client. The OAuth client was not found.", 401
            )
        if self.behaviour.is_client_disabled:
            return error_page_response(
                "Error 401: disabled_client. The OAuth client was disabled.", 401
            )
        if not query.get("redirect_uri"):
            return error_page_response(
                "Error 400: invalid_request. Missing parameter: redirect_uri."
            )
        if query.get("response_type") != "code":
            return error_page_response("Error 400: unsupported_response_type.")
        if not query.get("scope"):
            return error_page_response(
                "Error 400: invalid_request. Missing required parameter: scope."
            )
        return None

    def _consented(
        self, query: dict[str, str], account: GoogleAccount, ticked: list[str] | None
    ) -> Response:
        """Redirect the browser to the application with an authorization code.

        ticked: the scopes that the person has granted. None: all requested scopes.
        """
        asked = query["scope"].split()
        granted = {
            _FULL_SCOPE_NAMES.get(each, each)
            for each in asked
            if ticked is None or each in _OPENID_SCOPES or each in ticked
        }
        earlier = self.consents.granted_scopes(account.simulator_user_id)
        if query.get("include_granted_scopes") == "true":
            granted |= earlier
        code = self.consents.issue_authorization_code(
            user_id=account.simulator_user_id,
            scope=" ".join(sorted(granted)),
            redirect_uri=query["redirect_uri"],
            challenge=query.get("code_challenge"),
            nonce=query.get("nonce"),
        )
        has_consented_again = not earlier or "consent" in query.get("prompt", "").split()
        if query.get("access_type") == "offline" and has_consented_again:
            self.consents.record_offline_access_grant(
                self.consents.consent_id_of_authorization_code(code)
            )
        answer = {"code": code, "scope": " ".join(sorted(granted)), "authuser": "0"}
        return redirect_to_application_response(
            query, {**answer, "prompt": "consent", "iss": GOOGLE_TOKEN_ISSUER}
        )

    def _token(self, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode()))
        try:
            self._check_client(form)
            return json_response(200, self._granted(form))
        except _TokenEndpointError as error:
            return json_response(
                error.status, {"error": error.error, "error_description": str(error)}
            )
        except GrantRefusedError as refusal:
            document = {"error": "invalid_grant", "error_description": str(refusal)}
            if refusal.subtype:
                document["error_subtype"] = refusal.subtype
                document["error_uri"] = "https://support.google.com/a/answer/9368756"
            return json_response(400, document)

    def _check_client(self, form: dict[str, str]) -> None:
        if self.behaviour.is_client_deleted:
            raise _TokenEndpointError("deleted_client", "The OAuth client was deleted.", 401)
        if self.behaviour.is_client_disabled:
            raise _TokenEndpointError("disabled_client", "The OAuth client was disabled.", 401)
        if form.get("client_id") != self.client_id:
            raise _TokenEndpointError("invalid_client", "The OAuth client was not found.", 401)
        if not hmac.compare_digest(form.get("client_secret", ""), self.client_secret):
            raise _TokenEndpointError("invalid_client", "Unauthorized", 401)

    def _granted(self, form: dict[str, str]) -> dict[str, Any]:
        grant = form.get("grant_type")
        if grant not in ("authorization_code", "refresh_token"):
            raise _TokenEndpointError("unsupported_grant_type", f"Invalid grant_type: {grant}")
        if grant == "refresh_token":
            consent_id = self.consents.consent_id_of_refresh_token(form.get("refresh_token", ""))
            return self._tokens(consent_id, None)
        consent_id, nonce = self.consents.redeem_authorization_code(
            form.get("code", ""),
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier"),
        )
        tokens = self._tokens(consent_id, nonce)
        if self.consents.is_offline_access_granted(consent_id):
            tokens |= self._refresh_token(consent_id)
        return tokens

    def _tokens(self, consent_id: str, nonce: str | None) -> dict[str, Any]:
        user_id, scope = self.consents.user_and_scope_of_consent(consent_id)
        if self.behaviour.is_app_blocked:
            raise _TokenEndpointError(
                "admin_policy_enforced", "This app is not allowed by your administrator."
            )
        lifetime_s = self.behaviour.token_lifetime_s
        tokens: dict[str, Any] = {
            "access_token": self.consents.issue_access_token(consent_id, lifetime_s),
            "expires_in": lifetime_s,
            "scope": scope,
            "token_type": "Bearer",
        }
        if "openid" in scope.split():
            tokens["id_token"] = self._id_token(self.accounts.find_account(user_id), scope, nonce)
        return tokens

    def _refresh_token(self, consent_id: str) -> dict[str, Any]:
        is_testing = self.behaviour.is_testing
        lifetime_s = (
            TESTING_REFRESH_TOKEN_LIFETIME_S if is_testing else PRODUCTION_REFRESH_TOKEN_LIFETIME_S
        )
        token = self.consents.issue_refresh_token_and_expire_oldest(
            consent_id, lifetime_s=lifetime_s, kept=self.behaviour.refresh_tokens_kept
        )
        ends = {"refresh_token_expires_in": lifetime_s - 1} if is_testing else {}
        return {"refresh_token": token, **ends}

    def _id_token(self, account: GoogleAccount, scope: str, nonce: str | None) -> str:
        claims = {
            "iss": GOOGLE_TOKEN_ISSUER,
            "aud": self.client_id,
            "azp": self.client_id,
            "at_hash": make_random_claim_value(),
            **_claims_of_user(account, scope.split()),
            **({"nonce": nonce} if nonce else {}),
        }
        now = time.time() + self.behaviour.clock_offset_s
        return self._key.sign_token(claims, lifetime_s=3600, now=now)

    def _revoke(self, request: Request) -> Response:
        form = dict(parse_qsl(request.query_string)) | dict(parse_qsl(request.body.decode()))
        if self.consents.end_all_consents_of_token_owner(form.get("token", "")):
            return json_response(200, {})
        sentence = "Token expired or revoked"
        return json_response(400, {"error": "invalid_token", "error_description": sentence})

    def _user_information(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            bearer = self.verify_access_token(token)
        except AccessTokenRefusedError as refusal:
            document = {"error": "invalid_request", "error_description": str(refusal)}
            return json_response(401, document)
        account = self.accounts.find_account(bearer.user_id)
        return json_response(200, _claims_of_user(account, bearer.scopes))


def _claims_of_user(account: GoogleAccount, scopes: Any) -> dict[str, Any]:
    claims: dict[str, Any] = {"sub": account.oidc_subject}
    if account.organisation_domain:
        claims["hd"] = account.organisation_domain
    if _FULL_SCOPE_NAMES["email"] in scopes:
        claims |= {"email": account.address, "email_verified": True}
    if _FULL_SCOPE_NAMES["profile"] in scopes:
        claims["name"] = account.display_name
    return claims
