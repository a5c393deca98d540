"""Schedule `start-due-syncs`: revives or closes silent runs, then starts what is due."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.model import SyncType
from mailsync.settings import load_settings
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore
from mailsync.workflow import Trigger, Workflows

QUIET_S, CLAIMED_FOR_S, MOST_AT_ONCE = 60, 600, 100


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    runs = RunStore(open_database())
    trigger = Trigger(runs, Workflows(), load_settings().mailbox_sync_arn)
    quiet = runs.quiet_runs(QUIET_S, MOST_AT_ONCE)
    for run in quiet:
        trigger.revive(run)
    due = runs.claim_due(MOST_AT_ONCE, CLAIMED_FOR_S)
    for account_id in due:
        trigger.sync(account_id, SyncType.AUTO, "schedule")
    logger.info("tick", quiet=len(quiet), due=len(due))
    return {"quiet": len(quiet), "due": len(due)}
