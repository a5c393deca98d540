"""The pages' own files, from `static/`, and who may ask for anything here at all.

The dashboard listens on loopback only, yet a page from elsewhere could have a browser ask it: by
a name that resolves to loopback, or by a form. So the host must be ours, and an action must come
from our own pages or from no page.
"""

from http import HTTPStatus
from pathlib import Path

from localdev.http_server import Request, Response

STATIC = Path(__file__).with_name("static")
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
PROTECTION = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NAMES = ("localhost", "127.0.0.1")


def is_ours(request: Request, port: int) -> bool:
    """Whether the browser believes to talk to this machine, and no other site made it ask."""
    hosts = {f"{name}:{port}" for name in _NAMES}
    if request.headers.get("Host") not in hosts:
        return False
    return request.method == "GET" or _from_our_page(request, hosts)


def _from_our_page(request: Request, hosts: set[str]) -> bool:
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    kind = (request.headers.get("Content-Type") or "").partition(";")[0].strip()
    return (
        kind == "application/json"
        and (origin is None or origin in {f"http://{host}" for host in hosts})
        and site in (None, "same-origin")
    )


def page(path: str) -> Response:
    """A file of `static`; every path without one is a view, which the start page shows."""
    name = path.lstrip("/")
    known = {str(each.relative_to(STATIC)): each for each in STATIC.rglob("*") if each.is_file()}
    if name not in known and Path(name).suffix in _TYPES:
        return Response(HTTPStatus.NOT_FOUND, b"", PROTECTION)
    file = known.get(name, STATIC / "index.html")
    headers = {"Content-Type": _TYPES[file.suffix], "Content-Security-Policy": POLICY}
    return Response(HTTPStatus.OK, file.read_bytes(), {**PROTECTION, **headers})
