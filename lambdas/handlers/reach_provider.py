"""State `reach-provider` of the self-test: verifies that the mail provider responds."""

from typing import Any

import httpx
from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.errors import ProviderUnavailable
from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.settings import load_settings


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    settings = load_settings()
    try:
        response = httpx.get(
            settings.graph_url,
            verify=settings.tls(),
            timeout=10,
            follow_redirects=False,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        cause = f"{type(error).__name__}; check GRAPH_URL and the functions' network"
        raise ProviderUnavailable(f"The provider at GRAPH_URL is unavailable ({cause}).") from None
    return {"status": response.status_code}
