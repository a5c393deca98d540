"""A Gmail API that answers what a test scripts, over real HTTP; for answers no mailbox gives."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Any

from localdev.http_server import Request, Response, Server
from mailsync.providers.gmail.provider import GmailMailbox
from tests.providers.contract.scripted_graph import TwoTokens

RAW = b"Subject: hello\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n"
_ROOT = "/gmail/v1/users/me/"


class CountingQuota:
    """A `QuotaUnitSource` without a limit that notes what is taken and reported."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.reports: list[tuple[float | None, bool]] = []

    def take_units(self, units: int, *, is_backfill: bool = False) -> None:
        self.taken.append(units)

    def save_throttle_pause(self, retry_after_s: float | None, *, is_project: bool) -> None:
        self.reports.append((retry_after_s, is_project))


class ScriptedGmail:
    """Each path below `users/me` has answers, taken in order, the last one again and again.

    `before_answer` is called before each answer is sent.
    """

    mailbox: GmailMailbox
    access: TwoTokens
    quota: CountingQuota

    def __init__(self) -> None:
        self.routes: dict[str, list[Response]] = {}
        self.requests: list[Request] = []
        self.before_answer: Callable[[], object] = lambda: None
        self.most_in_flight = self._in_flight = 0
        self._lock = Lock()
        self._server = Server(self._answer, port=0).start()
        self.url = f"http://127.0.0.1:{self._server.port}"

    def stop(self) -> None:
        self._server.stop()

    def script(self, **answers: Response | Sequence[Response]) -> None:
        """Set answers by path; `__` stands for `/`."""
        for name, found in answers.items():
            listed = [found] if isinstance(found, Response) else list(found)
            self.routes[name.replace("__", "/")] = listed

    def paths(self) -> list[str]:
        return [each.path.removeprefix(_ROOT) for each in self.requests]

    def _answer(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
            answers = self.routes[request.path.removeprefix(_ROOT)]
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            response = answers.pop(0) if len(answers) > 1 else answers[0]
        self.before_answer()
        with self._lock:
            self._in_flight -= 1
        return response


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps(body).encode(), named)


def refusal(
    status: int,
    reason: str,
    message: str = "no",
    *,
    metadata: Mapping[str, str] | None = None,
    **headers: str,
) -> Response:
    """An error in Google's form."""
    error: dict[str, Any] = {"code": status, "message": message}
    error["errors"] = [{"message": message, "domain": "global", "reason": reason}]
    if metadata:
        error["details"] = [{"@type": "ErrorInfo", "metadata": dict(metadata)}]
    return answer({"error": error}, status, **headers)


NOT_FOUND = refusal(404, "notFound", "Requested entity was not found.")


def raw_message(message_id: str = "a", mail: bytes = RAW, **fields: object) -> dict[str, object]:
    named = {"id": message_id, "threadId": "t", "labelIds": ["INBOX", "UNREAD"]}
    dated = {"internalDate": "1784385423123", "historyId": "7", "sizeEstimate": len(mail)}
    return {**named, **dated, "raw": urlsafe_b64encode(mail).decode(), **fields}


def profile(history_id: int) -> Response:
    return answer({"emailAddress": "ada@example.com", "historyId": str(history_id)})


def ids(*message_ids: str, token: str | None = None) -> Response:
    messages = [{"id": each, "threadId": each} for each in message_ids]
    page: dict[str, Any] = {"resultSizeEstimate": len(messages)}
    page |= {"messages": messages} if messages else {}
    return answer(page | ({"nextPageToken": token} if token else {}))
