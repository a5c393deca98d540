"""Schedule `renew-subscriptions`: creates and renews the providers' push subscriptions."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.settings import load_settings
from mailsync.sync.push import SubscriptionRenewalCounts, renew_due_subscriptions


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    public_url = load_settings().public_url
    if public_url is None:
        logger.info("push_is_off", missing="PUBLIC_URL")
        return asdict(SubscriptionRenewalCounts())
    renewals = renew_due_subscriptions(
        public_url, lambda: context.get_remaining_time_in_millis() / 1000
    )
    logger.info("push_tick", renewed=renewals.renewed, failed=renewals.failed)
    return asdict(renewals)
