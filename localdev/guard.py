"""Decide which requests a local port accepts: requests of programs, and requests of web pages that
the server allows.

Every page open in a browser can send requests to loopback, and can make its own host name resolve
to loopback (DNS rebinding). The browser describes the page's origin in `Origin` and `Sec-Fetch-*`.
No page can change or omit these headers, and programs do not send them. Pure functions.

Sources: W3C Fetch Metadata Request Headers; WHATWG Fetch, "Origin header"; RFC 9110, 7.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

LOOPBACK_HOST_HEADER_NAMES = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = (80, 443)
_OWN = ("same-origin", "none")  # `none`: typed into the address bar, or a bookmark


class RequestHeadersInterface(Protocol):
    """Interface of request headers whose names are case-insensitive."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True, slots=True)
class RequestGuard:
    """Decides which web pages may send requests to a server. Programs may always send requests. All
    requests must have a loopback `Host` header.

    accepts_requests_of_served_pages: whether pages that the server itself serves may send requests.
    accepted_page_origins: origins whose pages may send requests.
    accepts_navigation_to_path: function that takes a path, and returns whether a link or redirect
        of any site may open this path in a browser window. The site cannot read what the window
        shows. Sign-ins start and end this way.
    """

    accepts_requests_of_served_pages: bool = False
    accepted_page_origins: frozenset[str] = frozenset()
    accepts_navigation_to_path: Callable[[str], bool] = lambda _: False

    def rejection_reason(
        self, method: str, path: str, headers: RequestHeadersInterface, *, port: int
    ) -> str | None:
        """Return the reason for rejecting the request, as a sentence. Return None if the request is
        accepted."""
        hosts = loopback_host_header_values(port)
        if headers.get("Host") not in hosts:
            return f"The Host header must be localhost:{port}: other names may be DNS rebinding."
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
        if origin is None and site is None:
            return None
        if not (self.accepts_requests_of_served_pages or self.accepted_page_origins):
            return "This port is for programs; requests of a browser are rejected."
        if self._is_known(origin, site, hosts):
            return None
        if (
            origin is None
            and _is_navigation(method, headers)
            and self.accepts_navigation_to_path(path)
        ):
            return None
        return "Requests of pages of this origin are rejected."

    def _is_known(self, origin: str | None, site: str | None, hosts: frozenset[str]) -> bool:
        if origin in self.accepted_page_origins:
            return True
        own = {f"{scheme}://{host}" for scheme in ("http", "https") for host in hosts}
        return (
            self.accepts_requests_of_served_pages
            and site in (None, *_OWN)
            and origin in (None, *own)
        )


PROGRAMS_ONLY_GUARD = RequestGuard()


def loopback_host_header_values(port: int) -> frozenset[str]:
    """Return the values of the `Host` header with which clients address this loopback port."""
    bare = LOOPBACK_HOST_HEADER_NAMES if port in _DEFAULT_PORTS else ()
    return frozenset((*(f"{name}:{port}" for name in LOOPBACK_HOST_HEADER_NAMES), *bare))


def _is_navigation(method: str, headers: RequestHeadersInterface) -> bool:
    way = headers.get("Sec-Fetch-Mode"), headers.get("Sec-Fetch-Dest")
    return method == "GET" and way == ("navigate", "document")
