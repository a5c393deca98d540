"""Delay TCP connections as a long link does.

`python -m benchmarks.imap.delay_proxy PORT TARGET_PORT ROUND_TRIP_MS`.
Each byte arrives half a round-trip time after it was sent, in both directions. Bytes on the way do
not wait for each other, and the proxy reads whatever it is sent, so it limits neither the bandwidth
nor the number of bytes on the way (Linux's `tc netem` does the same, but not every kernel has it).
"""

import asyncio
import sys
from collections import deque
from contextlib import suppress


class _Direction(asyncio.Protocol):
    """One direction of a connection: what it receives, `other` sends after the delay."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.transport: asyncio.Transport | None = None
        self.other: _Direction | None = None
        self._early: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        while self._early:
            transport.write(self._early.popleft())

    def data_received(self, data: bytes) -> None:
        assert self.other
        asyncio.get_running_loop().call_later(self.delay_s, self.other.send, data)

    def connection_lost(self, failure: Exception | None) -> None:
        assert self.other
        asyncio.get_running_loop().call_later(self.delay_s, self.other.close)

    def send(self, data: bytes) -> None:
        if self.transport is None:
            self._early.append(data)
        else:
            self.transport.write(data)

    def close(self) -> None:
        if self.transport:
            self.transport.close()


async def serve(port: int, target: int, round_trip_s: float) -> None:
    """Relay connections to `port` on loopback to `target` until the task is cancelled."""
    loop = asyncio.get_running_loop()
    connecting: set[asyncio.Task[None]] = set()

    def accepted() -> _Direction:
        client, server = _Direction(round_trip_s / 2), _Direction(round_trip_s / 2)
        client.other, server.other = server, client

        async def connect() -> None:
            await loop.create_connection(lambda: server, "127.0.0.1", target)

        task = loop.create_task(connect())
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return client

    server = await loop.create_server(accepted, "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
