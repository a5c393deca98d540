"""Lambda function `migrate-database`: applies the missing migrations to the database during a
deployment."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.settings import load_settings
from mailsync.store.migrate import apply_migrations


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[str]]:
    applied = list(apply_migrations(load_settings()))
    logger.info("migrated", applied=applied)
    return {"applied": applied}
