"""Servers that say something else than Postgres does."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread


@contextmanager
def a_server_that_says(answer: bytes, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Its port. It reads once of each connection, answers, begins TLS if it has any, and listens
    on."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as kept:

        def serve() -> None:
            while True:
                try:
                    accepted = kept.enter_context(listener.accept()[0])
                except OSError:
                    return
                accepted.recv(1024)
                accepted.sendall(answer)
                if tls:
                    with suppress(OSError):
                        kept.enter_context(tls.wrap_socket(accepted, server_side=True))

        Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
