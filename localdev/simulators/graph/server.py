"""Serve the simulated Graph v1.0 over HTTP. A request passes the token check, the throttle and the
injected faults, then the handler of its route.

Source: Microsoft Graph docs; response headers as in public captures.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit
from uuid import uuid4

import orjson

from localdev.http_server import Request, Response
from localdev.simulators.broken_body import apply_fault_to_response_body
from localdev.simulators.entra.tokens import AccessTokenRefusedError, BearerClaims, TokenSigner
from localdev.simulators.faults import Fault
from localdev.simulators.folders import FolderNotFound
from localdev.simulators.graph.batch import serve_batch
from localdev.simulators.graph.call import GraphCall, GraphResult
from localdev.simulators.graph.corruption import corrupt_graph_result, graph_error_from_fault
from localdev.simulators.graph.earlier import ReplayableResponses
from localdev.simulators.graph.errors import (
    GraphError,
    bad_request_error,
    error_envelope,
    not_found_error,
)
from localdev.simulators.graph.links import DeltaLinkIssuer
from localdev.simulators.graph.outlook import OutlookMailbox
from localdev.simulators.graph.query import ODataQuery, PreferHeader
from localdev.simulators.graph.routes import find_route, split_mailbox_path
from localdev.simulators.graph.subscriptions import (
    SUBSCRIPTIONS_PATH,
    find_mailbox_id_or_address,
    list_subscriptions_of_all_mailboxes,
)
from localdev.simulators.graph.throttle import MailboxThrottle
from localdev.simulators.mailbox import Mailbox, MessageNotFound
from localdev.simulators.request_log import RequestRecord
from localdev.simulators.service import SharedSimulatorState, UserNotFound

VERSION_PATH_PREFIX = "/v1.0"
_READING = ("Mail.Read", "Mail.ReadWrite", "Mail.ReadBasic")
_WRITING = ("Mail.ReadWrite",)
_READING_USERS = ("User.Read.All", "Directory.Read.All")
_READING_OTHERS = ("Mail.Read.Shared", "Mail.ReadWrite.Shared")
_WRITING_OTHERS = ("Mail.ReadWrite.Shared",)


@dataclass(slots=True)
class LoggedMailboxAndConcurrency:
    """Facts about a request that the request log records besides the request itself.

    mailbox: the mailbox of the request. None: the request reached no mailbox.
    other_in_flight_request_count: number of the mailbox's other requests in flight when the request
        arrived.
    """

    mailbox: Mailbox | None = None
    other_in_flight_request_count: int = 0


class GraphServer:
    """The simulated Graph as an application for `Server`.

    base_url: URL of the API with the version. The caller sets it when the port is known.
    """

    def __init__(self, service: SharedSimulatorState, signer: TokenSigner) -> None:
        self.base_url = ""
        self.throttle = MailboxThrottle()
        self._service = service
        self._signer = signer
        self._links = DeltaLinkIssuer(service.database)
        self.stored_responses = ReplayableResponses()

    def __call__(self, request: Request) -> Response:
        if request.path.lower() == f"{VERSION_PATH_PREFIX}/$batch" and request.method == "POST":
            return self._batch(request)
        return self._serve(request, in_batch=False)

    def _batch(self, request: Request) -> Response:
        def serve_item(item: Request) -> Response:
            return self._serve(item, in_batch=True)

        ids = _ids(request)
        try:
            self._bearer(request)
            document = serve_batch(request, serve_item)
        except GraphError as error:
            return _refusal(error, ids)
        return Response(200, orjson.dumps(document), _headers(ids))

    def _serve(self, request: Request, *, in_batch: bool) -> Response:
        began, visit, ids = time.monotonic(), LoggedMailboxAndConcurrency(), _ids(request)
        faults = self._service.faults
        fault = faults.take_fault_for_request(request.method, _target(request), in_batch=in_batch)
        try:
            result = self._result(request, visit, fault)
            response = _response(result, ids)
        except GraphError as error:
            response = _refusal(error, ids)
        if fault:
            response = apply_fault_to_response_body(response, fault)
        self._record(request, response, visit, began=began, in_batch=in_batch)
        return response

    def _result(
        self, request: Request, visit: LoggedMailboxAndConcurrency, fault: Fault | None
    ) -> GraphResult:
        bearer = self._bearer(request)
        owner, rest = split_mailbox_path(request.path.removeprefix(VERSION_PATH_PREFIX))
        if bearer.user_id is None and _is_of_subscriptions(rest):
            if request.method == "GET" and len(rest) == 1:
                return self._list_of_application(request, bearer, fault)
            owner = find_mailbox_id_or_address(self._service.database, rest, _json_body(request))
        mailbox = visit.mailbox = self._mailbox(bearer, owner, of_mailbox=bool(rest))
        visit.other_in_flight_request_count = self.throttle.in_flight_request_count(mailbox.user_id)
        with ExitStack() as held:
            held.enter_context(
                self.throttle.throttle_and_count_request(mailbox.user_id, self._service.behaviour)
            )
            _inject(fault)
            began = time.monotonic()
            handler, names = find_route(request.method, rest, self._service.behaviour)
            if bearer.user_id is None:
                self._check_app(bearer, mailbox, rest)
            else:
                _check_scope(bearer, mailbox)
            if request.method != "GET" and not _is_of_subscriptions(rest):
                _check_scope(bearer, mailbox, _WRITING, _WRITING_OTHERS)
            call = self._call(request, bearer, mailbox, owner, names)
            result = _translated(handler, call)
            if fault and fault.page == "nothing":
                result = _skipped(handler, call, result)
            latency_s = self._service.latency.compute_response_latency_s(
                full=result.messages_with_body_count, lean=result.messages_without_body_count
            )
            # The simulator's own work is a part of the latency, not an addition to it.
            time.sleep(max(0.0, latency_s - (time.monotonic() - began)))
        result = self._repeated(request, mailbox, result, fault)
        return corrupt_graph_result(result, fault, self._own_url(request)) if fault else result

    def _repeated(
        self, request: Request, mailbox: Mailbox, result: GraphResult, fault: Fault | None
    ) -> GraphResult:
        """Return the result. For the fault `old`, return the oldest stored response to this kind of
        request instead, if a response is stored."""
        most = self._service.behaviour.answers_kept
        earlier = (
            self.stored_responses.find_oldest_response(request, mailbox.user_id) if most else None
        )
        if most and result.json_body:
            self.stored_responses.store_response(
                request, mailbox.user_id, result.json_body, most=most
            )
        if earlier and fault and fault.page == "old":
            return replace(result, json_body=earlier)
        return result

    def _list_of_application(
        self, request: Request, bearer: BearerClaims, fault: Fault | None
    ) -> GraphResult:
        """List the subscriptions of all mailboxes. No mailbox's throttle counts this request."""
        _inject(fault)
        if not bearer.has_any_scope_or_role(*_READING):
            raise _denied()
        service = self._service
        result = list_subscriptions_of_all_mailboxes(
            service.database,
            ODataQuery.parse(request.query_string),
            service.behaviour,
            self.base_url,
        )
        time.sleep(service.latency.compute_response_latency_s())
        return corrupt_graph_result(result, fault, self._own_url(request)) if fault else result

    def _call(
        self,
        request: Request,
        bearer: BearerClaims,
        mailbox: Mailbox,
        owner: str | None,
        names: tuple[str, ...],
    ) -> GraphCall:
        return GraphCall(
            mailbox=OutlookMailbox(mailbox),
            signed_in_user_id=bearer.user_id,
            requested_mailbox_url_path=f"users('{owner}')" if owner else "me",
            resource_ids_in_path=names,
            odata_query=ODataQuery.parse(request.query_string),
            prefer_header=PreferHeader.parse(request.headers.get_all("Prefer", [])),
            request_headers=dict(request.headers.items()),
            json_body=_json_body(request),
            base_url=self.base_url,
            delta_link_issuer=self._links,
            behaviour_switches=self._service.behaviour,
        )

    def _bearer(self, request: Request) -> BearerClaims:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            return self._signer.verify_token(token if scheme.lower() == "bearer" else "")
        except AccessTokenRefusedError as refusal:
            raise GraphError(401, "InvalidAuthenticationToken", str(refusal)) from refusal

    def _mailbox(self, bearer: BearerClaims, owner: str | None, *, of_mailbox: bool) -> Mailbox:
        wanted = owner or bearer.user_id
        if wanted is None:
            raise bad_request_error("/me request is only valid with delegated authentication flow.")
        try:
            return self._service.find_mailbox(wanted)
        except UserNotFound:
            if of_mailbox:
                message = f"The requested user '{wanted}' is invalid."
                raise GraphError(404, "ErrorInvalidUser", message) from None
            message = f"Resource '{wanted}' does not exist or is not one that may be looked up."
            raise GraphError(404, "Request_ResourceNotFound", message) from None

    def _check_app(self, bearer: BearerClaims, mailbox: Mailbox, rest: list[str]) -> None:
        """Raise GraphError 403 unless the application, which acts without a user, has the required
        roles and may read the mailbox."""
        allowed = self._service.behaviour.app_mailboxes
        if not rest:
            if not bearer.has_any_scope_or_role(*_READING_USERS):
                message = "Insufficient privileges to complete the operation."
                raise GraphError(403, "Authorization_RequestDenied", message)
        elif allowed is not None and mailbox.address not in allowed:
            message = "Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly"
            raise GraphError(403, "ErrorAccessDenied", f"{message} AccessPolicy settings.")
        else:
            _check_scope(bearer, mailbox)

    def _own_url(self, request: Request) -> str:
        path = request.path.removeprefix(VERSION_PATH_PREFIX)
        return f"{self.base_url}{path}" + (
            f"?{request.query_string}" if request.query_string else ""
        )

    def _record(
        self,
        request: Request,
        response: Response,
        visit: LoggedMailboxAndConcurrency,
        *,
        began: float,
        in_batch: bool,
    ) -> None:
        query = request.query_string.replace("%24", "$")
        links = {"next": "$skiptoken" in query, "delta": "$deltatoken" in query}
        record = RequestRecord(
            at=time.time(),
            method=request.method,
            path=request.path,
            query=request.query_string,
            link=next((name for name, present in links.items() if present), None),
            prefer=", ".join(request.headers.get_all("Prefer", [])),
            status=response.status,
            mailbox=visit.mailbox.address if visit.mailbox else None,
            in_flight=visit.other_in_flight_request_count,
            in_batch=in_batch,
            duration_s=time.monotonic() - began,
        )
        self._service.log.add_record(record)


