"""Serve the local AWS endpoint: moto, which simulates AWS, and our Lambda host for the Invoke API.

The local event bus gets the events that moto accepts, and GET /_local/events lists them. Every
request must be signed with the credentials of this stack (`aws_access`).

moto keeps three things in global variables: its state, the port at which its Step Functions reach
Lambda, and whether it runs state machines. All endpoints of a process share these variables.
"""

import json
import logging
import os
import threading
from collections.abc import Iterable
from typing import Any, Protocol
from urllib.parse import unquote

from moto.core.config import default_user_config
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.stepfunctions.parser.asl.utils import boto_client
from werkzeug.serving import BaseWSGIServer, make_server

from localdev.engine.aws_access import (
    INVOKE_PATH_PATTERN,
    RECENT_EVENTS_PATH,
    WsgiApplication,
    WsgiEnviron,
    WsgiStartResponse,
    read_request_body,
    restrict_to_signed_requests,
)
from localdev.engine.aws_resources import make_aws_client
from localdev.engine.event_bus import EventBus
from localdev.engine.executions import forget_old_executions
from localdev.engine.failure import StartFailed
from localdev.engine.lambda_host import InvocationResult
from localdev.http_server import require_free_port

_PUT_EVENTS = "AWSEvents.PutEvents"
_START_EXECUTION = "AWSStepFunctions.StartExecution"


class FunctionInvokerInterface(Protocol):
    """Interface of the object that runs Lambda functions for the Invoke API, such as a LambdaHost.
    `function` is a function's name or ARN."""

    def invoke(self, function: str, payload: bytes, /) -> InvocationResult: ...

    def invoke_asynchronously(self, function: str, payload: bytes, /) -> InvocationResult: ...


class AwsEndpoint:
    """The local AWS endpoint. It listens on loopback from construction until `stop`; `url` is a
    value for AWS_ENDPOINT_URL.

    If a process has several endpoints, the Step Functions executions of all of them invoke the
    functions of the endpoint that was made last. `stop` restores the endpoint that was made before,
    so endpoints must be stopped in reverse order.

    host: runs the functions.
    port: 0 for any free port.
    bus: gets the events that moto accepts. None: no event is delivered.

    Raises StartFailed when the port is in use.
    """

    def __init__(
        self, host: FunctionInvokerInterface, *, port: int, bus: EventBus | None = None
    ) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for every request
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        moto: WsgiApplication = DomainDispatcherApplication(create_backend_app)
        moto = _forgetting(moto)
        if bus:
            moto = _events_beside(moto, bus)
        application = restrict_to_signed_requests(
            _invocations_before(moto, host), lambda: self.port
        )
        self._server = _serve(application, port)
        self._before = (boto_client.boto3, os.environ.get("MOTO_PORT", ""))  # type: ignore[attr-defined]
        _invoke_at(Boto3StandInForMoto(), str(self.port))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def stop(self) -> None:
        """Stop serving. State machines that are still running end only with this process."""
        self._server.shutdown()
        self._server.server_close()
        _invoke_at(*self._before)


def _invoke_at(factory: Any, port: str) -> None:
    """Let moto's Step Functions executions invoke functions at the local port `port`, through the
    boto3 clients that `factory` makes."""
    boto_client.boto3 = factory  # type: ignore[attr-defined]
    os.environ["MOTO_PORT"] = port


class Boto3StandInForMoto:
    """Replaces boto3 inside moto's Step Functions. It makes one Lambda client, with the credentials
    of this stack."""

    def __init__(self) -> None:
        self._made: Any = None

    def client(self, *, service_name: str, **settings: Any) -> Any:
        """Return a boto3 client for Lambda. The first call makes the client (20 ms), and later
        calls return the same client.

        Raises PermissionError for any other service.
        """
        if service_name != "lambda":
            raise PermissionError(f"The local stack runs no tasks of {service_name}.")
        url, config = settings["endpoint_url"], settings["config"]
        self._made = self._made or make_aws_client("lambda", url, config=config)
        return self._made


def _serve(application: WsgiApplication, port: int) -> BaseWSGIServer:
    try:
        require_free_port(port)
        return make_server(
            "127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler
        )
    except (OSError, SystemExit) as taken:  # werkzeug exits when the port is taken
        raise StartFailed.for_port_in_use(port, "--aws-port") from taken


def _invocations_before(moto: WsgiApplication, host: FunctionInvokerInterface) -> WsgiApplication:
    def application(environ: WsgiEnviron, start: WsgiStartResponse) -> Iterable[bytes]:
        match = INVOKE_PATH_PATTERN.match(environ["PATH_INFO"])
        if match is None:
            return moto(environ, start)
        later = environ.get("HTTP_X_AMZ_INVOCATION_TYPE") == "Event"
        run = host.invoke_asynchronously if later else host.invoke
        result = run(unquote(match[1]), read_request_body(environ) or b"{}")
        start(
            f"{result.invoke_http_status} {'OK' if result.invoke_http_status < 300 else 'Error'}",
            _headers(result),
        )
        return [result.payload]

    return application


def _forgetting(moto: WsgiApplication) -> WsgiApplication:
    """Wrap moto so that Step Functions executions start one after another, and so that each start
    deletes old executions that have ended."""
    starting = threading.Lock()

    def application(environ: WsgiEnviron, start: WsgiStartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_X_AMZ_TARGET") != _START_EXECUTION:
            return moto(environ, start)
        with starting:
            response = list(moto(environ, start))
            forget_old_executions()
        return response

    return application


def _events_beside(moto: WsgiApplication, bus: EventBus) -> WsgiApplication:
    def application(environ: WsgiEnviron, start: WsgiStartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == RECENT_EVENTS_PATH:
            response = json.dumps(bus.list_recent_local_bus_events()).encode()
            start("200 OK", [("Content-Type", "application/json")])
            return [response]
        if environ.get("HTTP_X_AMZ_TARGET") != _PUT_EVENTS:
            return moto(environ, start)
        request = read_request_body(environ)
        response = b"".join(moto(environ, start))
        if b'"Entries"' in response:
            bus.deliver_events_accepted_by_moto(request, response)
        return [response]

    return application


def _headers(result: InvocationResult) -> list[tuple[str, str]]:
    standard = {"Content-Type": "application/json", "Content-Length": str(len(result.payload))}
    return list({**standard, **result.invoke_http_headers}.items())
