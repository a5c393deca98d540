"""A free port for a program that cannot choose one itself."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from localdev.engine.operating_system import OS_ALLOWS_LISTENING_ON_BOUND_PORT


@contextmanager
def reserve_port() -> Iterator[int]:
    """Yield a free port of 127.0.0.1. Linux assigns the port to no other program while the `with`
    block runs.

    This function binds a socket to the port and does not listen. On Linux, a program that sets
    SO_REUSEADDR can listen on the port all the same. On other systems no program could listen
    there, so the function closes its socket first, and another program may take the port.
    """
    with socket.socket() as reserving:
        reserving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserving.bind(("127.0.0.1", 0))
        port = int(reserving.getsockname()[1])
        if not OS_ALLOWS_LISTENING_ON_BOUND_PORT:
            reserving.close()
        yield port
