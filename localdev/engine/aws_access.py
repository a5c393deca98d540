"""Authenticate and authorise requests to the local AWS endpoint.

A request must be signed with the credentials that the stack makes at its start, and name one of the
permitted actions: those that the stack and its documented examples use. None of these actions
starts a container. Without this limit, moto (the AWS simulator behind the endpoint) would start
containers for AWS Batch, and for functions that moto runs itself. State machines may call only
Lambda.

Source: AWS IAM User Guide, "AWS Signature Version 4 for API requests".
"""

import hmac
import io
import json
import re
import time
from calendar import timegm
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.datastructures import EnvironHeaders

from localdev.engine.aws_resources import LOCAL_CREDENTIALS
from localdev.engine.definition import find_resources_other_than_lambda
from localdev.guard import PROGRAMS_ONLY_GUARD

INVOKE_PATH_PATTERN = re.compile(r"/2015-03-31/functions/([^/]+)/invocations/?$")
RECENT_EVENTS_PATH = "/_local/events"
MAX_CLOCK_SKEW_S = 15 * 60
ACCEPTED_AWS_ACTIONS = {
    "states": (
        "AWSStepFunctions",
        "CreateStateMachine DescribeStateMachine ListStateMachines StartExecution StopExecution"
        " DescribeExecution ListExecutions GetExecutionHistory",
    ),
    "events": (
        "AWSEvents",
        "CreateEventBus DescribeEventBus ListEventBuses PutEvents PutRule DescribeRule ListRules"
        " DeleteRule PutTargets ListTargetsByRule RemoveTargets",
    ),
    "kms": ("TrentService", "CreateKey DescribeKey Encrypt Decrypt GenerateDataKey"),
    "secretsmanager": ("secretsmanager", "CreateSecret GetSecretValue"),
    "sqs": (
        "AmazonSQS",
        "CreateQueue GetQueueUrl GetQueueAttributes ListQueues ReceiveMessage DeleteMessage"
        " PurgeQueue DeleteQueue",
    ),
    "logs": (
        "Logs_20140328",
        "CreateLogGroup DescribeLogGroups DeleteLogGroup DescribeLogStreams GetLogEvents"
        " FilterLogEvents PutResourcePolicy",
    ),
}
"""The permitted actions, by the name of the AWS service in a request's signature.

Each value is a pair: the prefix before an action in the header `X-Amz-Target`, and the actions.
Lambda's Invoke and GET /_local/events have no such header; the endpoint permits them by their path.
"""

_TARGETS = {
    service: {f"{prefix}.{action}" for action in actions.split()}
    for service, (prefix, actions) in ACCEPTED_AWS_ACTIONS.items()
}
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/(?P<day>\d{8})/(?P<region>[^/,]+)"
    r"/(?P<service>[^/,]+)/aws4_request, ?SignedHeaders=(?P<signed>[^,]+)"
    r", ?Signature=(?P<signature>[0-9a-f]{64})"
)

WsgiEnviron = dict[str, Any]
WsgiStartResponse = Callable[..., object]
WsgiApplication = Callable[[WsgiEnviron, WsgiStartResponse], Iterable[bytes]]


def restrict_to_signed_requests(
    application: WsgiApplication, port: Callable[[], int]
) -> WsgiApplication:
    """Wrap a WSGI application so that it receives only permitted requests; all others get the
    response 403.

    A permitted request is signed with `LOCAL_CREDENTIALS`, does not come from a web page, and names
    a permitted action. Responses have no CORS headers.

    port: function that returns the port at which the application is served.
    """

    def response(environ: WsgiEnviron, start: WsgiStartResponse) -> Iterable[bytes]:
        headers, body = EnvironHeaders(environ), read_request_body(environ)
        sentence = PROGRAMS_ONLY_GUARD.rejection_reason(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], headers, port=port()
        )
        sentence = sentence or _denial(environ, headers, body)
        if sentence is None:
            return application(environ, _without_cors(start))
        denied = json.dumps({"__type": "AccessDeniedException", "message": sentence}).encode()
        kind = ("Content-Type", "application/json"), ("X-Amzn-Errortype", "AccessDeniedException")
        start("403 Forbidden", [*kind, ("Content-Length", str(len(denied)))])
        return [denied]

    return response


def _denial(environ: WsgiEnviron, headers: EnvironHeaders, body: bytes) -> str | None:
    service = find_service_name_of_valid_signature(
        environ["REQUEST_METHOD"], _target(environ), headers, body
    )
    if service is None:
        return (
            "The request is not signed with the credentials of this stack, which makes new ones at"
            " each start; `make dev` prints them."
        )
    path, action = environ["PATH_INFO"], headers.get("X-Amz-Target", "")
    if (
        service == "lambda"
        and environ["REQUEST_METHOD"] == "POST"
        and INVOKE_PATH_PATTERN.match(path)
    ):
        return None
    if path == RECENT_EVENTS_PATH:
        return None
    if path == "/" and action in _TARGETS.get(service, ()):
        return _denied_definition(body) if action.endswith(".CreateStateMachine") else None
    return f"The local stack does not offer this action of {service}."


def _denied_definition(body: bytes) -> str | None:
    try:
        foreign = find_resources_other_than_lambda(json.loads(body)["definition"])
    except (ValueError, TypeError, LookupError):
        return None  # moto says what is wrong with it
    if not foreign:
        return None
    return f"Workflows of the local stack call Lambda only, not {', '.join(sorted(foreign))}."


def find_service_name_of_valid_signature(
    method: str, target: str, headers: EnvironHeaders, body: bytes
) -> str | None:
    """Return the AWS service that the request's signature names. None: the request is not signed
    with the credentials of this stack.

    target: path and query string as the client sent them.
    """
    found = _AUTHORIZATION.fullmatch(headers.get("Authorization", ""))
    moment = headers.get("X-Amz-Date", "")
    if found is None or not _is_recent(moment) or not moment.startswith(found["day"]):
        return None
    names = found["signed"].split(";")
    signed = {name: headers.get(name, "") for name in names}
    digest = signed.get("x-amz-content-sha256")
    if found["key"] != LOCAL_CREDENTIALS["AWS_ACCESS_KEY_ID"]:
        return None
    if not {"host", "x-amz-date"} <= signed.keys():
        return None
    if digest is not None and digest != sha256(body).hexdigest():
        return None
    request = AWSRequest(method, f"http://{signed['host']}{target}", signed, body)
    request.context["timestamp"] = moment
    ours = Credentials(found["key"], LOCAL_CREDENTIALS["AWS_SECRET_ACCESS_KEY"])
    signer = SigV4Auth(ours, found["service"], found["region"])
    wanted = signer.signature(
        signer.string_to_sign(request, signer.canonical_request(request)), request
    )
    return found["service"] if hmac.compare_digest(wanted, found["signature"]) else None


def _is_recent(moment: str) -> bool:
    try:
        signed_at = timegm(time.strptime(moment, SIGV4_TIMESTAMP))
    except ValueError:
        return False
    return abs(time.time() - signed_at) <= MAX_CLOCK_SKEW_S


def _target(environ: WsgiEnviron) -> str:
    sent: str = environ["RAW_URI"]
    return sent if sent.startswith("/") else "/"


def read_request_body(environ: WsgiEnviron) -> bytes:
    """Read the request's whole body, and put it back so that the application can read it too."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _without_cors(start: WsgiStartResponse) -> WsgiStartResponse:
    def start_response(status: str, headers: list[tuple[str, str]], *rest: Any) -> object:
        kept = [each for each in headers if not each[0].lower().startswith("access-control-")]
        return start(status, kept, *rest)

    return start_response
