"""A deployment that is broken on purpose, and what its operator sees of it, one line for each.

The lines are those of docs/troubleshooting.md, so that the page is what a test has seen.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.local.mirror import Mirror, when
from tests.support.paths import ROOT

PAGE = ROOT / "docs/troubleshooting.md"
_SECTION = re.compile(r"^### (.+?)\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_SEEN = re.compile(r"```text\n(.*?)```", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN_FACTS = ("error", "reason", "cause", "problem")
"""What is shown of a log line beside its event."""


def sections() -> dict[str, list[str]]:
    """The lines that the page promises under each title of a broken deployment."""
    found = {}
    for title, text in _SECTION.findall(PAGE.read_text()):
        if seen := _SEEN.search(text):
            found[title] = seen[1].splitlines()
    return found


class BrokenDeployment:
    """What is seen of the stack of `mirror`."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._logs = mirror.stack.data / "logs"
        self._read = {each.name: each.stat().st_size for each in self._logs.iterdir()}

    @contextmanager
    def deployed_with(self, *functions: str, **settings: str) -> Iterator[None]:
        """These functions have these settings in the block; those that run are started anew."""
        host = self._mirror.stack.lambdas
        before = host.settings
        host.settings = {**before, **settings}  # the dashboard goes on with those of before
        self._end(functions)
        try:
            yield
        finally:
            host.settings = before
            self._end(functions)

    def _end(self, functions: tuple[str, ...]) -> None:
        host = self._mirror.stack.lambdas
        for name in functions:
            for pid in host.pids(name):
                os.kill(pid, signal.SIGKILL)
        when(lambda: not any(host.pids(name) for name in functions))

    def response(self, method: str, path: str) -> str:
        url = f"{self._mirror.stack.api_url}{path}"
        token = {"Authorization": f"Bearer {self._mirror.stack.token()}"}
        body = {"accountId": self._mirror.account.id} if method == "POST" else None
        query = {"accountId": self._mirror.account.id} if method == "GET" else {}
        response = httpx.request(method, url, params=query, json=body, headers=token, timeout=60)
        document = response.json()
        sentence = document.get("message") or f"{_kind(document)}: {document.get('detail')}"
        return f"{method} {path}: {response.status_code} {_without_ids(sentence)}"

    def function(self, name: str, event: dict[str, Any] | None = None) -> str:
        """The error with which a function ends."""
        response = self._mirror.stack.lambdas.invoke(name, json.dumps(event or {}).encode())
        error = json.loads(response.payload)
        assert response.failed, error
        return f"function {name}: {error['errorType']}: {_without_ids(error['errorMessage'])}"

    def run(self) -> str:
        """Start a sync; return how it ends."""
        run_id = self._mirror.account.sync()["runId"]
        ended = (
            "SELECT status, error, error_message FROM mailsync.sync_runs"
            f" WHERE id = '{run_id}' AND finished_at IS NOT NULL"
        )
        status, error, sentence = when(lambda: self._mirror.rows(ended))[0]
        return f"run: {status}, {error}: {_without_ids(sentence or '')}"

    def failing_state(self) -> str:
        """What the history of the open run shows as soon as one of its tasks has failed."""
        run_id = self._mirror.account.status()["runId"]
        failed = when(
            lambda: [
                event["taskFailedEventDetails"]
                for event in self._mirror.history(run_id)
                if "taskFailedEventDetails" in event
            ]
        )[0]
        sentence = json.loads(failed["cause"])["errorMessage"]
        return f"execution: {failed['error']}: {_without_ids(sentence)}"

    def log(self, function: str) -> str:
        """The last warning, error or refusal of a function since the beginning.

        A run has its outcome a moment before the function says so.
        """
        lines = when(lambda: self._warnings(function))
        facts = [f"{name}={lines[-1][name]}" for name in _SHOWN_FACTS if name in lines[-1]]
        return " ".join([f"log of {function}: {lines[-1]['message']}", *facts])

    def _warnings(self, function: str) -> list[dict[str, Any]]:
        path = self._logs / f"{function}.log"
        with path.open() as log:
            log.seek(self._read.get(path.name, 0))
            lines = [json.loads(each) for each in log if each.startswith('{"level"')]
        return [each for each in lines if each["level"] != "INFO" or "reason" in each]


def _kind(problem: dict[str, Any]) -> str:
    return str(problem["type"]).rsplit(":", 1)[-1]


def _without_ids(sentence: str) -> str:
    return _UUID.sub("ID", sentence)
