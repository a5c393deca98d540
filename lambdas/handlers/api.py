"""Lambda function `api`: serves the API routes that need only the database and the workflows, and
no mail provider."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api.app import respond_to_api_gateway_event
from mailsync.api.problems import make_large_body_response_or_none
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return make_large_body_response_or_none(event) or respond_to_api_gateway_event(event, context)
