"""Lambda function `sync-accounts`: checks a batch of due mailboxes, or the mailboxes for which
notifications have arrived, and syncs the mailboxes that have few changes."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import AccountId
from mailsync.store.connection import open_database
from mailsync.store.queue_store import NotifiedMailboxQueueStore
from mailsync.sync.batch import check_batch_of_mailboxes
from mailsync.sync.notified import check_notified_mailboxes


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def remaining_s() -> float:
        return context.get_remaining_time_in_millis() / 1000

    if holder := event.get("holder"):
        queue = NotifiedMailboxQueueStore(open_database())
        return asdict(check_notified_mailboxes(queue, holder, remaining_s))
    return asdict(
        check_batch_of_mailboxes([AccountId(each) for each in event["accountIds"]], remaining_s)
    )
