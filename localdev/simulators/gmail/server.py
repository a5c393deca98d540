"""Serve the simulated Gmail API over HTTP. A request passes the token check, the quota and the
injected faults, then the handler of its route.

Source: Gmail API documentation; captures of allodia-eu/email-calendar-sync-engine.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, unquote_plus

import orjson

from localdev.http_server import Request, Response
from localdev.simulators.broken_body import apply_fault_to_response_body
from localdev.simulators.faults import Fault
from localdev.simulators.gmail.attachment_ids import AttachmentIdRegistry
from localdev.simulators.gmail.batch import is_batch_request, serve_batch
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.call import GmailCall, GmailResult
from localdev.simulators.gmail.corruption import build_gmail_error_from_fault, corrupt_gmail_result
from localdev.simulators.gmail.errors import (
    GmailError,
    build_error_info_detail,
    invalid_argument_error,
)
from localdev.simulators.gmail.mailbox import GmailMailbox
from localdev.simulators.gmail.quota import Quota
from localdev.simulators.gmail.routes import find_route, split_user_from_path
from localdev.simulators.gmail.tokens import (
    BODY_READING_SCOPES,
    METADATA_SCOPE,
    AccessTokenPermissions,
    AccessTokenRegistry,
    AccessTokenVerifier,
)
from localdev.simulators.gmail.watches import PushNotificationSender
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.request_log import RequestRecord
from localdev.simulators.service import SharedSimulatorState, UserNotFound

_HEADERS = {"Content-Type": "application/json; charset=UTF-8", "Cache-Control": "private"}


@dataclass(slots=True)
class _Visit:
    """Facts about a request that the request log records: the mailbox, and the number of the
    mailbox's other requests that were in flight when the request arrived."""

    mailbox: Mailbox | None = None
    in_flight: int = 0


