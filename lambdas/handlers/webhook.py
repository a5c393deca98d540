"""Lambda function `webhook`: receives the notifications of mail providers. Its permissions give
access to the database and let it invoke `sync-accounts`; they give access to no other
resource of the stage."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api.webhooks import build_app
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler

app = build_app()


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
