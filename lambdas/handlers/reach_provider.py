"""State `reach-provider` of the self-test: verifies that the mail providers respond."""

from typing import Any

import httpx
from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.errors import ProviderUnavailable
from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.registry import UrlSetting, syncable_providers
from mailsync.settings import load_settings


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    servers = [each.url for each in syncable_providers() if each.url]
    return {"status": max(map(_status, servers))}


def _status(server: UrlSetting) -> int:
    settings = load_settings()
    try:
        response = httpx.get(
            settings.url_of(server),
            verify=settings.tls(),
            timeout=10,
            follow_redirects=False,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        cause = f"{type(error).__name__}; check {server.name} and the functions' network"
        raise ProviderUnavailable(
            f"The provider at {server.name} is unavailable ({cause})."
        ) from None
    return response.status_code
