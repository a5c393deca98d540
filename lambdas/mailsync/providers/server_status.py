"""Test whether a provider's server responds. The test needs no account."""

import httpx

from mailsync.errors import ProviderUnavailable
from mailsync.registry import UrlSetting
from mailsync.settings import Settings

_TIMEOUT_S = 10


def fetch_server_http_status(server: UrlSetting, settings: Settings) -> int:
    """Send a request without credentials to a provider's server, and return the HTTP status. Any
    status shows that the server responds.

    Raises:
        ProviderUnavailable: the server did not respond within 10 s.
    """
    try:
        response = httpx.get(
            settings.read_url_setting(server),
            verify=settings.provider_tls_context(),
            timeout=_TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        cause = f"{type(error).__name__}; check {server.name} and the functions' network"
        raise ProviderUnavailable(
            f"The provider at {server.name} is unavailable ({cause})."
        ) from None
    return response.status_code
