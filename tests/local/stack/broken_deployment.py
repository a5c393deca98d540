"""A deployment that is broken on purpose, and what its operator sees of it, one line for each.

The lines are those of docs/troubleshooting.md, so that the page is what a test has seen: the
beginning of each line says where to look.
"""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.local.mirror import Mirror, when
from tests.support.paths import ROOT

PAGE = ROOT / "docs/troubleshooting.md"
_SECTION = re.compile(r"^### (.+?)\n(.*?)(?=^#|\Z)", re.MULTILINE | re.DOTALL)
_SEEN = re.compile(r"```text\n(.*?)```", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN_FACTS = ("error", "reason", "cause", "problem")
"""What is shown of a log line beside its event."""
_EXPIRE = "UPDATE mailsync.email_credentials SET access_expires_at = now() RETURNING 1"


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
        """End the processes of these functions. A running execution may start others meanwhile,
        which have the present settings."""
        host = self._mirror.stack.lambdas
        ended = {pid for name in functions for pid in host.pids(name)}
        for pid in ended:
            os.kill(pid, signal.SIGKILL)
        when(lambda: ended.isdisjoint(pid for name in functions for pid in host.pids(name)))

    def seen(self, title: str) -> list[str]:
        """What is seen now where the page's section looks, in the form of its lines."""
        places = [line.partition(": ")[0] for line in sections()[title]]
        return [f"{place}: {_UUID.sub('ID', self._look(*place.split()))}" for place in places]

    def _look(self, what: str, *where: str) -> str:
        match what:
            case "run":
                return self._run()
            case "execution":
                return self._failing_state()
            case "function":
                return self._function(*where)
            case "log":
                return self._log(where[-1])
            case _:
                return self._response(what, *where)

    def _response(self, method: str, path: str) -> str:
        about = "json" if method == "POST" else "params"
        own = {"accountId": self._mirror.account.id}
        response = self._mirror.request(method, path, **{about: own})
        document = response.json()
        kind = str(document.get("type")).rsplit(":", 1)[-1]
        sentence = document.get("message") or f"{kind}: {document.get('detail')}"
        return f"{response.status_code} {sentence}"

    def _function(self, name: str) -> str:
        """The error with which a function ends."""
        event = {"accountId": self._mirror.account.id, "headers": {"authorization": "Bearer x"}}
        response = self._mirror.stack.lambdas.invoke(name, json.dumps(event).encode())
        error = json.loads(response.payload)
        assert response.failed, error
        return f"{error['errorType']}: {error['errorMessage']}"

    def _run(self) -> str:
        """Start a sync that needs a new access token; return how it ends."""
        self._mirror.rows(_EXPIRE)
        run_id = self._mirror.account.sync()["runId"]
        ended = (
            "SELECT status, error, error_message FROM mailsync.sync_runs"
            f" WHERE id = '{run_id}' AND finished_at IS NOT NULL"
        )
        status, error, sentence = when(lambda: self._mirror.rows(ended))[0]
        return f"{status}, {error}: {sentence or ''}"

    def _failing_state(self) -> str:
        """Start a sync; return its first failure, as the history shows it."""
        run_id = self._mirror.account.sync()["runId"]
        failed = when(lambda: self._mirror.failed_tasks(run_id))[0]
        return f"{failed['error']}: {json.loads(failed['cause'])['errorMessage']}"

    def _log(self, function: str) -> str:
        """The last warning, error or refusal of a function since the beginning.

        A run has its outcome a moment before the function says so.
        """
        last = when(lambda: self._warnings(function))[-1]
        facts = [f"{name}={last[name]}" for name in _SHOWN_FACTS if name in last]
        return " ".join([last["message"], *facts])

    def _warnings(self, function: str) -> list[dict[str, Any]]:
        path = self._logs / f"{function}.log"
        with path.open() as log:
            log.seek(self._read.get(path.name, 0))
            lines = [json.loads(each) for each in log if each.startswith('{"level"')]
        return [each for each in lines if each["level"] != "INFO" or "reason" in each]
