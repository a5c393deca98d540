"""Run a Lambda execution environment on this machine: the function's process, and the Runtime
API that the process polls.

Source: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes" and
    "Understanding the Lambda execution environment lifecycle".
"""

import hmac
import json
import os
import queue
import secrets
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from infra.catalog import Function
from localdev.engine.fork_server import start_function_process
from localdev.engine.names import AWS_REGION, function_arn
from localdev.engine.operating_system import peak_memory_mb
from localdev.engine.report import format_report_line
from localdev.http_server import Request, Response, Server
from localdev.private_files import open_private_file_for_appending

LAMBDA_RUNTIME_SCRIPT = Path(__file__).with_name("runtime_main.py")
INIT_TIMEOUT_S = 30  # Lambda: 10 s; a developer's machine may be busy
MEMORY_CHECK_INTERVAL_S = 0.05
MAX_FUNCTION_RESPONSE_BYTES = 6_291_556  # 6 MB and a little, as Lambda counts it
_GONE = Response(410, close_after_body_bytes=-1)


@dataclass(frozen=True, slots=True)
class FunctionResultOrError:
    """The outcome of one invocation of a Lambda function.

    payload_json: the function's result as JSON, or the error as JSON if `is_error`.
    """

    payload_json: bytes
    is_error: bool = False

    @classmethod
    def from_error_type(cls, error_type: str, message: str) -> "FunctionResultOrError":
        document = {"errorType": error_type, "errorMessage": message}
        return cls(json.dumps(document).encode(), is_error=True)


@dataclass(slots=True)
class _Invocation:
    event: bytes
    timeout_s: int
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    taken: threading.Event = field(default_factory=threading.Event)
    taken_at: float | None = None
    outcome: "queue.SimpleQueue[FunctionResultOrError]" = field(default_factory=queue.SimpleQueue)

    def end(self, outcome: FunctionResultOrError) -> None:
        """Set the outcome of the invocation; only the first outcome counts."""
        self.outcome.put(outcome)
        self.taken.set()


