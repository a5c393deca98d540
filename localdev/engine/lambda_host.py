"""Run Lambda functions in execution environments; start a new environment when all are busy, so no
invocation is throttled. `benchmarks/backlog.py` computes what throttling costs on AWS.

Source of statuses and headers: AWS Lambda API Reference, Invoke. Source of the retries: AWS Lambda
Developer Guide, "How Lambda handles errors and retries with asynchronous invocation".
"""

import json
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from infra.catalog import Function
from localdev.engine.environment import (
    LAMBDA_RUNTIME_SCRIPT,
    ExecutionEnvironment,
    FunctionResultOrError,
)
from localdev.engine.names import function_name_from_arn_or_name

MAX_IDLE_ENVIRONMENTS = 4  # of one function; a sync reads so many folders at once
ASYNC_RETRY_DELAYS_S = (60, 120)


@dataclass(frozen=True, slots=True)
class InvocationResult:
    """The response of Lambda's Invoke API: HTTP status, payload, and headers that callers read."""

    invoke_http_status: int
    payload: bytes
    invoke_http_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Return whether the function did not run or ended with an error."""
        return self.invoke_http_status >= 300 or "X-Amz-Function-Error" in self.invoke_http_headers


class LambdaHost:
    """Runs functions with the code in `code_root`; writes each function's output to a file in
    `logs`.

    settings: environment variables of every function. A change affects only the execution
        environments that start later.
    time_scale: factor for the waits before the second and third attempt of an asynchronous
        invocation, which are a minute and two minutes on AWS.
    runtime: path of the main program of the functions' processes.
    async_retry_delays_s: the waits in seconds that result from `time_scale`.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        *,
        code_root: Path,
        logs: Path,
        settings: Mapping[str, str],
        time_scale: float = 1,
        runtime: Path = LAMBDA_RUNTIME_SCRIPT,
    ) -> None:
        self.settings = dict(settings)
        self._functions = {each.name: each for each in functions}
        self._code_root = code_root.resolve()
        self._runtime = runtime
        self._logs = logs
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._idle: dict[str, list[ExecutionEnvironment]] = defaultdict(list)
        self._busy: dict[str, set[ExecutionEnvironment]] = defaultdict(set)
        self._outdated: set[ExecutionEnvironment] = set()
        self._ended = threading.Event()
        self.async_retry_delays_s = [wait_s * time_scale for wait_s in ASYNC_RETRY_DELAYS_S]

    def invoke(self, reference: str, event: bytes) -> InvocationResult:
        """Run a function and return its result. The status is 404 for an unknown function, and 429
        after `stop`.

        reference: the function's name or ARN.
        """
        name = function_name_from_arn_or_name(reference)
        function = self._functions.get(name)
        if function is None:
            return _refusal(404, "ResourceNotFoundException", f"Function not found: {name}")
        if self._ended.is_set():
            return _refusal(429, "TooManyRequestsException", "Rate Exceeded.")
        environment = self._take(function)
        try:
            outcome = environment.run_invocation(event)
        finally:
            self._give_back(environment)
        return _result(outcome)

    def invoke_asynchronously(self, reference: str, event: bytes) -> InvocationResult:
        """Accept an event for asynchronous invocation (InvocationType `Event`). Return the status
        202 without waiting for the function, or 404 for an unknown function.

        A thread then runs the function with `invoke_with_retries`.
        """
        if function_name_from_arn_or_name(reference) not in self._functions:
            return self.invoke(reference, event)
        threading.Thread(
            target=self.invoke_with_retries, args=(reference, event), daemon=True
        ).start()
        return InvocationResult(202, b"")

    def invoke_with_retries(self, reference: str, event: bytes) -> InvocationResult:
        """Run a function until it succeeds, at most three times, with the waits
        `async_retry_delays_s` before the retries; return the last result."""
        result = self.invoke(reference, event)
        for wait_s in self.async_retry_delays_s:
            if not result.failed or self._ended.wait(wait_s):
                break
            result = self.invoke(reference, event)
        return result

    def pids(self, name: str, *, busy: bool | None = None) -> list[int]:
        """Return the process ids of the execution environments of the Lambda function `name`.

        busy: True returns only environments that run an invocation, False only idle environments.
            None: all.
        """
        with self._lock:
            working, idle = list(self._busy[name]), list(self._idle[name])
        chosen = (working if busy is not False else []) + (idle if busy is not True else [])
        return [each.pid for each in chosen if each.is_reusable]

    def retire_function_execution_environments(self, names: Collection[str] | None = None) -> None:
        """End the execution environments of the functions `names`, so that later invocations run
        changed code and settings. Idle environments end at once, busy environments after their
        invocation. None as `names`: all functions."""
        with self._lock:
            retired = self._functions if names is None else names
            idle = [each for name in retired for each in self._idle.pop(name, ())]
            for name in retired:
                self._outdated |= self._busy[name]
        _stop_all(idle)

    def stop(self) -> None:
        """End every environment. An invocation that is running fails as after a crash."""
        with self._lock:
            self._ended.set()
            idle = [each for pool in self._idle.values() for each in pool]
            busy = [each for pool in self._busy.values() for each in pool]
            self._idle.clear()
        _stop_all([*idle, *busy])

    def _take(self, function: Function) -> ExecutionEnvironment:
        name = function.name
        with self._lock:
            dead = [each for each in self._idle[name] if not each.is_reusable]
            self._idle[name] = [each for each in self._idle[name] if each.is_reusable]
            environment = self._idle[name].pop() if self._idle[name] else None
        _stop_all(dead)
        environment = environment or ExecutionEnvironment(
            function,
            code_root=self._code_root,
            settings=self.settings,
            log=self._logs / f"{name}.log",
            runtime=self._runtime,
        )
        with self._lock:
            self._busy[name].add(environment)
        return environment

    def _give_back(self, environment: ExecutionEnvironment) -> None:
        name = environment.function.name
        with self._lock:
            self._busy[name].discard(environment)
            fresh = environment not in self._outdated and not self._ended.is_set()
            self._outdated.discard(environment)
            keep = (
                fresh and environment.is_reusable and len(self._idle[name]) < MAX_IDLE_ENVIRONMENTS
            )
            if keep:
                self._idle[name].append(environment)
        if not keep:
            threading.Thread(target=environment.stop, daemon=True).start()


def _stop_all(environments: list[ExecutionEnvironment]) -> None:
    """Stop the environments in parallel, because each waits until its HTTP server has stopped."""
    if environments:
        with ThreadPoolExecutor(max_workers=len(environments)) as pool:
            list(pool.map(ExecutionEnvironment.stop, environments))


def _result(outcome: FunctionResultOrError) -> InvocationResult:
    headers = {"X-Amz-Executed-Version": "$LATEST"}
    if outcome.is_error:
        headers["X-Amz-Function-Error"] = "Unhandled"
    return InvocationResult(200, outcome.payload_json, headers)


def _refusal(status: int, error: str, message: str) -> InvocationResult:
    payload = json.dumps({"Type": "User", "Message": message}).encode()
    return InvocationResult(status, payload, {"X-Amzn-Errortype": error})
