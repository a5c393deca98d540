"""Lambda function `api`: serves the API routes that need only the database and the workflows, and
no mail provider."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api.app import respond_to_api_gateway_event
from mailsync.api.problems import reject_large_body
from mailsync.log import logger
from mailsync.metrics import emit_metrics


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return reject_large_body(event) or respond_to_api_gateway_event(event, context)
