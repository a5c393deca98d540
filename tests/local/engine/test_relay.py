"""What containers are led to: the same port of another address of this machine."""

import socket
import sys
import threading

import pytest

from localdev.containers.relay import DockerToLoopbackPortForwarder

OTHER = "127.0.0.2"  # Linux answers for all of 127.0.0.0/8


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere Docker Desktop relays by itself")
def test_what_is_sent_to_the_other_address_reaches_the_server_and_its_answer_comes_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=shout_back, args=(server,), daemon=True).start()
        relay = DockerToLoopbackPortForwarder(OTHER, [port])
        with socket.create_connection((OTHER, port), 5) as caller:
            caller.sendall(b"mail")
            caller.shutdown(socket.SHUT_WR)
            assert caller.makefile("rb").read() == b"MAIL"
        relay.stop()

        with pytest.raises(OSError, match="refused"):
            socket.create_connection((OTHER, port), 5)


def test_an_address_that_is_not_this_machines_is_left_to_docker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    relay = DockerToLoopbackPortForwarder("192.0.2.1", [port])

    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 5)
    relay.stop()


def shout_back(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(connection.makefile("rb").read().upper())
