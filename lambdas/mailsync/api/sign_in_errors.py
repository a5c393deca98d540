"""Respond to failed requests of the Lambda function `connect`. After a failed sign-in, the response
redirects the browser to the application with an OAuth error code.

The redirect goes to APP_INBOX_URL with the parameters `error` and `error_description` (RFC 6749,
4.1.2.1). The redirect repeats nothing of the received query.
"""

import re
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from mailsync.api.audit import write_audit_record
from mailsync.api.html_pages import PageLink, accepts_html, problem_to_html_or_json_response
from mailsync.api.problems import Problem
from mailsync.api.provider_paths import (
    find_sign_in_path_of_named_or_first_provider,
    is_callback_path,
    is_sign_in_path,
)
from mailsync.errors import SettingMissing
from mailsync.settings import load_settings

SIGN_IN_RESPONSE_PRIVACY_HEADERS: dict[str, str | list[str]] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}
# OAuth 2.0 (RFC 6749 4.1.2.1 and 5.2) and OpenID Connect Core 3.1.2.6; no other code is passed on.
_OAUTH_ERRORS = frozenset(
    {
        *("access_denied", "consent_required", "interaction_required", "invalid_grant"),
        *("invalid_request", "invalid_scope", "login_required", "server_error"),
        *("temporarily_unavailable", "unauthorized_client"),
    }
)
_NOT_IN_A_DESCRIPTION = re.compile(r"[^ !#-\[\]-~]")  # RFC 6749, 4.1.2.1


def build_app_inbox_url(**parameters: str) -> str:
    """Return the URL of the application's inbox, APP_INBOX_URL, with these query parameters added.

    Raises:
        SettingMissing: APP_INBOX_URL is not set.
    """
    inbox = load_settings().app_inbox_url
    return f"{inbox}{'&' if urlsplit(inbox).query else '?'}{urlencode(parameters)}"


def make_link_to_application(path: str) -> PageLink | None:
    """Return the link from an HTML page back to the application.

    If APP_INBOX_URL is not set, the link leads to the sign-in of the provider that `path` names.
    Return None if APP_INBOX_URL is not set and no provider of this stage has a sign-in.
    """
    try:
        return PageLink(load_settings().app_inbox_url, "Go to the application")
    except SettingMissing:
        sign_in = find_sign_in_path_of_named_or_first_provider(path)
        return PageLink(sign_in, "Connect the mailbox again") if sign_in else None


def sign_in_error_response(problem: Problem, event: APIGatewayProxyEventV2) -> Response[str]:
    """Return the response to a failed request of the Lambda function `connect`.

    The response is a redirect to the application if `_ends_in_application` returns True and
    APP_INBOX_URL is set. Else it is the problem: an HTML page for a client that accepts HTML, JSON
    for any other client.
    """
    if is_callback_path(event.path):
        write_audit_record(event, "sign_in_failed", problem=problem.type_urn_suffix)
    if not _ends_in_application(problem, event):
        return problem_to_html_or_json_response(
            problem, event, make_link_to_application(event.path)
        )
    description = problem.detail
    if problem.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        description += f" (request {event.request_context.request_id})"
    try:
        location = build_app_inbox_url(
            error=_oauth_error(problem),
            error_description=_NOT_IN_A_DESCRIPTION.sub("'", description),
        )
    except SettingMissing:
        return problem_to_html_or_json_response(
            problem, event, make_link_to_application(event.path)
        )
    return Response(
        HTTPStatus.FOUND, headers={**SIGN_IN_RESPONSE_PRIVACY_HEADERS, "Location": location}
    )


def _ends_in_application(problem: Problem, event: APIGatewayProxyEventV2) -> bool:
    """Return whether the response to this problem redirects the browser to the application.

    True on the callback route, unless the client accepts only JSON. True on the route that starts
    a sign-in, if the client accepts HTML and the status is 5xx. False after a declined admin
    consent, because the administrator may not be a user of the application.
    """
    if problem.type_urn_suffix == "admin-consent-refused":
        return False
    if is_sign_in_path(event.path):
        return accepts_html(event) and problem.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    wants_json = "json" in event.headers.get("accept", "") and not accepts_html(event)
    return is_callback_path(event.path) and not wants_json


def _oauth_error(problem: Problem) -> str:
    if problem.oauth_error_code in _OAUTH_ERRORS:
        return problem.oauth_error_code
    if problem.oauth_error_code == "scope_missing":
        return "invalid_scope"
    if problem.retry_after_s is not None:
        return "temporarily_unavailable"
    if problem.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return "access_denied" if problem.type_urn_suffix == "sign-in-refused" else "invalid_request"
