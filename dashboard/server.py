"""Run the HTTP server of the dashboard, on one loopback port."""

import secrets

from dashboard.site import DATA_PATH_PREFIX, DashboardSite
from dashboard.sources import DashboardSources
from dashboard.start_token import DashboardToken
from localdev.engine.failure import StartFailed
from localdev.guard import RequestGuard
from localdev.http_server import Request, Response, Server


class Dashboard:
    """The HTTP server of the dashboard. It listens on its port from construction, and responds from
    `start` until `stop`.

    port: the loopback port. 0: any free port.
    token_required: whether the server sends data only in response to requests that contain the
        token of `url_with_token`. False: every program on this machine can read the data and start
        actions.

    Raises:
        StartFailed: the port is in use.
    """

    def __init__(self, *, port: int, token_required: bool) -> None:
        self._site: DashboardSite | None = None
        try:
            guard = RequestGuard(
                accepts_requests_of_served_pages=True,
                accepts_navigation_to_path=lambda path: not path.startswith(DATA_PATH_PREFIX),
            )
            self._server = Server(self._respond, port=port, guard=guard)
        except OSError as taken:
            raise StartFailed.for_port_in_use(port, "--dashboard-port") from taken
        self._start_token: DashboardToken | None = None
        if token_required:
            self._start_token = DashboardToken(secrets.token_urlsafe(32), self._server.port)

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.port}"

    @property
    def url_with_token(self) -> str:
        """Return the dashboard's URL with the access token, to print for the person who started the
        dashboard. The URL has no token if none is required."""
        return (
            f"{self.url}/{self._start_token.url_query_with_token}"
            if self._start_token
            else self.url
        )

    def start(self, sources: DashboardSources) -> None:
        self._site = DashboardSite(sources, self._start_token)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        if self._site:
            self._site.close()

    def _respond(self, request: Request) -> Response:
        assert self._site is not None, "requests are taken only after the start"
        return self._site(request)
