"""Parse the URLs of links that Microsoft Graph returned, and return their origins."""

from urllib.parse import SplitResult, urlsplit

_DEFAULT_PORTS = {"https": 443, "http": 80}


def split_url_or_empty(link: object) -> SplitResult:
    """Return the parts of a link; all parts are empty if the link is not a URL."""
    try:
        return urlsplit(link if isinstance(link, str) else "")
    except ValueError:
        return urlsplit("")


def extract_url_origin(url: SplitResult) -> tuple[str, str | None, int | None, str | None]:
    """Return scheme, host, port and user of a URL. If the URL names no port, the port is the
    scheme's default. The port is None if it is malformed or the scheme has no default."""
    try:
        port = url.port or _DEFAULT_PORTS.get(url.scheme)
    except ValueError:
        port = None
    return url.scheme, url.hostname, port, url.username
