"""Lambda function `sync-accounts`: checks a batch of due mailboxes, and syncs those that have few
changes."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import AccountId
from mailsync.sync.batch import sync_accounts


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    report = sync_accounts(
        [AccountId(each) for each in event["accountIds"]],
        remaining_s=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    return asdict(report)