class ExecutionEnvironment:
    """A local execution environment: a process that runs one invocation of its function at a time.

    runtime: path of the main program of the process. The program gets the name of the handler as
        its argument.
    is_reusable: whether the process is alive, so that it can run another invocation.
    """

    def __init__(
        self,
        function: Function,
        *,
        code_root: Path,
        settings: Mapping[str, str],
        log: Path,
        runtime: Path = LAMBDA_RUNTIME_SCRIPT,
    ) -> None:
        self.function = function
        self._log = log
        self._began_at: float | None = time.monotonic()  # None after an invocation
        self._waiting: queue.SimpleQueue[_Invocation | None] = queue.SimpleQueue()
        self._current: _Invocation | None = None
        # The path is secret: any client that knows it could take events with their tokens, and
        # respond in place of the function.
        self._api = f"/{secrets.token_urlsafe(32)}/2018-06-01/runtime/"
        self._init_error: FunctionResultOrError | None = None  # can come before an invocation
        self._used_mb = 0
        self._server = Server(self._respond, port=0).start()
        variables = {**lambda_runtime_environment_variables(function, code_root), **settings}
        secret = self._api.split("/")[1]
        variables["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{self._server.port}/{secret}"
        with open_private_file_for_appending(log) as sink:
            self._process = start_function_process(
                [str(runtime), function.qualified_handler_name],
                env=variables,
                cwd=code_root,
                log=sink,
            )
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_reusable(self) -> bool:
        return self._process.poll() is None

    def run_invocation(self, event: bytes) -> FunctionResultOrError:
        """Run the function on `event` and return the outcome. The outcome is an error if the
        function fails, exceeds its time-out or memory, does not start within 30 s, or returns more
        than MAX_FUNCTION_RESPONSE_BYTES."""
        invocation = _Invocation(event, self.function.timeout_s)
        self._current = invocation
        self._waiting.put(invocation)
        if not self.is_reusable:  # it ended while idle, and so did `_watch`
            invocation.end(self._exit_error(invocation))
        try:
            if not invocation.taken.wait(INIT_TIMEOUT_S):
                raise queue.Empty
            outcome = self._outcome(invocation)
        except queue.Empty:
            self._kill()
            message = f"RequestId: {invocation.request_id} Error: Task timed out after "
            outcome = FunctionResultOrError.from_error_type(
                "Sandbox.Timedout", f"{message}{invocation.timeout_s:.2f} seconds"
            )
        self._current = None
        self._report(invocation)
        return _within_limit(outcome)

    def _outcome(self, invocation: _Invocation) -> FunctionResultOrError:
        """Wait for the outcome; kill a process that exceeds the function's memory, as Lambda does.

        The kernel records the highest memory use of the process, so no peak between two checks is
        missed. Raises queue.Empty after the time-out.
        """
        deadline = time.monotonic() + invocation.timeout_s
        while True:
            left_s = deadline - time.monotonic()
            try:
                outcome = invocation.outcome.get(
                    timeout=max(0.0, min(left_s, MEMORY_CHECK_INTERVAL_S))
                )
            except queue.Empty:
                if left_s <= 0:
                    raise
                outcome = None
            self._used_mb = peak_memory_mb(self.pid) or self._used_mb
            if self._used_mb > self.function.memory_mb:
                self._kill()
                return _out_of_memory(invocation)
            if outcome:
                return outcome

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Kill the process, as Lambda does with an environment that is no longer needed."""
        if self.is_reusable:
            with suppress(ProcessLookupError):  # it has ended between the two lines
                os.kill(self.pid, signal.SIGKILL)
        self._process.wait()
        self._waiting.put(None)
        self._server.stop()

    def _respond(self, request: Request) -> Response:
        """Serve the Runtime API below a secret path that only the function's process knows.

        The request for the next invocation is a long poll.
        """
        if not hmac.compare_digest(request.path[: len(self._api)].encode(), self._api.encode()):
            return Response(404)
        if request.method == "GET":
            invocation = self._waiting.get()
            return self._next(invocation) if invocation else _GONE
        outcome = FunctionResultOrError(request.body, is_error=request.path.endswith("/error"))
        if request.path == f"{self._api}init/error":
            self._init_error = outcome
        if self._current:
            self._current.end(outcome)
        return Response(202, b'{"status":"OK"}', {"Content-Type": "application/json"})

    def _next(self, invocation: _Invocation) -> Response:
        invocation.taken_at = time.monotonic()
        invocation.taken.set()
        deadline_ms = int((time.time() + invocation.timeout_s) * 1000)
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": function_arn(self.function.name),
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
        }
        return Response(200, invocation.event, headers)

    def _report(self, invocation: _Invocation) -> None:
        if invocation.taken_at is None:
            return
        init_s = invocation.taken_at - self._began_at if self._began_at else 0.0
        self._began_at = None
        line = format_report_line(
            invocation.request_id,
            duration_s=time.monotonic() - invocation.taken_at,
            init_s=init_s,
            memory_mb=self.function.memory_mb,
            used_mb=min(self._used_mb, self.function.memory_mb),
        )
        with open_private_file_for_appending(self._log) as sink:
            sink.write(line.encode())

    def _watch(self) -> None:
        self._process.wait()
        if invocation := self._current:
            invocation.end(self._exit_error(invocation))

    def _exit_error(self, invocation: _Invocation) -> FunctionResultOrError:
        if self._init_error:
            return self._init_error
        status = self._process.returncode
        how = f"signal: {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        message = f"RequestId: {invocation.request_id} Error: Runtime exited with error: {how}"
        return FunctionResultOrError.from_error_type("Runtime.ExitError", message)


def _out_of_memory(invocation: _Invocation) -> FunctionResultOrError:
    """Return the out-of-memory error as Step Functions sees it.

    Source: awslabs/aws-deployment-framework #758.
    """
    message = f"RequestId: {invocation.request_id} Error: Runtime exited with error: signal: killed"
    return FunctionResultOrError.from_error_type("Runtime.OutOfMemory", message)


def _within_limit(outcome: FunctionResultOrError) -> FunctionResultOrError:
    if len(outcome.payload_json) <= MAX_FUNCTION_RESPONSE_BYTES:
        return outcome
    return FunctionResultOrError.from_error_type(
        "Function.ResponseSizeTooLarge",
        "Response payload size exceeded maximum allowed payload size "
        f"({MAX_FUNCTION_RESPONSE_BYTES} bytes).",
    )


def lambda_runtime_environment_variables(function: Function, code_root: Path) -> dict[str, str]:
    """Return the environment variables that Lambda sets itself.

    Source: Lambda Developer Guide, "Working with Lambda environment variables".
    """
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PYTHONPATH": str(code_root),
        "LAMBDA_TASK_ROOT": str(code_root),
        "_HANDLER": function.qualified_handler_name,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python3.{sys.version_info.minor}",
        "AWS_REGION": AWS_REGION,
        "AWS_DEFAULT_REGION": AWS_REGION,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
