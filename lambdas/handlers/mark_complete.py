"""State `mark-complete`: closes the run and releases the lease."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.model import RunRef
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    run = RunRef.from_state(event)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id)
    proven = RunStore(open_database()).complete(run)
    logger.info("sync_completed", proven=proven)
    return {"proven": proven}
