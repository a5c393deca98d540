"""Forward ports of Docker's bridge address to the same ports of this machine's loopback address.

The servers of the local stack listen only on loopback, which containers cannot reach. On Linux the
relay listens on the address of Docker's bridge, which only containers and this machine can reach.
With Docker Desktop the relay does nothing: Docker Desktop itself forwards the containers'
connections to loopback, and the address to which containers connect is not one of this machine.
"""

import contextlib
import errno
import socket
import threading
from collections.abc import Iterable


class DockerToLoopbackPortForwarder:
    """Forwards connections to `ports` of `address` to the same ports of 127.0.0.1, until `stop`."""

    def __init__(self, address: str, ports: Iterable[int]) -> None:
        self._listening: list[socket.socket] = []
        for port in ports:
            listening = _listen(address, port)
            if listening is not None:
                self._listening.append(listening)
                threading.Thread(target=_accept, args=(listening, port), daemon=True).start()

    def stop(self) -> None:
        """Accept no more connections; open connections end when one of their sides closes."""
        for server in self._listening:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            server.close()


def _listen(address: str, port: int) -> socket.socket | None:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    listening.listen()
    return listening


def _accept(listening: socket.socket, port: int) -> None:
    while True:
        try:
            caller, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(caller, port), daemon=True).start()


def _serve(caller: socket.socket, port: int) -> None:
    """Copy bytes in both directions until both sides have closed the connection."""
    with (
        caller,
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", port), 10) as server,
    ):
        server.settimeout(None)
        answering = threading.Thread(target=_copy, args=(server, caller), daemon=True)
        answering.start()
        _copy(caller, server)
        answering.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
