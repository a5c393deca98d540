"""Simulate the identity platform over https: discovery, sign-in pages, token endpoint.

Sources: Microsoft identity platform docs (v2-oauth2-auth-code-flow,
    v2-oauth2-device-code, v2-oauth2-client-creds-grant-flow, v2-admin-consent,
    reference-error-codes) and the msal library.
"""

import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import uuid4

import orjson

from localdev.http_server import Request, Response
from localdev.simulators.entra.app_login import AppAuthenticator, TokenEndpointError
from localdev.simulators.entra.consents import ConsentStore, GrantRefusedError
from localdev.simulators.entra.device_codes import DEVICE_CODE_GRANT_TYPE, DeviceCodeStore
from localdev.simulators.entra.tokens import GRAPH_AUDIENCE, OUTLOOK_AUDIENCE, TokenSigner
from localdev.simulators.faults import Fault
from localdev.simulators.identity.answers import (
    build_injected_fault_response,
    error_page_response,
    html_page_response,
    json_response,
    redirect_to_application_response,
)
from localdev.simulators.identity.sign_in_page import render_sign_in_page
from localdev.simulators.service import (
    ORGANISATION_TENANT_ID,
    PERSONAL_TENANT_ID,
    SharedSimulatorState,
    UserNotFound,
    tenant_id_for_address,
)

CLIENT_ID = "6731de76-14a6-49ae-97bc-6eba6914391e"
CLIENT_SECRET = "local-only-secret"
_OPENID_SCOPES = frozenset({"openid", "profile", "offline_access", "email"})
_OF_SEVERAL = frozenset({"common", "organizations", "consumers"})


def is_path_opened_in_browser(path: str) -> bool:
    """Return whether a person opens `path` in a browser; programs call all other endpoints."""
    return path.endswith(("/oauth2/v2.0/authorize", "/v2.0/adminconsent", "/oauth2/deviceauth"))


