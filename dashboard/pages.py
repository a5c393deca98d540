"""Serve the static files of the dashboard's pages. The files contain no data; the pages fetch the
data themselves."""

from http import HTTPStatus
from pathlib import Path

from localdev.http_server import Response

STATIC_FOLDER = Path(__file__).with_name("static")
CONTENT_SECURITY_POLICY = (
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
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def static_file_response(path: str) -> Response:
    """Return the static file with this path. For the path of a view, such as `/runs`, return the
    start page, whose code shows the view."""
    name = path.lstrip("/")
    known = {
        str(each.relative_to(STATIC_FOLDER)): each
        for each in STATIC_FOLDER.rglob("*")
        if each.is_file()
    }
    if name not in known and Path(name).suffix in _TYPES:
        return Response(HTTPStatus.NOT_FOUND, b"", SECURITY_HEADERS)
    file = known.get(name, STATIC_FOLDER / "index.html")
    headers = {
        "Content-Type": _TYPES[file.suffix],
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    }
    return Response(HTTPStatus.OK, file.read_bytes(), {**SECURITY_HEADERS, **headers})
