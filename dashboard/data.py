"""Respond to the dashboard pages' requests for data: every GET request below `/data/`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from dashboard import mail
from dashboard.accounts import (
    account_details_json,
    account_json_without_folders,
    account_status_json,
)
from dashboard.actions import ActionFailed
from dashboard.changes import DashboardDataChangeWatcher
from dashboard.connections import connectable_providers_json
from dashboard.events import merge_newest_events
from dashboard.executions import ExecutionReader
from dashboard.functions import functions_json, workflow_entry_json
from dashboard.queries import MAX_ROW_ID, DashboardQueries, is_uuid_or_none
from dashboard.runs import RunReader
from dashboard.sources import DashboardSources
from dashboard.to_json import JsonObject, format_iso_utc, to_json_bytes
from infra.catalog import WORKFLOWS
from localdev.http_server import Response

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
_END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)

UrlQueryValueByName = dict[str, str]


class DataRoutes:
    """Responds to GET requests for paths below `/data/`, with one function for each route.

    A call can raise RowNotFound, ActionFailed, and the errors that `DashboardQueries` and
    `ExecutionReader` raise.
    """

    def __init__(
        self, sources: DashboardSources, queries: DashboardQueries, executions: ExecutionReader
    ) -> None:
        self._sources = sources
        self._queries = queries
        self._executions = executions
        self._runs = RunReader(queries, executions)
        self.changes = DashboardDataChangeWatcher(
            queries, executions, sources.list_recent_local_bus_events
        )
        self._routes: dict[str, Callable[..., Any]] = {
            "overview": self._overview,
            "functions": self._functions,
            "runs": self._run_list,
            "runs/([^/]+)": lambda _, run_id: self._runs.read_run(run_id),
            "events": self._events,
            "accounts": self._accounts,
            "accounts/([^/]+)": self._account,
            r"folders/(\d{1,18})/messages": self._messages,
            r"messages/(\d{1,18})": self._message,
            r"messages/(\d{1,18})/body": self._body,
            "changes": self._changes,
        }

    def __call__(self, path: str, query: str) -> Response | None:
        """Return the response for a path below `/data/`; None when no route matches the path."""
        for pattern, response in self._routes.items():
            match = re.fullmatch(pattern, path)
            if match:
                found = response(dict(parse_qsl(query)), *match.groups())
                return found if isinstance(found, Response) else json_response(200, found)
        return None

    def _overview(self, _: UrlQueryValueByName) -> JsonObject:
        """Return the JSON of the overview: stage, URLs, how mailboxes are connected, and the
        numbers of accounts and open runs."""
        sources = self._sources
        return {
            "stage": sources.stage_name,
            "simulated": sources.simulated_provider_access_settings is not None,
            "apiUrl": sources.api_url,
            "awsUrl": sources.aws_endpoint_url,
            **connectable_providers_json(sources),
            "showsBodies": sources.shows_message_bodies,
            **self._queries.count_accounts_and_open_runs(),
        }

    def _functions(self, _: UrlQueryValueByName) -> Any:
        workflows = [
            workflow_entry_json(each.name, self._executions.read_state_graph(each.name))
            for each in WORKFLOWS
        ]
        return {"workflows": workflows, "functions": functions_json()}

    def _run_list(self, query: UrlQueryValueByName) -> Any:
        limit = _limit(query)
        at, run_id = _position(query)
        filters = {
            "account_id": query.get("account"),
            "status": query.get("status"),
            "trigger": query.get("trigger"),
        }
        runs = self._runs.list_runs(filters, (at or _END_OF_TIME, run_id), limit + 1)
        return _page("runs", runs, limit, lambda run: (run["createdAt"], run["id"]))

    def _events(self, query: UrlQueryValueByName) -> Any:
        limit = _limit(query)
        at, before = _position(query)
        number = _id(before)
        sent = self._queries.list_outbox_events(number, limit + 1)
        seen = self._sources.list_recent_local_bus_events()
        events = merge_newest_events(sent, seen, below=at or _END_OF_TIME, limit=limit + 1)
        ids = [int(event.id) for event in events[:limit] if event.direction == "out"]
        return _page("events", events, limit, lambda event: (event.at, min(ids, default=number)))

    def _accounts(self, query: UrlQueryValueByName) -> Any:
        """Return a page of accounts in the order of their email addresses, the total number of
        accounts that match the filters, and the start of the next page as `next` (`ID_ADDRESS` of
        the last account; None on the last page)."""
        limit, now = _limit(query), datetime.now(UTC)
        last, _, address = query.get("after", f"{UUID(int=0)}_").partition("_")
        if not is_uuid_or_none(last):
            raise ActionFailed(400, "after must be the next of an earlier response.")
        found, total = self._queries.list_account_page_and_total(
            search=query.get("search"),
            address=query.get("address"),
            status=query.get("status"),
            after=(address, last),
            limit=limit + 1,
        )
        end = found[limit - 1] if len(found) > limit else None
        views = [account_status_json(account, now) for account in found[:limit]]
        return {
            "accounts": [account_json_without_folders(view) for view in views],
            "total": total,
            "next": end and f"{end.id}_{end.email_address}",
        }

    def _account(self, _: UrlQueryValueByName, account_id: str) -> Any:
        return account_details_json(
            self._queries.read_account_status(account_id),
            self._queries.list_all_folders_of_account(account_id),
            self._queries.list_messages_contradicting_listing(account_id),
            self._queries.list_quarantined_messages(account_id),
            datetime.now(UTC),
        )

    def _messages(self, query: UrlQueryValueByName, folder_id: str) -> Any:
        limit = _limit(query)
        at, before = _position(query)
        found = self._queries.list_messages(int(folder_id), (at, _id(before)), limit + 1)
        shown = [self._without_text(message) for message in found]
        return _page("messages", shown, limit, lambda each: (each["receivedAt"], each["id"]))

    def _message(self, _: UrlQueryValueByName, number: str) -> JsonObject:
        return self._without_text(self._queries.read_message(int(number)))

    def _without_text(self, message: JsonObject) -> JsonObject:
        """Return the message as it is, or without its snippet if the dashboard may not show the
        text of mail."""
        return message if self._sources.shows_message_bodies else {**message, "snippet": ""}

    def _body(self, _: UrlQueryValueByName, number: str) -> Response:
        if not self._sources.shows_message_bodies:
            raise ActionFailed(
                403, "Start the dashboard with --show-bodies to read the text of mail."
            )
        account_id = self._queries.read_message(int(number))["accountId"]
        self._sources.on_message_body_shown(account_id, int(number))
        return Response(
            200,
            mail.build_mail_document(*self._queries.read_subject_and_bodies(int(number))),
            mail.HTTP_HEADERS_OF_MAIL_DOCUMENT,
        )

    def _changes(self, query: UrlQueryValueByName) -> Any:
        return {"version": self.changes.wait_until_data_version_differs(_number(query, "since", 0))}


def json_response(status: int, document: Any) -> Response:
    return Response(status, to_json_bytes(document), {"Content-Type": "application/json"})


def _limit(query: UrlQueryValueByName) -> int:
    return max(1, min(_number(query, "limit", DEFAULT_PAGE_SIZE), MAX_PAGE_SIZE))


def _number(query: UrlQueryValueByName, name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"\d{1,19}", text):
        raise ActionFailed(400, f"{name} must be a whole number.")
    return min(int(text), MAX_ROW_ID)


def _page(
    name: str, found: list[Any], limit: int, position: Callable[[Any], tuple[datetime | None, Any]]
) -> JsonObject:
    """Return the first `limit` rows as JSON, with the start of the next page as `next`.

    `next` is `TIME_ID`, the position of the last returned row, or `_ID` for a message without a
    time. It is None on the last page.

    position: function that returns the time and the id of a row.
    """
    if len(found) <= limit:
        return {name: found, "next": None}
    at, number = position(found[limit - 1])
    return {name: found[:limit], "next": f"{format_iso_utc(at) if at else ''}_{number}"}


def _position(query: UrlQueryValueByName) -> tuple[datetime | None, str]:
    """Return the time and the id in the query parameter `before`, which is the `next` of an earlier
    response.

    A missing time is None, and a missing id is "".
    """
    at, _, number = query.get("before", "").partition("_")
    try:
        moment = datetime.fromisoformat(at) if at else None
        if moment and moment.tzinfo is None:
            raise ValueError(at)
        return moment and moment.astimezone(UTC), number
    except (ValueError, OverflowError):
        raise ActionFailed(400, "before must be the next of an earlier response.") from None


def _id(text: str) -> int:
    return _number({"before": text or str(MAX_ROW_ID)}, "before", 0)
