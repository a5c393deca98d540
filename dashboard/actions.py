"""Define the dashboard's actions that call the product's API, such as starting or stopping a
sync."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from dashboard.executions import ExecutionReader
from dashboard.queries import DashboardQueries
from dashboard.sources import DashboardSources
from dashboard.to_json import JsonObject
from infra.catalog import SELF_TEST_WORKFLOW

API_TIMEOUT_S = 40

JsonAction = Callable[[JsonObject], JsonObject]


class ActionFailed(Exception):
    """Raised if the dashboard refuses a requested action, or the action fails.

    status: HTTP status of the dashboard's response to the page. The exception's text is the
        response's text.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class DashboardActions:
    """Provides the dashboard's actions that call the product's API. The attribute `known` contains
    the actions by name.

    Each action is a function from a JSON object to a JSON object. An action can raise ActionFailed,
    RowNotFound, the errors of `DashboardQueries`, botocore's errors, and httpx.TransportError if
    the API does not respond.
    """

    def __init__(
        self, sources: DashboardSources, queries: DashboardQueries, executions: ExecutionReader
    ) -> None:
        self._sources = sources
        self._queries = queries
        self._executions = executions
        self.known: Mapping[str, JsonAction] = {
            "sync": self._sync,
            "cancel": self._cancel,
            "rerun": self._rerun,
            "test-sync": self._test_sync,
            "event": self._event,
            "pause": lambda fields: self._pause(fields, paused=True),
            "resume": lambda fields: self._pause(fields, paused=False),
            "confirm-removal": self._confirm_removal,
            "estimate": self._estimate,
        }

    def _sync(self, fields: JsonObject) -> JsonObject:
        body = {
            "accountId": require_json_text_member(fields, "accountId"),
            "syncType": fields.get("syncType", "manual"),
        }
        return self.request_api("POST", "/api/email/sync", json=body)

    def _cancel(self, fields: JsonObject) -> JsonObject:
        account_id = require_json_text_member(fields, "accountId")
        return self.request_api("DELETE", "/api/email/sync", params={"accountId": account_id})

    def _rerun(self, fields: JsonObject) -> JsonObject:
        """Repeat an earlier run: start another self-test if the run was a self-test, another full
        sync of the mailbox if it was a full sync, else a manual sync."""
        run_id = require_json_text_member(fields, "runId")
        if self._executions.find_execution(
            self._executions.build_execution_arn(SELF_TEST_WORKFLOW.name, run_id)
        ):
            return self._test_sync({})
        run = self._queries.read_run(run_id)
        sync_type = "full" if run["syncType"] == "full" else "manual"
        return self._sync({"accountId": run["accountId"], "syncType": sync_type})

    def _test_sync(self, _: JsonObject) -> JsonObject:
        return self.request_api("GET", "/api/test-sync")

    def _event(self, fields: JsonObject) -> JsonObject:
        if self._sources.event_bus_name is None:
            raise ActionFailed(501, "The dashboard puts no events on the bus of this stack.")
        entry = {
            "EventBusName": self._sources.event_bus_name,
            "Source": "dashboard",
            "DetailType": require_json_text_member(fields, "type"),
            "Detail": json.dumps(fields.get("detail") or {}),
        }
        (taken,) = self._sources.make_aws_client("events").put_events(Entries=[entry])["Entries"]
        if "EventId" not in taken:
            raise ActionFailed(422, taken.get("ErrorMessage") or "The bus refused the event.")
        return {"eventId": taken["EventId"]}

    def _pause(self, fields: JsonObject, *, paused: bool) -> JsonObject:
        path = f"/api/email/accounts/{require_json_text_member(fields, 'accountId')}"
        return self.request_api("PATCH", path, json={"paused": paused})

    def _confirm_removal(self, fields: JsonObject) -> JsonObject:
        path = (
            f"/api/email/accounts/{require_json_text_member(fields, 'accountId')}/confirm-removal"
        )
        return self.request_api("POST", path)

    def _estimate(self, fields: JsonObject) -> JsonObject:
        path = f"/api/email/accounts/{require_json_text_member(fields, 'accountId')}/estimate"
        return self.request_api("GET", path)

    def request_api(self, method: str, path: str, **arguments: Any) -> JsonObject:
        """Send a request of the dashboard's user to the API; return the JSON object of the
        response.

        Raises:
            ActionFailed: the API refused the request; the text is the API's reason. Or the
                dashboard has no token of a user.
        """
        token = self._sources.get_user_token_or_none()
        if token is None:
            raise ActionFailed(
                403, "Start the dashboard with a user's token in MAILSYNC_TOKEN for that."
            )
        headers = {"Authorization": f"Bearer {token}"}
        url = self._sources.api_url + path
        response = httpx.request(method, url, headers=headers, timeout=API_TIMEOUT_S, **arguments)
        document = parse_response_json_or_empty(response)
        if response.is_success:
            return document
        sentence = document.get("detail") or document.get("message") or "The API refused that."
        raise ActionFailed(response.status_code, str(sentence))


def require_json_text_member(fields: JsonObject, name: str) -> str:
    """Return the member `name` of a JSON object; raise ActionFailed unless the value is non-empty
    text."""
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ActionFailed(422, f"The action needs {name}, as text.")
    return value


def require_json_integer_member(fields: JsonObject, name: str, default: int | None = None) -> int:
    """Return the member `name` of a JSON object, or `default` if there is no such member; raise
    ActionFailed unless the value is an integer."""
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ActionFailed(422, f"The action needs {name}, as a whole number.")
    return value


def parse_response_json_or_empty(response: httpx.Response) -> JsonObject:
    """Return the JSON object in the body of a response. Return an empty object if the body is not a
    JSON object."""
    try:
        document = response.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
