"""A free port for a program that cannot choose one itself."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from localdev.engine.operating_system import CAN_LISTEN_ON_BOUND_PORT


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a port of 127.0.0.1 that the system assigns to no other program during the block.

    One program may listen on it, with SO_REUSEADDR, as servers do: Linux then permits a second
    socket beside the reserving one, which is bound and does not listen. Other systems do not, so
    the port is only free there when the block begins.
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        port = int(reserving.getsockname()[1])
        if not CAN_LISTEN_ON_BOUND_PORT:
            reserving.close()
        yield port
