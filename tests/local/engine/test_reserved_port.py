"""A reserved port is one that a server can take and the system gives to no other program."""

import socket
from contextlib import ExitStack

import pytest

from localdev.engine.operating_system import OS_ALLOWS_LISTENING_ON_BOUND_PORT
from localdev.reserved_port import reserve_port

OTHERS = 500


@pytest.mark.skipif(
    not OS_ALLOWS_LISTENING_ON_BOUND_PORT, reason="only Linux reserves a port for a server"
)
def test_a_server_listens_on_a_reserved_port_and_no_other_program_gets_it() -> None:
    with ExitStack() as opened:
        mine = [opened.enter_context(reserve_port()) for _ in range(OTHERS)]
        others = [opened.enter_context(socket.create_server(("", 0))) for _ in range(OTHERS)]
        ports = {each.getsockname()[1] for each in others}
        assert len(set(mine)) == OTHERS
        assert not ports & set(mine)

        with socket.create_server(("127.0.0.1", mine[0])):  # sets SO_REUSEADDR
            socket.create_connection(("127.0.0.1", mine[0]), 1).close()
