"""Death at a chosen moment, just before or just after a call to the outside.

Every HTTP request (Microsoft Graph, the key service), IMAP command and SQL statement, COMMIT
included, is one call and has two moments, so that a call that took effect and one that did not both
get their turn. A process of its own dies by SIGKILL. One that is to go on with other syncs only
plays dead: nothing that it calls has an effect any more.
"""

import imaplib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import httpx
import pg8000.native

from mailsync.aws.client import AwsClient
from tests.torture.durable import DurableState

CALLS = (
    (httpx.HTTPTransport, "handle_request"),
    (AwsClient, "_send"),
    (pg8000.native.Connection, "run"),
    (imaplib.IMAP4, "send"),
)


class Died(BaseException):
    """The process plays dead."""


class Moments:
    """Counts the moments of this process; at the one numbered `fatal` it is dead.

    `plays`: it only plays dead, until it is revived. `durable`: `states` gets the first moment of
    each state of what outlives the process. A death at any other moment leaves the same
    state as at the moment before.
    """

    _watching: "Moments | None" = None

    def __init__(
        self, fatal: int | None, *, plays: bool = False, durable: DurableState | None = None
    ) -> None:
        self.count = 0
        self.states: list[int] = []
        self._fatal = fatal
        self._plays = plays
        self._is_dead = False
        self._durable = durable
        self._state: object = None

    def watch(self) -> None:
        """From now on in this process, in place of any other; what it did before is done."""
        Moments._watching = self
        self._state = None
        for owner, name in CALLS:
            call = getattr(owner, name)
            if not hasattr(call, "__wrapped__"):
                setattr(owner, name, _watched(call))

    def recover(self) -> None:
        """Another process takes the place of the dead one."""
        self._is_dead = False

    def pass_one(self) -> None:
        self.count += 1
        if self._durable:
            self._note_state(self._durable)
        if self._is_dead or self.count == self._fatal:
            if not self._plays:
                os.kill(os.getpid(), signal.SIGKILL)
            self._is_dead = True
            raise Died

    def _note_state(self, durable: DurableState) -> None:
        with unwatched():
            state = durable.read()
        if state != self._state:
            self.states.append(self.count)
        self._state = state


@contextmanager
def unwatched() -> Iterator[None]:
    """For calls that are none of the product's."""
    watching, Moments._watching = Moments._watching, None
    try:
        yield
    finally:
        Moments._watching = watching


def _watched(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def watched(*args: Any, **named: Any) -> Any:
        moments = Moments._watching
        if moments is None:
            return call(*args, **named)
        moments.pass_one()
        result = call(*args, **named)
        moments.pass_one()
        return result

    return watched
