"""An application that Graph notifies: answers the handshake and keeps the notifications."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson

from localdev.http_server import Request, Response, Server

LIMIT_S = 10


class Subscriber:
    """`statuses` are the answers to the next notifications, 202 when there are none left.

    `at_handshake` happens before a handshake is answered.
    """

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.handshakes = 0
        self.statuses: deque[int] = deque()
        self.echoes = True
        self.at_handshake: Callable[[], object] = lambda: None
        self._server = Server(self._answer, port=0).start()
        self.url = f"http://127.0.0.1:{self._server.port}/hook"

    def stop(self) -> None:
        self._server.stop()

    def receives(self, number: int) -> bool:
        """Waits for so many notifications in all; whether they came."""
        deadline = time.monotonic() + LIMIT_S
        while len(self.items) < number:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def _answer(self, request: Request) -> Response:
        tokens = parse_qs(request.query_string).get("validationToken")
        if tokens:
            self.handshakes += 1
            self.at_handshake()
            body = tokens[0].encode() if self.echoes else b"hello"
            return Response(200, body, {"Content-Type": "text/plain"})
        status = self.statuses.popleft() if self.statuses else 202
        if status == 202:
            self.items += orjson.loads(request.body)["value"]
        return Response(status)
