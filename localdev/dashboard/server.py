"""The dashboard's server, on one loopback port."""

from localdev.dashboard.site import DATA, Site
from localdev.dashboard.sources import Sources
from localdev.engine.failure import StartFailed
from localdev.guard import Guard
from localdev.http_server import Request, Response, Server


class Dashboard:
    """Holds its port from construction, and answers from `start` until `stop`.

    port: 0 for any free one.

    Raises StartFailed when the port is taken.
    """

    def __init__(self, *, port: int) -> None:
        self._site: Site | None = None
        try:
            guard = Guard(own_pages=True, windows=lambda path: not path.startswith(DATA))
            self._server = Server(self._answer, port=port, guard=guard)
        except OSError as taken:
            raise StartFailed(f"Port {port} is in use: give another --dashboard-port.") from taken

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.port}"

    def start(self, sources: Sources) -> None:
        self._site = Site(sources, self._server.port)
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        if self._site:
            self._site.close()

    def _answer(self, request: Request) -> Response:
        assert self._site is not None, "requests are taken only after the start"
        return self._site(request)
