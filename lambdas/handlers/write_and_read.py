"""State `write-and-read` of the self-test: writes a row into the database and reads the row
back."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.store.connection import open_database


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, bool]:
    with open_database().transaction() as tx:
        tx.run("write_self_test", id=event["runId"])
    with open_database().transaction() as tx:
        return {"found": bool(tx.run("read_self_test", id=event["runId"]))}
