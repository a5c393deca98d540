"""Define the routes that connect a mailbox.

The owner of the mailbox signs in or sends its password, or an administrator of the application
requests a mailbox of an organisation. These routes validate their few fields without pydantic, so
that the Lambda function `connect` starts faster.
"""

import json
import re
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api import estimate, removal
from mailsync.api.account_connector import AccountConnector, ConnectedAccount
from mailsync.api.admin_consent import make_admin_consent_response
from mailsync.api.audit import write_audit_record
from mailsync.api.caller import NOT_ADMIN_PROBLEM, api_base_url, caller_user_id, is_caller_admin
from mailsync.api.json_text import parse_untrusted_json
from mailsync.api.organisation_mailboxes import (
    OrganisationMailboxRequest,
    connect_organisation_mailbox,
)
from mailsync.api.password_mailboxes import connect_with_password, parse_password_login
from mailsync.api.problems import (
    MALFORMED_BODY_PROBLEM,
    ApiError,
    Problem,
    make_invalid_field_problem,
    register_problem_handler,
)
from mailsync.api.provider_paths import (
    UNKNOWN_PROVIDER_PROBLEM,
    confirm_connection_path,
    connect_mailbox_path,
    require_provider,
    require_provider_with_sign_in,
    sign_in_callback_path,
    sign_in_path,
)
from mailsync.api.rate_limits import RateLimitedCall, count_against_rate_limit
from mailsync.api.sign_in import UNFINISHED_SIGN_IN_LIFETIME_S, SignInFlow
from mailsync.api.sign_in_cookie import make_sign_in_cookie, read_sign_in_cookie
from mailsync.api.sign_in_errors import (
    SIGN_IN_RESPONSE_PRIVACY_HEADERS,
    build_app_inbox_url,
    sign_in_error_response,
)
from mailsync.credentials.identity import import_identity_platform, require_oauth_access_of_provider
from mailsync.credentials.vault import Vault
from mailsync.model import ProviderName
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import SyncStarter
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.run_store import RunStore

_PROVIDER = ProviderName("<provider>")
_CONNECTION = re.compile(r"[A-Za-z0-9_-]{1,100}")
_RETURN_TO = Problem(
    type_urn_suffix="return-to-not-allowed",
    http_status=400,
    title="The return address is not allowed",
    detail="No sign-in was started; omit returnTo, or send exactly the value of APP_INBOX_URL.",
)


router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def build_app() -> APIGatewayHttpResolver:
    """Return the resolver that maps requests of the Lambda function `connect` to its routes."""
    app = APIGatewayHttpResolver()
    register_problem_handler(app, sign_in_error_response)
    app.include_router(router)
    app.include_router(removal.router)
    app.include_router(estimate.first_sync_estimate_router)
    return app


@router.get(sign_in_path(_PROVIDER))
def begin_sign_in(provider: str) -> Response[str]:
    """Start a sign-in: redirect the browser to the identity platform.

    A request that accepts JSON gets the platform's URL as JSON instead of the redirect.
    """
    event, settings = router.current_event, load_settings()
    return_to = event.query_string_parameters.get("returnTo")
    if return_to is not None and return_to != settings.app_inbox_url:
        raise ApiError(_RETURN_TO)
    base, user = api_base_url(event, settings), caller_user_id(event)
    count_against_rate_limit(user, RateLimitedCall.USER_MAILBOX_CONNECTION)
    flow = _sign_in_flow(settings, provider)
    started = flow.begin_sign_in(user, base + sign_in_callback_path(flow.provider))
    cookies = [
        make_sign_in_cookie(
            started.cookie_value, secure=_is_secure(base), seconds=UNFINISHED_SIGN_IN_LIFETIME_S
        )
    ]
    if "application/json" in event.headers.get("accept", ""):
        body = json.dumps({"authorizationUrl": started.authorization_url})
        return Response(
            HTTPStatus.OK, APPLICATION_JSON, body, SIGN_IN_RESPONSE_PRIVACY_HEADERS, cookies
        )
    return _redirect(started.authorization_url, cookies)


@router.get(sign_in_callback_path(_PROVIDER))
def finish_sign_in(provider: str) -> Response[str]:
    """Finish a sign-in and redirect the browser to the application.

    The mailbox is connected at once, or, in a stage with `confirm_connections`, stored until its
    user confirms it.
    """
    event, settings = router.current_event, load_settings()
    platform = import_identity_platform(
        require_oauth_access_of_provider(require_provider_with_sign_in(provider))
    )
    consent = platform.parse_admin_consent_redirect(event.query_string_parameters)
    if consent is not None:
        return make_admin_consent_response(consent, event)
    build_app_inbox_url()  # raises SettingMissing before a mailbox is connected
    secure = _is_secure(api_base_url(event, settings))
    cookie = read_sign_in_cookie(event, secure=secure)
    ended = _sign_in_flow(settings, provider).finish_sign_in(event.query_string_parameters, cookie)
    if isinstance(ended, ConnectedAccount):
        _note_connected(event, ended)
        location = build_app_inbox_url(accountId=ended.account_id)
    else:
        write_audit_record(event, "connection_pending", ended.user_id)
        location = build_app_inbox_url(connection=ended.confirmation_token)
    return _redirect(location, [make_sign_in_cookie("", secure=secure, seconds=0)])


