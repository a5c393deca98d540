"""State `reach-database` of the self-test: verifies that the database accepts writes and has the
schema of this release."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.store.connection import open_database
from mailsync.store.migrate import require_writable_migrated_database


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    require_writable_migrated_database(open_database())
    return {"database": "reached"}
