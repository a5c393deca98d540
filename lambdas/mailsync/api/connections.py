"""Routes that connect a mailbox: by its owner, who lands in the inbox, or by an administrator.

No validation by models here: the function would load pydantic for a handful of fields.
"""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.content_types import APPLICATION_JSON
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.access.vault import Vault
from mailsync.api import removal
from mailsync.api.admin_consent import finish_admin_consent, is_admin_consent
from mailsync.api.caller import base_url, is_admin, user_id
from mailsync.api.json_text import read_json
from mailsync.api.limits import Kind, spend
from mailsync.api.organisation_mailboxes import Wanted, connect_mailbox
from mailsync.api.pages import as_page_or_json
from mailsync.api.problems import MALFORMED, Problem, Refused, answer_with_problems
from mailsync.api.sign_in import SIGN_IN_S, SignIns
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import open_database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.run_store import RunStore
from mailsync.workflow import Trigger, Workflows

BEGIN = "/api/auth/microsoft"
CALLBACK = "/api/auth/microsoft/callback"
ORGANISATION_MAILBOXES = "/api/email/accounts/microsoft"
COOKIE = "mailsync_sign_in"

_PRIVATE: dict[str, str | list[str]] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
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
    answer_with_problems(app, as_page_or_json)
    app.include_router(router)
    app.include_router(removal.router)
    return app


@router.get(BEGIN)
def begin() -> Response[str]:
    event, settings = router.current_event, load_settings()
    return_to = event.query_string_parameters.get("returnTo")
    if return_to is not None and return_to != settings.app_inbox_url:
        raise Refused(_RETURN_TO)
    base, user = base_url(event, settings), user_id(event)
    spend(user, Kind.CONNECT)
    begun = _sign_ins(settings).begin(user, base + CALLBACK)
    cookies = [_cookie(begun.cookie, secure=base.startswith("https:"), seconds=SIGN_IN_S)]
    if "application/json" in event.headers.get("accept", ""):
        body = json.dumps({"authorizationUrl": begun.authorization_url})
        return Response(HTTPStatus.OK, APPLICATION_JSON, body, _PRIVATE, cookies)
    return _redirect(begun.authorization_url, cookies)


@router.get(CALLBACK)
def finish() -> Response[str]:
    event, settings = router.current_event, load_settings()
    if is_admin_consent(event.query_string_parameters):
        return finish_admin_consent(event)
    cookie = event.resolved_cookies_field.get(COOKIE, "")
    account_id = _sign_ins(settings).finish(event.query_string_parameters, cookie)
    inbox = settings.app_inbox_url
    glue = "&" if urlsplit(inbox).query else "?"
    secure = base_url(event, settings).startswith("https:")
    forget = _cookie("", secure=secure, seconds=0)
    return _redirect(f"{inbox}{glue}{urlencode({'accountId': account_id})}", [forget])


@router.post(ORGANISATION_MAILBOXES)
def connect_organisation_mailbox() -> Response[str]:
    event, settings = router.current_event, load_settings()
    caller = user_id(event)
    if not is_admin(event):
        raise Refused(_NOT_ADMIN)
    spend(caller, Kind.ORGANISATION)
    wanted = Wanted.from_body(_json_body(event), caller)
    credentials = CredentialStore(open_database())
    vault = Vault(settings.token_key_arn, credentials)
    connected = connect_mailbox(
        wanted, settings=settings, credentials=credentials, vault=vault, trigger=_trigger(settings)
    )
    status_url = f"{base_url(event, settings)}/api/email/sync?accountId={connected.account_id}"
    body = {
        "success": True,
        "accountId": connected.account_id,
        "emailAddress": connected.address,
        "runId": connected.run_id,
        "statusUrl": status_url,
    }
    headers = {**_PRIVATE, "Location": status_url}
    return Response(HTTPStatus.CREATED, APPLICATION_JSON, json.dumps(body), headers)


def _json_body(event: APIGatewayProxyEventV2) -> Any:
    try:
        return read_json(event.decoded_body or "")
    except ValueError:
        raise Refused(MALFORMED) from None


def _sign_ins(settings: Settings) -> SignIns:
    credentials = CredentialStore(open_database())
    vault = Vault(settings.token_key_arn, credentials)
    return SignIns(settings, credentials, vault, _trigger(settings))


def _trigger(settings: Settings) -> Trigger:
    return Trigger(RunStore(open_database()), Workflows(), settings.mailbox_sync_arn)


def _cookie(value: str, *, secure: bool, seconds: int) -> Cookie:
    """Lax, for the provider sends the browser back by a navigation from its own site."""
    return Cookie(
        COOKIE,
        value,
        path="/api/auth",
        secure=secure,
        http_only=True,
        max_age=seconds,
        same_site=SameSite.LAX_MODE,
    )


def _redirect(location: str, cookies: list[Any]) -> Response[str]:
    headers = {**_PRIVATE, "Location": location}
    return Response(HTTPStatus.FOUND, headers=headers, cookies=cookies)
