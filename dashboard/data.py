"""What the pages ask for, by path: every GET below `/data/`."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from dashboard import mail
from dashboard.accounts import account_page, account_view
from dashboard.actions import ActionFailed
from dashboard.changes import Changes
from dashboard.events import newest
from dashboard.executions import Executions
from dashboard.functions import function_views, workflow_view
from dashboard.overview import overview
from dashboard.queries import ABOVE_ALL, Queries
from dashboard.rows import ListedMessage, Message
from dashboard.runs import Runs, Wanted
from dashboard.sources import Sources
from dashboard.to_json import iso, json_bytes
from infra.catalog import WORKFLOWS
from localdev.http_server import Response

PAGE = 50
MAX_PAGE = 200
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

Query = dict[str, str]
AnyMessage = TypeVar("AnyMessage", Message, ListedMessage)


class Malformed(Exception):
    """The query cannot be meant; the sentence says which part."""


class Data:
    """Raises Malformed, NotFound, ActionFailed, and what queries and executions raise."""

    def __init__(self, sources: Sources, queries: Queries, executions: Executions) -> None:
        self._sources = sources
        self._queries = queries
        self._executions = executions
        self._runs = Runs(queries, executions)
        self.changes = Changes(queries, executions)
        self._routes: dict[str, Callable[..., Any]] = {
            "overview": self._overview,
            "functions": self._functions,
            "runs": self._run_list,
            "runs/([^/]+)": lambda _, run_id: self._runs.one(run_id),
            "events": self._events,
            "accounts": self._accounts,
            "accounts/([^/]+)": self._account,
            r"folders/(\d{1,18})/messages": self._messages,
            r"messages/(\d{1,18})": self._message,
            r"messages/(\d{1,18})/body": self._body,
            "changes": self._changes,
        }

    def __call__(self, path: str, query: str) -> Response | None:
        """None when nothing has this path."""
        for pattern, answer in self._routes.items():
            match = re.fullmatch(pattern, path)
            if match:
                found = answer(dict(parse_qsl(query)), *match.groups())
                return found if isinstance(found, Response) else json_response(200, found)
        return None

    def _overview(self, _: Query) -> Any:
        return overview(self._sources, *self._queries.totals(), self._queries.accounts())

    def _functions(self, _: Query) -> Any:
        workflows = [
            workflow_view(each.name, self._executions.definition(each.name)) for each in WORKFLOWS
        ]
        return {"workflows": workflows, "functions": function_views()}

    def _run_list(self, query: Query) -> Any:
        limit = _limit(query)
        wanted = Wanted(
            account_id=query.get("account"),
            status=query.get("status"),
            trigger=query.get("trigger"),
            before=_run_cursor(query.get("before")),
            limit=limit + 1,
        )
        runs = self._runs.page(wanted)
        last = runs[limit - 1] if len(runs) > limit else None
        return {
            "runs": runs[:limit],
            "next": f"{iso(last['createdAt'])}_{last['id']}" if last else None,
        }

    def _events(self, query: Query) -> Any:
        limit = _limit(query)
        at, number = _event_cursor(query.get("before"))
        sent = self._queries.sent_events(number, limit + 1)
        events = newest(sent, self._sources.seen_events(), below=at, limit=limit + 1)
        last = events[limit - 1] if len(events) > limit else None
        ids = [int(each.id) for each in events[:limit] if each.direction == "out"]
        return {
            "events": events[:limit],
            "next": f"{iso(last.at)}_{min(ids, default=number)}" if last else None,
        }

    def _accounts(self, _: Query) -> Any:
        now = datetime.now(UTC)
        return {"accounts": [account_view(each, now) for each in self._queries.accounts()]}

    def _account(self, _: Query, account_id: str) -> Any:
        account = self._queries.account(account_id)
        return account_page(
            account,
            self._queries.folders(account_id),
            self._queries.quarantine(account_id),
            self._queries.differences(account_id),
            datetime.now(UTC),
        )

    def _messages(self, query: Query, folder_id: str) -> Any:
        limit = _limit(query)
        before = _message_cursor(query.get("before"))
        found = self._queries.messages(int(folder_id), before, limit + 1)
        more = len(found) > limit
        shown = [self._without_text(each) for each in found[:limit]]
        return {"messages": shown, "next": _place(found[limit - 1]) if more else None}

    def _message(self, _: Query, number: str) -> Message:
        return self._without_text(self._queries.message(int(number)))

    def _without_text(self, message: AnyMessage) -> AnyMessage:
        """The message without the beginning of its text, where texts are not shown."""
        return message if self._sources.shows_bodies else replace(message, snippet="")

    def _body(self, _: Query, number: str) -> Response:
        if not self._sources.shows_bodies:
            raise ActionFailed(
                403, "Start the dashboard with --show-bodies to read the text of mail."
            )
        self._sources.report_opening(self._queries.message(int(number)).account_id, int(number))
        return Response(200, mail.document(*self._queries.body(int(number))), mail.HEADERS)

    def _changes(self, query: Query) -> Any:
        return {"version": self.changes.wait(_number(query, "since", 0))}


def json_response(status: int, document: Any) -> Response:
    return Response(status, json_bytes(document), {"Content-Type": "application/json"})


def _limit(query: Query) -> int:
    return max(1, min(_number(query, "limit", PAGE), MAX_PAGE))


def _number(query: Query, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"\d{1,19}", text):
        raise Malformed(f"{name} must be a whole number.")
    return min(int(text), ABOVE_ALL)


def _run_cursor(text: str | None) -> tuple[datetime, str]:
    if text is None:
        return _END_OF_TIME, ""
    at, _, run_id = text.partition("_")
    return _time(at), run_id


def _event_cursor(text: str | None) -> tuple[datetime, int]:
    if text is None:
        return _END_OF_TIME, ABOVE_ALL
    at, _, number = text.partition("_")
    return _time(at), _number({"before": number}, "before", 0)


def _message_cursor(text: str | None) -> tuple[datetime | None, int]:
    """`TIME_ID`, or `_ID` among those without a time."""
    if text is None:
        return None, ABOVE_ALL
    at, _, number = text.partition("_")
    return _time(at) if at else None, _number({"before": number}, "before", 0)


def _place(message: ListedMessage) -> str:
    at = iso(message.received_at) if message.received_at else ""
    return f"{at}_{message.id}"


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Malformed("before must be what an earlier answer called next.") from None
