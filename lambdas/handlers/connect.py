"""Lambda function `connect`: serves the API routes that connect and disconnect mailboxes.

No other function that serves the API can read and write the tokens of mailboxes.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api.connections import build_app
from mailsync.api.problems import reject_large_body
from mailsync.log import logger
from mailsync.metrics import emit_metrics

app = build_app()


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return reject_large_body(event) or app.resolve(event, context)