def _target(request: Request) -> str:
    """Return the text in which fault rules search: the decoded path and query."""
    query = f"?{unquote_plus(request.query_string)}" if request.query_string else ""
    return unquote(request.path) + query


def _is_of_subscriptions(rest: list[str]) -> bool:
    return bool(rest) and rest[0].lower() == SUBSCRIPTIONS_PATH


def _check_scope(
    bearer: BearerClaims,
    mailbox: Mailbox,
    own: tuple[str, ...] = _READING,
    others: tuple[str, ...] = _READING_OTHERS,
) -> None:
    """Raise GraphError 403 unless the token has a required scope or role.

    own: required for the user's own mailbox, and for an app without a user.
    others: required for the mailbox of another user.
    """
    wanted = own if bearer.user_id in (None, mailbox.user_id) else others
    if not bearer.has_any_scope_or_role(
        *wanted, *(f"https://graph.microsoft.com/{each}" for each in wanted)
    ):
        raise _denied()


def _denied() -> GraphError:
    message = "Access is denied. Check credentials and try again."
    return GraphError(403, "ErrorAccessDenied", message)


def _inject(fault: Fault | None) -> None:
    """Wait for the fault's delay; raise GraphError if the fault has a status."""
    if fault:
        time.sleep(fault.delay_s)
        if fault.status is not None:
            raise graph_error_from_fault(fault)


