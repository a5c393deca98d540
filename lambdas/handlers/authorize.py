"""The authorizer: an HTTP API Lambda authorizer, payload 2.0, with the simple answer."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api.bearer import user_of
from mailsync.log import logger
from mailsync.settings import load_settings


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    user_id = user_of(event["headers"].get("authorization", ""), load_settings())
    logger.info("caller_checked", authorized=user_id is not None)
    return {"isAuthorized": user_id is not None, "context": {"userId": user_id or ""}}
