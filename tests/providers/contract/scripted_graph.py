"""A Graph that answers what a test scripts, over real HTTP; for answers no mailbox gives."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from localdev.http_server import Request, Response, Server
from mailsync.model import AccessToken
from mailsync.providers.graph.messages import MESSAGE_PROPERTIES
from mailsync.providers.graph.provider import GraphMailbox


class ScriptedGraph:
    """Answers are taken in order, the last one again and again; requests are kept.

    `mailbox` is a client of it, `access` where that has its tokens from. `before_answer` is called
    before each answer is sent.
    """

    mailbox: GraphMailbox
    access: "TwoTokens"

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.requests: list[Request] = []
        self.before_answer: Callable[[], object] = lambda: None
        self.most_in_flight = self._in_flight = 0
        self._lock = Lock()
        self._server = Server(self._answer, port=0).start()
        self.url = f"http://127.0.0.1:{self._server.port}/v1.0"

    def stop(self) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            response = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.before_answer()
        with self._lock:
            self._in_flight -= 1
        return response


class TwoTokens:
    """An access source whose second token comes with the first renewal."""

    def __init__(self) -> None:
        self.renewed = 0

    def get_current_token(self) -> AccessToken:
        return AccessToken(f"token-{self.renewed}", datetime.now(UTC) + timedelta(hours=1))

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        self.renewed += 1
        return self.get_current_token()


def with_dashes(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    return Response(status, json.dumps(body).encode(), with_dashes(headers))


def refusal(status: int, code: str, **headers: str) -> Response:
    return answer({"error": {"code": code, "message": "no"}}, status, **headers)


def batch(*items: tuple[int, Mapping[str, Any]], **headers: str) -> Response:
    responses = [
        {"id": str(place), "status": status, "body": body, "headers": with_dashes(headers)}
        for place, (status, body) in enumerate(items)
    ]
    return answer({"responses": responses[::-1]})


def entry(remote_id: str, **fields: object) -> dict[str, object]:
    """A message of a change feed, with all that is selected; null unless a test says otherwise."""
    named = {"id": remote_id, "parentFolderId": "F", "@odata.etag": "e"}
    return {**dict.fromkeys(MESSAGE_PROPERTIES.split(",")), **named, **fields}


def error(code: str) -> dict[str, Any]:
    return {"error": {"code": code}}
