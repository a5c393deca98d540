"""State `reach-provider` of the self-test: verifies that the servers of the stage's mail providers
respond.

The `status` in the output is the highest HTTP status of the responses. The state sends no request
to a provider whose accounts each name their own server, and `status` is 0 if the stage has no other
provider.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.providers.server_status import fetch_server_http_status
from mailsync.settings import load_settings


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    settings = load_settings()
    servers = [
        each.api_url_setting for each in settings.enabled_providers() if each.api_url_setting
    ]
    return {
        "status": max((fetch_server_http_status(each, settings) for each in servers), default=0)
    }
