"""Repeat a read on a new connection if the server ended the connection."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from mailsync.errors import ProviderUnavailable


class Reconnecting(Protocol):
    """A mailbox that connects anew after its connection broke. is_cut: whether the server ended
    it."""

    @property
    def is_cut(self) -> bool: ...


_Mailbox = TypeVar("_Mailbox", bound=Reconnecting)
_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def repeated_if_cut(
    method: Callable[Concatenate[_Mailbox, _Parameters], _Result],
) -> Callable[Concatenate[_Mailbox, _Parameters], _Result]:
    """Repeat a method that only reads, once, if the server ended the connection meanwhile: servers
    do so after some idle time or a number of messages. A silent server is not asked again."""

    def repeated(
        mailbox: _Mailbox, /, *args: _Parameters.args, **named: _Parameters.kwargs
    ) -> _Result:
        try:
            return method(mailbox, *args, **named)
        except ProviderUnavailable:
            if not mailbox.is_cut:
                raise
        return method(mailbox, *args, **named)

    update_wrapper(repeated, method)
    return repeated
