"""Main program of a function's process: fetch invocations from the Runtime API, call the handler,
and report results and errors.

AWS's own client, `awslambdaric`, has a native part that exists for Linux only. This client is pure
Python, so it runs on every system. Error types, messages, stack traces, the context and the lines
in the log are the same as those of `awslambdaric` 4. Invocations of the local stack have no client
context and no Cognito identity.

This program must import nothing of the package `localdev`, so that the process finds only the
function's own code.

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes" and "Using
    the Lambda context object to retrieve Python function information".
"""

import importlib
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection
from types import SimpleNamespace, TracebackType
from typing import Any
from urllib.parse import quote

import simplejson  # as on Lambda: it writes a Decimal as a number, and bytes as text

Handler = Callable[[Any, "Context"], Any]


class FunctionErrorOutsideHandler(Exception):
    """An error of the function that this program finds outside the handler, such as a handler that
    does not exist.

    error_type: type of the error that is reported to the Runtime API.
    trace: lines of the stack trace.
    """

    def __init__(self, error_type: str, message: str, trace: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.trace = trace


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation of the function, as the Runtime API returns it.

    event: JSON of the event.
    deadline_ms: time at which the invocation times out, in milliseconds since 1970.
    trace_id: X-Ray trace id. None: the invocation has no trace.
    """

    event: bytes
    request_id: str
    deadline_ms: int
    function_arn: str
    trace_id: str | None


class Context:
    """The Lambda context, which the handler gets as its second argument."""

    def __init__(self, invocation: Invocation) -> None:
        setting = os.environ.get
        self.aws_request_id = invocation.request_id
        self.invoked_function_arn = invocation.function_arn
        self.function_name = setting("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = setting("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = setting("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = setting("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = setting("AWS_LAMBDA_LOG_STREAM_NAME")
        self.client_context = None
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self.tenant_id = None
        self._deadline_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self) -> int:
        return max(0, self._deadline_ms - int(time.time() * 1000))


class RuntimeApi:
    """The Runtime API at `address`, which is `HOST:PORT`, or `HOST:PORT/PATH` if a path precedes
    that of the API.

    Every method raises OSError or HTTPException when the API is gone, which ends this process.
    """

    def __init__(self, address: str) -> None:
        host, slash, path = address.partition("/")
        self._connection = HTTPConnection(host)
        self._path = f"{slash}{path}/2018-06-01/runtime"

    def next_invocation(self) -> Invocation:
        """Wait until the local engine has an invocation for this process, and return it."""
        self._connection.request("GET", f"{self._path}/invocation/next")
        response = self._connection.getresponse()
        header = response.headers
        return Invocation(
            event=response.read(),
            request_id=header["Lambda-Runtime-Aws-Request-Id"],
            deadline_ms=int(header["Lambda-Runtime-Deadline-Ms"]),
            function_arn=header["Lambda-Runtime-Invoked-Function-Arn"],
            trace_id=header["Lambda-Runtime-Trace-Id"],
        )

    def post_result(self, request_id: str, result: bytes) -> None:
        self._post(f"invocation/{request_id}/response", result, {})

    def post_error(self, request_id: str, error: dict[str, Any]) -> None:
        self._post_error(f"invocation/{request_id}/error", error)

    def post_init_error(self, error: dict[str, Any]) -> None:
        self._post_error("init/error", error)

    def _post_error(self, path: str, error: dict[str, Any]) -> None:
        kind = quote(error["errorType"])  # a class can have any letters in its name
        self._post(path, _to_json(error), {"Lambda-Runtime-Function-Error-Type": kind})

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        self._connection.request("POST", f"{self._path}/{path}", body, headers)
        self._connection.getresponse().read()


def main(handler: str) -> None:
    """Run the handler, named `MODULE.FUNCTION`, for one invocation after another, until this
    process is killed. Exit with 1 if the handler cannot be loaded."""
    api = RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"])
    request_ids = _set_up_logging()
    try:
        function = _load_handler(handler)
    except Exception as failure:
        error = _describe(failure)
        _log(error)
        api.post_init_error(error)
        sys.exit(1)
    while True:
        invocation = api.next_invocation()
        request_ids.current = invocation.request_id
        if invocation.trace_id:
            os.environ["_X_AMZN_TRACE_ID"] = invocation.trace_id
        _run(api, function, invocation)


def _run(api: RuntimeApi, function: Handler, invocation: Invocation) -> None:
    try:
        event = _parse(invocation.event)
        result = _marshal(function(event, Context(invocation)))
    except Exception as failure:
        error = _describe(failure, invocation.request_id)
        _log(error)
        api.post_error(invocation.request_id, error)
    else:
        api.post_result(invocation.request_id, result)


def _load_handler(handler: str) -> Handler:
    module_name, dot, name = handler.rpartition(".")
    if not dot:
        message = f"Bad handler '{handler}': not enough values to unpack (expected 2, got 1)"
        raise FunctionErrorOutsideHandler("Runtime.MalformedHandlerName", message)
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = f"Cannot use built-in module {module_name} as a handler module"
        raise FunctionErrorOutsideHandler("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as failure:
        message = f"Unable to import module '{module_name}': {failure}"
        raise FunctionErrorOutsideHandler("Runtime.ImportModuleError", message) from None
    except SyntaxError as failure:
        line = f'  File "{failure.filename}" Line {failure.lineno}\n    {failure.text}'
        message = f"Syntax error in module '{module_name}': {failure}"
        raise FunctionErrorOutsideHandler("Runtime.UserCodeSyntaxError", message, [line]) from None
    try:
        found: Handler = getattr(module, name)
    except AttributeError:
        message = f"Handler '{name}' missing on module '{module_name}'"
        raise FunctionErrorOutsideHandler("Runtime.HandlerNotFound", message) from None
    return found


def _parse(event: bytes) -> Any:
    try:
        return simplejson.loads(event)
    except Exception as failure:
        raise FunctionErrorOutsideHandler(
            "Runtime.UnmarshalError", f"Unable to unmarshal input: {failure}"
        ) from None


def _marshal(result: Any) -> bytes:
    if isinstance(result, bytes):
        return result
    try:
        return _to_json(result)
    except Exception as failure:
        raise FunctionErrorOutsideHandler(
            "Runtime.MarshalError", f"Unable to marshal response: {failure}"
        ) from None


def _to_json(value: Any) -> bytes:
    text: str = simplejson.dumps(
        value, use_decimal=False, ensure_ascii=False, allow_nan=True, default=_decimal
    )
    return text.encode()


def _decimal(value: object) -> Any:
    if not isinstance(value, Decimal):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    return float("nan") if value.is_nan() else simplejson.RawJSON(str(value))


def _describe(failure: Exception, request_id: str = "") -> dict[str, Any]:
    if isinstance(failure, FunctionErrorOutsideHandler):
        kind, trace = failure.error_type, list(failure.trace)
    else:
        kind, trace = type(failure).__name__, _stack(failure.__traceback__)
    return {
        "errorMessage": str(failure),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


def _stack(trace: TracebackType | None) -> list[str]:
    """Format the calls of a traceback, from the first one outside this file."""
    calls = [
        (call.filename, call.lineno or 0, call.name, call.line)
        for call in traceback.extract_tb(trace)
    ]
    first = next((at for at, (file, *_) in enumerate(calls) if file != __file__), 0)
    return traceback.format_list(calls[first:])  # tuples: else lines of `^` follow the code


def _log(error: dict[str, Any]) -> None:
    """Print an error as one line: a carriage return stands for each line end within it."""
    title = f"[ERROR] {error['errorType']}"
    title += f": {error['errorMessage']}" if error["errorMessage"] else ""
    calls = [line for call in error["stackTrace"] for line in call.splitlines()]
    print("\r".join([title, "Traceback (most recent call last):", *calls]))


class _RequestIds(logging.Filter):
    """Adds the id of the current invocation to each record of the log."""

    current = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.aws_request_id = self.current
        return True


def _set_up_logging() -> _RequestIds:
    """Print records of `logging` as Lambda does, in UTC."""
    request_ids, handler = _RequestIds(), logging.StreamHandler(sys.stdout)
    line = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s"
    formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(request_ids)
    logging.getLogger().addHandler(handler)
    return request_ids


if __name__ == "__main__":
    main(sys.argv[1])
