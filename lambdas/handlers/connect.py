"""Lambda function `connect`: serves the API routes that connect and disconnect mailboxes.

No other function that serves the API can read and write the tokens of mailboxes.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api.connections import build_app
from mailsync.api.problems import make_large_body_response_or_none
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler

app = build_app()


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return make_large_body_response_or_none(event) or app.resolve(event, context)
