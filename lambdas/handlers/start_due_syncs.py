"""Schedule `start-due-syncs`: has due mailboxes looked at, then revives or closes silent runs."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.batches import Batches
from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.settings import load_settings
from mailsync.store.check_store import CheckStore
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore
from mailsync.sync.due import CLAIMED_FOR_S, MAX_PER_TICK
from mailsync.workflow import open_trigger

SILENT_S, MAX_RECOVERED = 60, 100


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    # In this order: a look needs no Step Functions and is not to wait for them.
    runs, trigger = RunStore(open_database()), open_trigger()
    due = runs.claim_due(MAX_PER_TICK, CLAIMED_FOR_S)
    batches = Batches(CheckStore(open_database()), load_settings().sync_accounts_arn).wake(due)
    quiet = runs.quiet_runs(SILENT_S, MAX_RECOVERED)
    logger.info("tick", quiet=len(quiet), due=len(due), batches=batches)
    trigger.revive_all(quiet)
    return {"quiet": len(quiet), "due": len(due)}
