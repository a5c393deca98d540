"""Route the dashboard's requests to the pages, the data and the actions of one stack."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from dashboard.actions import ActionFailed, DashboardActions
from dashboard.connections import MailboxConnectionActions, start_sign_in
from dashboard.data import DataRoutes, json_response
from dashboard.executions import ExecutionReader
from dashboard.pages import SECURITY_HEADERS, static_file_response
from dashboard.queries import DashboardQueries, RowNotFound
from dashboard.simulation import SimulatorActions
from dashboard.sources import DashboardSources
from dashboard.start_token import DashboardToken
from localdev.http_server import Request, Response
from mailsync.errors import MailsyncError

DATA_PATH_PREFIX = "/data/"
ACTIONS_PATH_PREFIX = "/data/actions/"
PROVIDER_SIGN_IN_PATH = "/data/sign-in"
_NO_TOKEN = (
    "This dashboard shows real mail and needs its token: open the URL that it printed when it was"
    " started."
)


class DashboardSite:
    """Routes the dashboard's requests to pages, data and actions, until `close`.

    If a request fails, the response contains a sentence that explains the error.

    start_token: token that requests for data must contain. None: requests need no token.
    """

    def __init__(self, sources: DashboardSources, start_token: DashboardToken | None) -> None:
        self._start_token = start_token
        self._sources = sources
        self._queries = DashboardQueries(sources.mailsync_settings)
        executions = ExecutionReader(
            sources.make_aws_client("stepfunctions"), sources.state_machine_arns
        )
        self._data = DataRoutes(sources, self._queries, executions)
        actions = DashboardActions(sources, self._queries, executions)
        self._actions = {
            **actions.known,
            **MailboxConnectionActions(sources, actions).known,
            **SimulatorActions(sources, self._queries).known,
        }

    def close(self) -> None:
        self._data.changes.stop()
        self._queries.close()

    def __call__(self, request: Request) -> Response:
        try:
            response = self._login_response(request) or self._route(request)
        except RowNotFound as missing:
            response = _error(404, str(missing))
        except ActionFailed as refused:
            response = _error(refused.status, str(refused))
        except MailsyncError as broken:
            response = _error(503, str(broken))
        except (BotoCoreError, ClientError) as broken:
            response = _error(503, f"AWS refused the request: {broken}.")
        except httpx.TransportError as broken:
            response = _error(503, f"The API or a simulator does not respond ({broken}).")
        return _protected(response)

    def _login_response(self, request: Request) -> Response | None:
        """Return the redirect that sets the login cookie, or 401 for a request for data without the
        token.

        None: the request may be served.
        """
        if self._start_token is None:
            return None
        if redirect := self._start_token.redirect_that_sets_cookie(request):
            return redirect
        if request.path.startswith(DATA_PATH_PREFIX) and not self._start_token.is_sent_in_cookie(
            request
        ):
            return _error(401, _NO_TOKEN)
        return None

    def _route(self, request: Request) -> Response:
        if request.method == "GET" and request.path == PROVIDER_SIGN_IN_PATH:
            asked_for = dict(parse_qsl(request.query_string)).get("provider")
            return start_sign_in(self._sources, asked_for)
        if request.method == "POST" and request.path.startswith(ACTIONS_PATH_PREFIX):
            return json_response(200, self._act(request))
        if request.method != "GET":
            return _error(405, "Only GET is answered here.")
        if not request.path.startswith(DATA_PATH_PREFIX):
            return static_file_response(request.path)
        found = self._data(request.path.removeprefix(DATA_PATH_PREFIX), request.query_string)
        return found or _error(404, "There is nothing of this name.")

    def _act(self, request: Request) -> Any:
        action = self._actions.get(request.path.removeprefix(ACTIONS_PATH_PREFIX))
        if action is None:
            raise ActionFailed(404, "There is no action of this name.")
        try:
            fields = json.loads(request.body or b"{}")
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise ActionFailed(400, "An action takes one JSON object.")
        return action(fields)


def _error(status: int, sentence: str) -> Response:
    return json_response(status, {"error": sentence})


def _protected(response: Response) -> Response:
    return replace(response, headers={**SECURITY_HEADERS, **response.headers})
