"""Schedule `start-due-syncs`: starts checks of due mailboxes; recovers runs without a heartbeat."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.decisions.due import DUE_MAILBOX_CLAIM_LIFETIME_S, MAX_DUE_MAILBOXES_CLAIMED_AT_ONCE
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.runs.batches import DueCheckInvoker
from mailsync.runs.trigger import create_sync_starter
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.store.run_store import RunStore

MAX_STALE_RUNS_RECOVERED_PER_TICK = 100


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    # Checks come first: they need no Step Functions, so an outage there must not delay them.
    runs, queue = RunStore(open_database()), DueMailboxQueueStore(open_database())
    due = queue.claim_due_mailboxes(MAX_DUE_MAILBOXES_CLAIMED_AT_ONCE, DUE_MAILBOX_CLAIM_LIFETIME_S)
    batches = DueCheckInvoker(queue, load_settings().sync_accounts_function_arn).invoke_async(due)
    stale = runs.find_stale_runs(MAX_STALE_RUNS_RECOVERED_PER_TICK)
    logger.info("tick", stale=len(stale), due=len(due), batches=batches)
    create_sync_starter().recover_stale_runs(stale)
    return {"stale": len(stale), "due": len(due)}