class EntraServer:
    """The simulated identity platform, as an application for `localdev.http_server.Server`.

    The caller sets `base_url` (URL of this platform) and `graph_http_origin` (URL of Graph without
    a path) when the ports of both servers are known.
    """

    def __init__(
        self,
        service: SharedSimulatorState,
        signer: TokenSigner,
        *,
        client_id: str,
        client_secret: str,
    ) -> None:
        self.base_url = ""
        self.graph_http_origin = ""
        self.app_login = AppAuthenticator(service.database, client_id, client_secret)
        self.consents = ConsentStore(service.database)
        self.device_codes = DeviceCodeStore(service.database, self.consents)
        self._service = service
        self._signer = signer
        self._client_id = client_id

    def __call__(self, request: Request) -> Response:
        tenant, _, endpoint = request.path.strip("/").partition("/")
        handlers = {
            ("GET", "v2.0/.well-known/openid-configuration"): self._discovery,
            ("GET", "discovery/v2.0/keys"): self._keys,
            ("GET", "oauth2/v2.0/authorize"): self._authorize,
            ("POST", "oauth2/v2.0/authorize"): self._sign_in,
            ("POST", "oauth2/v2.0/token"): self._token,
            ("POST", "oauth2/v2.0/devicecode"): self._device_code,
            ("GET", "oauth2/deviceauth"): self._device_page,
            ("POST", "oauth2/deviceauth"): self._device_sign_in,
            ("GET", "v2.0/adminconsent"): self._admin_consent,
        }
        handler = handlers.get((request.method, endpoint))
        if handler is None:
            return Response(404, b"", {"Content-Type": "text/plain"})
        if tenant not in _OF_SEVERAL | {ORGANISATION_TENANT_ID, PERSONAL_TENANT_ID}:
            return json_response(
                400, _error("invalid_tenant", 90002, f"Tenant '{tenant}' not found.")
            )
        return handler(tenant, request)

    def _discovery(self, tenant: str, request: Request) -> Response:
        root = f"{self.base_url}/{tenant}"
        return json_response(
            200,
            {
                "issuer": f"{root}/v2.0",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "response_types_supported": ["code"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            },
        )

    def _keys(self, tenant: str, request: Request) -> Response:
        return json_response(200, {"keys": [self._signer.public_jwk()]})

    def _authorize(self, tenant: str, request: Request) -> Response:
        query = dict(parse_qsl(request.query_string))
        fault = self._authorize_fault(query)
        if fault:
            return fault
        page = render_sign_in_page(query, self._service.list_mailboxes())
        return html_page_response(page)

    def _sign_in(self, tenant: str, request: Request) -> Response:
        """Handle the sign-in form: parameters of the authorize request, and the chosen account."""
        query = dict(parse_qsl(request.query_string)) | dict(parse_qsl(request.body.decode()))
        fault = self._authorize_fault(query)
        if fault:
            return fault
        if query.get("decline"):
            sentence = "AADSTS65004: User declined to consent to access the app."
            return redirect_to_application_response(
                query, {"error": "access_denied", "error_description": sentence}
            )
        return self._consented(query, query.get("account", ""))

    def _device_code(self, tenant: str, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode()))
        try:
            self.app_login.check_client_id(form)
        except TokenEndpointError as error:
            return json_response(error.status, _error(error.error, error.number, str(error)))
        page = f"{self.base_url}/{tenant}/oauth2/deviceauth"
        return json_response(200, self.device_codes.issue_device_code(form.get("scope", ""), page))

    def _device_page(self, tenant: str, request: Request) -> Response:
        page = render_sign_in_page({}, self._service.list_mailboxes(), asks_for_code=True)
        return html_page_response(page)

    def _device_sign_in(self, tenant: str, request: Request) -> Response:
        """Handle the form of the device page: the code that a program shows, and the account."""
        form = dict(parse_qsl(request.body.decode()))
        code = form.get("user_code", "")
        try:
            known = (
                self.device_codes.decline_sign_in(code)
                if form.get("decline")
                else self.device_codes.approve_sign_in(
                    code, self._service.find_mailbox(form.get("account", "")).user_id
                )
            )
        except UserNotFound:
            known = False
        if not known:
            return error_page_response(
                "AADSTS70018: That code did not work. Check it and try again."
            )
        return Response(200, b"Close this window.", {"Content-Type": "text/plain; charset=utf-8"})

    def _admin_consent(self, tenant: str, request: Request) -> Response:
        """Consent to the application as the administrator of the tenant. The redirect to the
        application contains no authorization code.

        Source: v2-admin-consent.
        """
        query = dict(parse_qsl(request.query_string))
        fault = self._authorize_fault(query | {"response_type": "code"})
        if fault:
            return fault
        self._service.set_microsoft_behaviour_switches(tenant_consented=True)
        granted = {
            "admin_consent": "True",
            "tenant": ORGANISATION_TENANT_ID,
            "scope": query.get("scope", ""),
        }
        return redirect_to_application_response(query, granted)

    def _authorize_fault(self, query: dict[str, str]) -> Response | None:
        """Return an error page for a wrong authorize request, or None if the request is right. The
        error must not redirect the browser, because the redirect address has not been verified."""
        if query.get("client_id") != self._client_id:
            return error_page_response("AADSTS700016: Application was not found in the directory.")
        if not query.get("redirect_uri"):
            return error_page_response("AADSTS900144: 'redirect_uri' is required.")
        if query.get("response_type") != "code":
            return error_page_response("AADSTS700054: response_type must be 'code'.")
        return None

    def _consented(self, query: dict[str, str], account: str) -> Response:
        try:
            user_id = self._service.find_mailbox(account).user_id
        except UserNotFound:
            sentence = "AADSTS50058: A silent sign-in request was sent but no user is signed in."
            return redirect_to_application_response(
                query, {"error": "login_required", "error_description": sentence}
            )
        code = self.consents.issue_authorization_code(
            user_id=user_id,
            scope=query.get("scope", ""),
            redirect_uri=query["redirect_uri"],
            challenge=query.get("code_challenge"),
            nonce=query.get("nonce"),
        )
        return redirect_to_application_response(
            query, {"code": code, "session_state": str(uuid4())}
        )

    def _token(self, tenant: str, request: Request) -> Response:
        form = dict(parse_qsl(request.body.decode()))
        fault = self._service.token_faults.take_fault_for_request("POST", request.path)
        if fault:
            return _injected(fault)
        try:
            public = self._service.behaviour.public_clients_allowed
            if public and self.device_codes.is_public_client_request(form):
                self.app_login.check_client_id(form)
            else:
                self.app_login.check_app_credentials(form, f"{self.base_url}{request.path}")
            if "client_secret" in form and self._service.behaviour.app_secret_expired:
                sentence = "The provided client secret keys for app are expired."
                raise TokenEndpointError("invalid_client", 7000222, sentence, 401)
            return json_response(200, self._granted(tenant, form))
        except TokenEndpointError as error:
            return json_response(error.status, _error(error.error, error.number, str(error)))
        except GrantRefusedError as refusal:
            return json_response(400, _error("invalid_grant", refusal.number, str(refusal)))

    def _granted(self, tenant: str, form: dict[str, str]) -> dict[str, Any]:
        match form.get("grant_type"):
            case "authorization_code":
                consent_id, nonce = self.consents.redeem_authorization_code(
                    form.get("code", ""),
                    redirect_uri=form.get("redirect_uri", ""),
                    verifier=form.get("code_verifier"),
                )
                return self._user_tokens(tenant, consent_id, nonce)
            case grant if grant == DEVICE_CODE_GRANT_TYPE:
                consent_id = self.device_codes.consent_id_of_device_code(
                    form.get("device_code", "")
                )
                return self._user_tokens(tenant, consent_id, None)
            case "refresh_token":
                consent_id = self.consents.consent_id_of_refresh_token(
                    form.get("refresh_token", "")
                )
                return self._user_tokens(tenant, consent_id, None)
            case "client_credentials":
                return self._app_token(tenant, form.get("scope", ""))
        raise TokenEndpointError(
            "unsupported_grant_type", 70003, "The grant type is not supported."
        )

    def _user_tokens(self, tenant: str, consent_id: str, nonce: str | None) -> dict[str, Any]:
        user_id, requested_scope = self.consents.user_and_scope_of_consent(consent_id)
        mailbox = self._service.find_mailbox(user_id)
        requested = requested_scope.split()
        scope = " ".join(each for each in requested if each not in _OPENID_SCOPES)
        granted = self._access_token({"scp": scope, "oid": user_id}) | {"scope": scope}
        id_claims = {
            "aud": self._client_id,
            "iss": f"{self.base_url}/{tenant}/v2.0",
            "sub": user_id,
            "oid": user_id,
            "name": mailbox.display_name,
            "preferred_username": mailbox.address,
            **({"nonce": nonce} if nonce else {}),
        }
        granted["id_token"] = self._signer.sign_token(id_claims, lifetime_s=3600)
        client_info = orjson.dumps({"uid": user_id, "utid": tenant_id_for_address(mailbox.address)})
        granted["client_info"] = urlsafe_b64encode(client_info).decode().rstrip("=")
        if "offline_access" in requested:
            granted["refresh_token"] = self.consents.issue_refresh_token(consent_id)
        return granted

    def _app_token(self, tenant: str, scope: str) -> dict[str, Any]:
        """Issue a token to the app itself, in a tenant whose administrator has consented to it."""
        behaviour = self._service.behaviour
        if tenant in _OF_SEVERAL or not behaviour.tenant_consented:
            sentence = f"Application was not found in the directory '{tenant}'."
            raise TokenEndpointError("unauthorized_client", 700016, sentence)
        if scope not in (f"{GRAPH_AUDIENCE}/.default", f"{self.graph_http_origin}/.default"):
            raise TokenEndpointError("invalid_scope", 1002012, "The scope must end in '/.default'.")
        return self._access_token({"roles": list(behaviour.app_roles), "oid": str(uuid4())})

    def _access_token(self, claims: dict[str, Any]) -> dict[str, Any]:
        lifetime_s = self._service.behaviour.token_lifetime_s
        is_for_outlook = f"{OUTLOOK_AUDIENCE}/" in claims.get("scp", "")
        audience = OUTLOOK_AUDIENCE if is_for_outlook else GRAPH_AUDIENCE
        shared = {"aud": audience, "iss": self.base_url, "appid": self._client_id}
        token = self._signer.sign_token({**shared, **claims}, lifetime_s=lifetime_s)
        times = {"expires_in": lifetime_s, "ext_expires_in": lifetime_s}
        return {"token_type": "Bearer", "access_token": token, **times}


def _injected(fault: Fault) -> Response:
    """Return the token endpoint's response for a fault: an OAuth error, or the fault's `body`."""
    number = re.match(r"AADSTS(\d+)", fault.message)
    document = _error(fault.code, int(number[1]) if number else 0, fault.message)
    return build_injected_fault_response(fault, document)


def _error(error: str, number: int, description: str) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    document: dict[str, Any] = {
        "error": error,
        "error_description": description,
        "error_codes": [number],
        "timestamp": now,
        "trace_id": str(uuid4()),
        "correlation_id": str(uuid4()),
    }
    if error == "invalid_grant":
        document["suberror"] = "bad_token"
    return document
