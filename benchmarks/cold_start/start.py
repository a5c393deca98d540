"""Start a function's process with AWS's own runtime client, for one invocation."""

import os
import queue
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.catalog import Function
from localdev.engine.child import start_child_process
from localdev.engine.environment import lambda_runtime_environment_variables
from localdev.engine.names import function_arn
from localdev.http_server import Request, Response, Server

MAX_START_S = 60


@dataclass(frozen=True, slots=True)
class ColdStart:
    """One cold start.

    wall_s: seconds from the start of the process to the response of its first invocation.
    cpu_s: CPU that the process has used until then.
    init_s: seconds until the process asked for an invocation: Lambda's `Init Duration`.
    """

    wall_s: float
    cpu_s: float
    init_s: float
    payload: bytes


class _RuntimeApi:
    """A Runtime API with one invocation (AWS Lambda Developer Guide, "Using the Lambda runtime API
    for custom runtimes")."""

    def __init__(self, function: Function, event: bytes) -> None:
        self._function, self._event = function, event
        self.asked_at: float | None = None
        self.ended: queue.SimpleQueue[tuple[float, Request]] = queue.SimpleQueue()
        self._over = threading.Event()
        self.server = Server(self._respond, port=0).start()

    def stop(self) -> None:
        self._over.set()
        self.server.stop()

    def _respond(self, request: Request) -> Response:
        if request.method == "POST":
            self.ended.put((time.perf_counter(), request))
            return Response(202, b"{}", {"Content-Type": "application/json"})
        if self.asked_at is not None:
            self._over.wait(MAX_START_S)
            return Response(410, close_after_body_bytes=-1)
        self.asked_at = time.perf_counter()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._function.timeout_s) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": function_arn(self._function.name),
        }
        return Response(200, self._event, headers)


def start_cold(
    function: Function,
    event: bytes,
    *,
    bundle: Path,
    runtime_packages: Path,
    settings: Mapping[str, str],
    log: Path,
) -> ColdStart:
    """Start the function's process, have it handle `event`, and kill it.

    Raises:
        AssertionError: the function failed; the log has the reason.
    """
    api = _RuntimeApi(function, event)
    variables = {
        **lambda_runtime_environment_variables(function, bundle),
        "PYTHONPATH": f"{bundle}:{runtime_packages}",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server.port}",
        **settings,
    }
    # Without any site-packages folder: Lambda has none of its packages, and no hooks in one.
    python = getattr(sys, "_base_executable", sys.executable)
    command = [python, "-P", "-S", "-m", "awslambdaric", function.qualified_handler_name]
    with log.open("ab") as sink:
        began_at = time.perf_counter()
        process = start_child_process(command, env=variables, cwd=bundle, log=sink)
    try:
        ended_at, response = api.ended.get(timeout=MAX_START_S)
    except queue.Empty:
        raise AssertionError(f"{function.name} did not respond; see {log}") from None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        api.stop()
    if not response.path.endswith("/response") or api.asked_at is None:
        raise AssertionError(f"{function.name} failed: {response.body!r}")
    wall_s, init_s = ended_at - began_at, api.asked_at - began_at
    return ColdStart(wall_s, used.ru_utime + used.ru_stime, init_s, response.body)