@router.post(confirm_connection_path(_PROVIDER))
def confirm_connection(provider: str) -> Response[str]:
    """Connect a mailbox whose sign-in has finished. The request is the user's confirmation.

    The JWT of the request proves that the user who confirms is the user who started the sign-in.
    """
    event, settings = router.current_event, load_settings()
    caller = caller_user_id(event)
    count_against_rate_limit(caller, RateLimitedCall.ACCOUNT_CONTROL)
    body = _json_body(event)
    token = body.get("connection") if isinstance(body, dict) else None
    if not isinstance(token, str) or not _CONNECTION.fullmatch(token):
        raise ApiError(make_invalid_field_problem("connection"))
    try:
        connected = _sign_in_flow(settings, provider).confirm_connection(caller, token)
    except ApiError as error:
        write_audit_record(
            event, "connection_refused", caller, problem=error.problem.type_urn_suffix
        )
        raise
    _note_connected(event, connected)
    return _created(event, connected)


@router.post(connect_mailbox_path(_PROVIDER))
def connect_without_user_sign_in(provider: str) -> Response[str]:
    """Connect a mailbox with its password, or with the app-only access that its organisation
    granted."""
    event, registration = router.current_event, require_provider(provider)
    if registration.oauth_settings is None:
        return _connect_with_password(event, registration.provider_name)
    if registration.oauth_settings.app_only_token_resource_url_setting is None:
        raise ApiError(UNKNOWN_PROVIDER_PROBLEM)
    return _connect_organisation_mailbox(event, registration.provider_name)


def _connect_with_password(event: APIGatewayProxyEventV2, provider: ProviderName) -> Response[str]:
    settings, caller = load_settings(), caller_user_id(event)
    count_against_rate_limit(caller, RateLimitedCall.USER_MAILBOX_CONNECTION)
    wanted = parse_password_login(_json_body(event))
    try:
        connected = connect_with_password(wanted, caller, _connector(settings, provider), settings)
    except ApiError as error:
        write_audit_record(
            event, "connection_refused", caller, problem=error.problem.type_urn_suffix
        )
        raise
    _note_connected(event, connected)
    return _created(event, connected)


def _connect_organisation_mailbox(
    event: APIGatewayProxyEventV2, provider: ProviderName
) -> Response[str]:
    """Connect a mailbox by app-only access; the caller must be an administrator."""
    settings, caller = load_settings(), caller_user_id(event)
    if not is_caller_admin(event):
        raise ApiError(NOT_ADMIN_PROBLEM)
    count_against_rate_limit(caller, RateLimitedCall.ORGANISATION_MAILBOX_CONNECTION)
    wanted = OrganisationMailboxRequest.from_body(_json_body(event), caller)
    connected = connect_organisation_mailbox(wanted, _connector(settings, provider), settings)
    write_audit_record(
        event,
        "organisation_account_connected",
        caller,
        account_id=connected.account_id,
        for_user_id=wanted.user_id,
        organisation_id=wanted.organisation_id,
        run_id=connected.run_id,
    )
    return _created(event, connected)


def _note_connected(event: APIGatewayProxyEventV2, connected: ConnectedAccount) -> None:
    ids = {"account_id": connected.account_id, "run_id": connected.run_id}
    write_audit_record(event, "account_connected", connected.user_id, **ids)


def _created(event: APIGatewayProxyEventV2, connected: ConnectedAccount) -> Response[str]:
    base = api_base_url(event, load_settings())
    status_url = f"{base}/api/email/sync?accountId={connected.account_id}"
    body = {
        "success": True,
        "accountId": connected.account_id,
        "emailAddress": connected.address,
        "runId": connected.run_id,
        "statusUrl": status_url,
    }
    headers = {**SIGN_IN_RESPONSE_PRIVACY_HEADERS, "Location": status_url}
    return Response(HTTPStatus.CREATED, APPLICATION_JSON, json.dumps(body), headers)


def _json_body(event: APIGatewayProxyEventV2) -> Any:
    try:
        return parse_untrusted_json(event.decoded_body or "")
    except ValueError:
        raise ApiError(MALFORMED_BODY_PROBLEM) from None


def _sign_in_flow(settings: Settings, provider: str) -> SignInFlow:
    return SignInFlow(_connector(settings, require_provider_with_sign_in(provider)), settings)


def _connector(settings: Settings, provider: ProviderName) -> AccountConnector:
    credentials = CredentialStore(open_database())
    vault = Vault(settings.token_key_arn, credentials)
    trigger = SyncStarter(
        RunStore(open_database()), StepFunctions(), settings.mailbox_sync_state_machine_arn
    )
    return AccountConnector(provider, credentials, vault, trigger)


def _is_secure(base: str) -> bool:
    return base.startswith("https:")


def _redirect(location: str, cookies: list[Any]) -> Response[str]:
    headers = {**SIGN_IN_RESPONSE_PRIVACY_HEADERS, "Location": location}
    return Response(HTTPStatus.FOUND, headers=headers, cookies=cookies)
