"""Repeat a read on a new connection if the server ended the connection, and send nothing during a
pause that the server requested."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from mailsync.errors import ProviderThrottled, ProviderUnavailable


class RequestedPause:
    """The pause that a server requested; 0 seconds remain if it requested none."""

    def __init__(self) -> None:
        self._ends_at = 0.0

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._ends_at - time.monotonic())

    @contextmanager
    def guard_requests(self) -> Iterator[None]:
        """Guard the requests in a `with` block: raise ProviderThrottled before the block if the
        pause has not ended yet. If the block raises ProviderThrottled, start the pause that the
        error names, and raise the error again."""
        if left_s := self.remaining_s:
            raise ProviderThrottled(
                "The pause that the mail server requested is not over.", retry_after_s=left_s
            )
        try:
            yield
        except ProviderThrottled as failure:
            self._ends_at = time.monotonic() + (failure.retry_after_s or 0.0)
            raise


class SelfReconnectingMailbox(Protocol):
    """A mailbox that opens a new connection after its connection broke.

    is_disconnected_by_server: whether the server ended the connection.
    requested_pause: the pause that the server requested.
    """

    @property
    def is_disconnected_by_server(self) -> bool: ...

    @property
    def requested_pause(self) -> RequestedPause: ...


_Mailbox = TypeVar("_Mailbox", bound=SelfReconnectingMailbox)
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def retry_on_disconnect(
    method: Callable[Concatenate[_Mailbox, _Parameters], _Result],
) -> Callable[Concatenate[_Mailbox, _Parameters], _Result]:
    """Call a method a second time if the server ended the connection during the first call. Only
    for methods that only read.

    Servers end a connection after some idle time or a number of messages. If the server only keeps
    silent, the method is not called again.
    """

    def repeated(
        mailbox: _Mailbox, /, *args: _Parameters.args, **named: _Parameters.kwargs
    ) -> _Result:
        with mailbox.requested_pause.guard_requests():
            try:
                return method(mailbox, *args, **named)
            except ProviderUnavailable:
                if not mailbox.is_disconnected_by_server:
                    raise
            return method(mailbox, *args, **named)

    update_wrapper(repeated, method)
    return repeated
