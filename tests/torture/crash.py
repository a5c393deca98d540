"""Death at a chosen moment: SIGKILL just before or just after a call to the outside.

Every HTTP request (Microsoft Graph, the key service) and every SQL statement, COMMIT included,
is one call and has two moments, so that a call that took effect and one that did not both get
their turn.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

import botocore.httpsession
import httpx
import pg8000.native

CALLS = (
    (httpx.HTTPTransport, "handle_request"),
    (botocore.httpsession.URLLib3Session, "send"),
    (pg8000.native.Connection, "run"),
)


class Moments:
    """Counts the moments of this process; at the one numbered `fatal` it is dead."""

    def __init__(self, fatal: int | None) -> None:
        self.count = 0
        self._fatal = fatal

    def watch(self) -> None:
        """From now on in this process; asked again, it changes nothing."""
        for owner, name in CALLS:
            call = getattr(owner, name)
            if not hasattr(call, "__wrapped__"):
                setattr(owner, name, self._watched(call))

    def _watched(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def watched(*args: Any, **named: Any) -> Any:
            self._pass()
            result = call(*args, **named)
            self._pass()
            return result

        return watched

    def _pass(self) -> None:
        self.count += 1
        if self.count == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
