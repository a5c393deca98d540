"""State `mark-complete`: closes the run and releases the lease of the mailbox. If a folder is not
verified, the run is closed as failed and the state fails with VerificationFailed. `proven` in the
output: false if a message that the provider named, and then reported as gone, is still pending."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.errors import VerificationFailed
from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import RunRef
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    run = RunRef.from_workflow_state(event)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id)
    proven = RunStore(open_database()).complete_or_fail_run(run)
    if proven is None:
        raise VerificationFailed(
            "Some folders still differ from the provider, so their mail may be incomplete. Stored"
            " mail stays; the next sync verifies them again."
        )
    logger.info("sync_completed", proven=proven)
    return {"proven": proven}
