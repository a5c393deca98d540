"""The dashboard's server, on one loopback port."""

import secrets

from localdev.dashboard.entrance import Entrance
from localdev.dashboard.site import DATA, Site
from localdev.dashboard.sources import Sources
from localdev.engine.failure import StartFailed
from localdev.guard import Guard
from localdev.http_server import Request, Response, Server


class Dashboard:
    """Holds its port from construction, and answers from `start` until `stop`.

    port: 0 for any free one.
    is_open: every program of this machine may read and act; else only who knows `address`.

    Raises StartFailed when the port is taken.
    """

    def __init__(self, *, port: int, is_open: bool) -> None:
        self._site: Site | None = None
        try:
            guard = Guard(own_pages=True, windows=lambda path: not path.startswith(DATA))
            self._server = Server(self._answer, port=port, guard=guard)
        except OSError as taken:
            raise StartFailed(f"Port {port} is in use: give another --dashboard-port.") from taken
        self._entrance: Entrance | None = None
        if not is_open:
            self._entrance = Entrance(secrets.token_urlsafe(32), self._server.port)

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.port}"

    @property
    def address(self) -> str:
        """For the person who started it, as it holds the secret of this start, if there is one."""
        return f"{self.url}/{self._entrance.query}" if self._entrance else self.url

    def start(self, sources: Sources) -> None:
        self._site = Site(sources, self._entrance)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        if self._site:
            self._site.close()

    def _answer(self, request: Request) -> Response:
        assert self._site is not None, "requests are taken only after the start"
        return self._site(request)
