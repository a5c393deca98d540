"""Gmail's `watch`, scripted, and Pub/Sub's pushes, with tokens that the simulated Google signs."""

import base64
import json
import time
from typing import Any
from urllib.parse import urlsplit

from localdev.http_server import Request, Response, Server
from localdev.simulators import Simulators
from localdev.simulators.google.push_tokens import PUSH_SERVICE_ACCOUNT
from tests.api.requests import ApiResponse
from tests.api.sign_in import ANN
from tests.api.test_provider_paths import ask

AUDIENCE = "https://api.example.org/api/webhooks/google"
TOPIC = "projects/simulated-project/topics/mail"
WEEK_S = 7 * 24 * 3600
ANOTHER_TOPIC = "Only one user push notification client allowed per developer (call /stop then try)"


class WatchedMailbox:
    """Ann's mailbox: `calls` are the requests to it, `topic` is what its watch publishes to.

    refusal: the response to `watch`. None: it succeeds.
    """

    def __init__(self) -> None:
        self.address = ANN
        self.calls: list[str] = []
        self.topic: str | None = None
        self.refusal: Response | None = None
        self.tokens: list[str] = []
        self.server = Server(self._respond, port=0).start()
        self.url = f"http://127.0.0.1:{self.server.port}"

    def _respond(self, request: Request) -> Response:
        name = urlsplit(request.path).path.removeprefix("/gmail/v1/users/me/")
        self.calls.append(name)
        self.tokens.append(request.headers.get("Authorization", ""))
        if name == "profile":
            return _json(200, {"emailAddress": self.address, "historyId": "1"})
        if name == "stop":
            self.topic = None
            return Response(204)
        if self.refusal:
            return self.refusal
        wanted = json.loads(request.body)["topicName"]
        if self.topic not in (None, wanted):
            return _json(400, {"error": {"code": 400, "message": ANOTHER_TOPIC}})
        self.topic = wanted
        expiration = int((time.time() + WEEK_S) * 1000)
        return _json(200, {"historyId": "1", "expiration": str(expiration)})


def refusal(status: int, message: str, **headers: str) -> Response:
    return _json(status, {"error": {"code": status, "message": message}}, headers)


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(status, json.dumps(body).encode(), headers or {})


def token(google: Simulators, **claims: Any) -> str:
    """Return a push token; `claims` replace those of a genuine one."""
    named = {"audience": AUDIENCE, "email": PUSH_SERVICE_ACCOUNT, **claims}
    return google.google.push_tokens.sign(named.pop("audience"), named.pop("email"), **named)


def body(address: object = ANN, history_id: object = 7) -> str:
    payload = json.dumps({"emailAddress": address, "historyId": history_id}).encode()
    data = base64.b64encode(payload).decode()
    message = {"data": data, "messageId": "1", "publishTime": "2026-01-01T00:00:00Z"}
    return json.dumps({"message": message, "subscription": "projects/p/subscriptions/s"})


def push(bearer: str, text: str | None = None) -> ApiResponse:
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    sent = body() if text is None else text
    return ask("webhook", "POST /api/webhooks/google", user=None, headers=headers, body=sent)
