"""Routes that connect a mailbox: by its owner, who lands in the inbox, or by an administrator.

No validation by models here: the function would load pydantic for a handful of fields.
"""

import json
import re
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api import removal
from mailsync.api.admin_consent import finish_admin_consent, is_admin_consent
from mailsync.api.audit import audit
from mailsync.api.caller import base_url, is_admin, user_id
from mailsync.api.json_text import read_json
from mailsync.api.limits import Kind, spend
from mailsync.api.organisation_mailboxes import Wanted, connect_mailbox
from mailsync.api.problems import MALFORMED, ApiError, Problem, answer_with_problems, invalid_field
from mailsync.api.sign_in import SIGN_IN_S, Connected, SignIns
from mailsync.api.sign_in_cookie import read_sign_in_cookie, sign_in_cookie
from mailsync.api.sign_in_errors import (
    BEGIN,
    CALLBACK,
    PRIVATE,
    application_url,
    end_failed_sign_in,
)
from mailsync.credentials.vault import Vault
from mailsync.model import AccountId, RunId
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import Trigger
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.run_store import RunStore

CONFIRM = "/api/auth/microsoft/confirm"
ORGANISATION_MAILBOXES = "/api/email/accounts/microsoft"

_CONNECTION = re.compile(r"[A-Za-z0-9_-]{1,100}")
_RETURN_TO = Problem(
    kind="return-to-not-allowed",
    status=400,
    title="The return address is not allowed",
    detail="Leave returnTo out, or set it to exactly the address in APP_INBOX_URL.",
)

_NOT_ADMIN = Problem(
    kind="not-an-administrator",
    status=403,
    title="Not an administrator",
    detail="Only an administrator may connect a mailbox without its owner; sign in as one.",
)

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


def build_app() -> APIGatewayHttpResolver:
    app = APIGatewayHttpResolver()
    answer_with_problems(app, end_failed_sign_in)
    app.include_router(router)
    app.include_router(removal.router)
    return app


@router.get(BEGIN)
def begin() -> Response[str]:
    event, settings = router.current_event, load_settings()
    return_to = event.query_string_parameters.get("returnTo")
    if return_to is not None and return_to != settings.app_inbox_url:
        raise ApiError(_RETURN_TO)
    base, user = base_url(event, settings), user_id(event)
    spend(user, Kind.CONNECT)
    begun = _sign_ins(settings).begin(user, base + CALLBACK)
    cookies = [sign_in_cookie(begun.cookie, secure=_is_secure(base), seconds=SIGN_IN_S)]
    if "application/json" in event.headers.get("accept", ""):
        body = json.dumps({"authorizationUrl": begun.authorization_url})
        return Response(HTTPStatus.OK, APPLICATION_JSON, body, PRIVATE, cookies)
    return _redirect(begun.authorization_url, cookies)


@router.get(CALLBACK)
def finish() -> Response[str]:
    event, settings = router.current_event, load_settings()
    if is_admin_consent(event.query_string_parameters):
        return finish_admin_consent(event)
    application_url()  # missing, it must be named before anything is connected
    secure = _is_secure(base_url(event, settings))
    cookie = read_sign_in_cookie(event, secure=secure)
    ended = _sign_ins(settings).finish(event.query_string_parameters, cookie)
    if isinstance(ended, Connected):
        _note_connected(event, ended)
        location = application_url(accountId=ended.account_id)
    else:
        audit(event, "connection_pending", ended.user_id)
        location = application_url(connection=ended.token)
    return _redirect(location, [sign_in_cookie("", secure=secure, seconds=0)])


@router.post(CONFIRM)
def confirm() -> Response[str]:
    """Connect the mailbox that a sign-in left to its user's word; the JWT is that word."""
    event, settings = router.current_event, load_settings()
    caller = user_id(event)
    spend(caller, Kind.CONTROL)
    body = _json_body(event)
    token = body.get("connection") if isinstance(body, dict) else None
    if not isinstance(token, str) or not _CONNECTION.fullmatch(token):
        raise ApiError(invalid_field("connection"))
    try:
        connected = _sign_ins(settings).confirm(caller, token)
    except ApiError as refusal:
        audit(event, "connection_refused", caller, problem=refusal.problem.kind)
        raise
    _note_connected(event, connected)
    return _created(event, connected.account_id, connected.address, connected.run_id)


@router.post(ORGANISATION_MAILBOXES)
def connect_organisation_mailbox() -> Response[str]:
    event, settings = router.current_event, load_settings()
    caller = user_id(event)
    if not is_admin(event):
        raise ApiError(_NOT_ADMIN)
    spend(caller, Kind.ORGANISATION)
    wanted = Wanted.from_body(_json_body(event), caller)
    credentials = CredentialStore(open_database())
    vault = Vault(settings.token_key_arn, credentials)
    connected = connect_mailbox(
        wanted, settings=settings, credentials=credentials, vault=vault, trigger=_trigger(settings)
    )
    audit(
        event,
        "organisation_account_connected",
        caller,
        account_id=connected.account_id,
        for_user_id=wanted.user_id,
        organisation_id=wanted.organisation_id,
        run_id=connected.run_id,
    )
    return _created(event, connected.account_id, connected.address, connected.run_id)


def _note_connected(event: APIGatewayProxyEventV2, connected: Connected) -> None:
    ids = {"account_id": connected.account_id, "run_id": connected.run_id}
    audit(event, "account_connected", connected.user_id, **ids)


def _created(
    event: APIGatewayProxyEventV2, account_id: AccountId, address: str, run_id: RunId
) -> Response[str]:
    status_url = f"{base_url(event, load_settings())}/api/email/sync?accountId={account_id}"
    body = {
        "success": True,
        "accountId": account_id,
        "emailAddress": address,
        "runId": run_id,
        "statusUrl": status_url,
    }
    headers = {**PRIVATE, "Location": status_url}
    return Response(HTTPStatus.CREATED, APPLICATION_JSON, json.dumps(body), headers)


def _json_body(event: APIGatewayProxyEventV2) -> Any:
    try:
        return read_json(event.decoded_body or "")
    except ValueError:
        raise ApiError(MALFORMED) from None


def _sign_ins(settings: Settings) -> SignIns:
    credentials = CredentialStore(open_database())
    vault = Vault(settings.token_key_arn, credentials)
    return SignIns(settings, credentials, vault, _trigger(settings))


def _trigger(settings: Settings) -> Trigger:
    return Trigger(RunStore(open_database()), StepFunctions(), settings.mailbox_sync_arn)


def _is_secure(base: str) -> bool:
    return base.startswith("https:")


def _redirect(location: str, cookies: list[Any]) -> Response[str]:
    headers = {**PRIVATE, "Location": location}
    return Response(HTTPStatus.FOUND, headers=headers, cookies=cookies)