class GmailServer:
    """The simulated Gmail API as an application for `Server`.

    tokens: the access tokens that tests have registered.
    check_token: function that returns what an unregistered access token permits. None: the server
        refuses unregistered access tokens.
    """

    def __init__(self, service: SharedSimulatorState) -> None:
        self.behaviour = GmailBehaviour()
        self.quota = Quota()
        self.tokens = AccessTokenRegistry()
        self.check_token: AccessTokenVerifier | None = None
        self.attachment_id_registry = AttachmentIdRegistry()
        self.service = service
        self.pusher = PushNotificationSender(self)
        self._held: dict[str, tuple[int, float]] = {}

    def set_behaviour_switches(self, **values: Any) -> None:
        """Set switches of `GmailBehaviour` by name. Raises TypeError for an unknown switch."""
        self.behaviour = replace(self.behaviour, **values)

    def open_gmail_mailbox(self, mailbox: Mailbox) -> GmailMailbox:
        """Return the reader that shows the simulated mailbox in Gmail's terms."""
        held, until = self._held.get(mailbox.user_id, (0, 0.0))
        held_change = held if time.monotonic() < until else None
        return GmailMailbox(mailbox, self.behaviour, held_change=held_change)

    def withhold_new_history_records(self, mailbox: Mailbox, seconds: float) -> None:
        """Let `history.list` report no new changes of the mailbox for some seconds. The profile and
        push notifications name the historyId of new changes all the same."""
        newest = self.open_gmail_mailbox(mailbox).newest_change_number_in_history
        self._held[mailbox.user_id] = (newest, time.monotonic() + seconds)

    def __call__(self, request: Request) -> Response:
        if is_batch_request(request):
            return serve_batch(request, partial(self.serve_request, in_batch=True), self.behaviour)
        return self.serve_request(request, in_batch=False)

    def serve_request(self, request: Request, *, in_batch: bool) -> Response:
        began, visit = time.monotonic(), _Visit()
        fault = self.service.faults.take_fault_for_request(
            request.method, _target(request), in_batch=in_batch
        )
        try:
            response = _response(self._result(request, visit, fault))
        except GmailError as error:
            headers = {**_HEADERS, **error.headers}
            response = Response(error.code, orjson.dumps(error.to_json()), headers)
        if fault:
            response = apply_fault_to_response_body(response, fault)
        self._record(request, response, visit, began=began, in_batch=in_batch)
        return response

    def _result(self, request: Request, visit: _Visit, fault: Fault | None) -> GmailResult:
        bearer = self._bearer(request)
        user, path = split_user_from_path(request.path)
        mailbox = visit.mailbox = self._mailbox(bearer, user)
        visit.in_flight = self.quota.in_flight_request_count(mailbox.user_id)
        behaviour = self.behaviour
        _check_scopes(bearer)
        if not behaviour.is_api_enabled:
            raise _api_is_disabled()
        with ExitStack() as held:
            held.enter_context(self.quota.track_request_in_flight(mailbox.user_id, behaviour))
            route, names = find_route(request.method, path)
            self.quota.charge_units(
                mailbox.user_id, route.api_method_name, route.quota_units, behaviour
            )
            if fault:
                time.sleep(fault.delay_s)
                if fault.status is not None:
                    raise build_gmail_error_from_fault(fault)
            call = GmailCall(
                gmail_mailbox=self.open_gmail_mailbox(mailbox),
                attachment_id_registry=self.attachment_id_registry,
                resource_ids_in_path=names,
                query_parameters=parse_qs(request.query_string, keep_blank_values=True),
                json_body=_json_body(request),
                scopes=bearer.scopes,
            )
            with self.service.database.transaction():  # One state of the mailbox is read.
                result = route.handler(call)
            latency = self.service.latency
            time.sleep(
                latency.compute_response_latency_s(
                    full=result.messages_with_body_count, lean=result.messages_without_body_count
                )
            )
        return corrupt_gmail_result(result, fault, call) if fault else result

    def _bearer(self, request: Request) -> AccessTokenPermissions:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = self.tokens.find_token_permissions(token) if scheme.lower() == "bearer" else None
        if bearer is None and self.check_token and scheme.lower() == "bearer":
            bearer = self.check_token(token)
        if bearer is None:
            raise _not_authenticated()
        return bearer

    def _mailbox(self, bearer: AccessTokenPermissions, user: str) -> Mailbox:
        try:
            mailbox = self.service.find_mailbox(bearer.user_id)
        except UserNotFound:
            message = "Mail service not enabled"
            raise GmailError(
                400, "failedPrecondition", message, status="FAILED_PRECONDITION"
            ) from None
        if user.lower() not in ("me", mailbox.address.lower()):
            raise GmailError(403, "forbidden", f"Delegation denied for {mailbox.address}")
        return mailbox

    def _record(
        self, request: Request, response: Response, visit: _Visit, *, began: float, in_batch: bool
    ) -> None:
        self.service.log.add_record(
            RequestRecord(
                at=time.time(),
                method=request.method,
                path=request.path,
                query=request.query_string,
                link="next" if "pageToken" in request.query_string else None,
                prefer="",
                status=response.status,
                mailbox=visit.mailbox.address if visit.mailbox else None,
                in_flight=visit.in_flight,
                in_batch=in_batch,
                duration_s=time.monotonic() - began,
            )
        )


def _check_scopes(bearer: AccessTokenPermissions) -> None:
    if not bearer.scopes & (BODY_READING_SCOPES | {METADATA_SCOPE}):
        message = "Request had insufficient authentication scopes."
        details = build_error_info_detail(
            "ACCESS_TOKEN_SCOPE_INSUFFICIENT", service="gmail.googleapis.com"
        )
        raise GmailError(403, "insufficientPermissions", message, details=(details,))


def _not_authenticated() -> GmailError:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login"
        " cookie or other valid authentication credential."
    )
    return GmailError(401, "authError", message)


def _api_is_disabled() -> GmailError:
    message = (
        "Gmail API has not been used in project 123456789012 before or it is disabled. Enable it,"
        " then retry."
    )
    details = build_error_info_detail("SERVICE_DISABLED", service="gmail.googleapis.com")
    return GmailError(403, "accessNotConfigured", message, details=(details,))


def _json_body(request: Request) -> Any:
    if not request.body:
        return None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise invalid_argument_error("Invalid JSON payload received.") from None


def _target(request: Request) -> str:
    """Return the text that fault rules are matched with: decoded path and query."""
    query = f"?{unquote_plus(request.query_string)}" if request.query_string else ""
    return unquote(request.path) + query


def _response(result: GmailResult) -> Response:
    if result.json_body is None:
        return Response(204)
    return Response(200, orjson.dumps(result.json_body), _HEADERS)