def _translated(handler: Any, call: GraphCall) -> GraphResult:
    try:
        result: GraphResult = handler(call)
    except (FolderNotFound, MessageNotFound) as failure:
        raise not_found_error(failure, call.mailbox.ids) from failure
    return replace(
        result, headers={**result.headers, **call.prefer_header.preference_applied_header()}
    )


def _skipped(handler: Any, call: GraphCall, result: GraphResult) -> GraphResult:
    """Return the last page of the delta round, for the fault `nothing`, which hides all changes."""
    link = _next_of_delta(result)
    while link:
        result = _translated(
            handler, replace(call, odata_query=ODataQuery.parse(urlsplit(link).query))
        )
        link = _next_of_delta(result)
    return result


def _next_of_delta(result: GraphResult) -> str | None:
    link = result.json_body.get("@odata.nextLink") if isinstance(result.json_body, dict) else None
    return link if link and "/delta?" in link else None


def _json_body(request: Request) -> Any:
    if not request.body:
        return None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise bad_request_error("Unable to read JSON request payload.") from None


def _ids(request: Request) -> dict[str, str]:
    request_id = str(uuid4())
    own = request.headers.get("client-request-id", request_id)
    return {"request-id": request_id, "client-request-id": own}


def _headers(ids: dict[str, str]) -> dict[str, str]:
    return {
        "Content-Type": "application/json;odata.metadata=minimal;charset=utf-8",
        "Cache-Control": "private",
        **ids,
    }


def _response(result: GraphResult, ids: dict[str, str]) -> Response:
    content = orjson.dumps(result.json_body) if result.json_body else b""
    return Response(result.status, content, {**_headers(ids), **result.headers})


def _refusal(error: GraphError, ids: dict[str, str]) -> Response:
    content = orjson.dumps(error_envelope(error.code, error.message, ids))
    headers = {**_headers(ids), "Content-Type": "application/json", **error.headers}
    return Response(error.status, content, headers)
