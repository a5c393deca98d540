"""Lambda function `authorize`: verifies the JWT of each API request for API Gateway (Lambda
authorizer of an HTTP API, payload 2.0, simple response)."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.api.bearer import verify_bearer_token
from mailsync.api.signing_keys import get_cached_verification_keys
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.settings import load_settings


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId", clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    # API Gateway caches the decision under the identity source, so the handler verifies that value.
    authorization = (event.get("identitySource") or [""])[0]
    caller = verify_bearer_token(authorization, load_settings(), get_cached_verification_keys())
    logger.info("caller_checked", authorized=caller is not None)
    if caller is None:
        return {"isAuthorized": False, "context": {"userId": "", "admin": "false"}}
    admin = "true" if caller.is_admin else "false"
    return {"isAuthorized": True, "context": {"userId": caller.user_id, "admin": admin}}
