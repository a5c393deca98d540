"""State `reset-folder`: forgets an expired cursor and numbers a new walk of the folder."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.model import FolderId, RunRef
from mailsync.store.connection import open_database
from mailsync.store.mail_store import MailStore


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    run = RunRef.from_state(event)
    logger.append_keys(account_id=run.account_id, run_id=run.run_id)
    MailStore(open_database()).restart_walk(run, FolderId(event["folderId"]))
    logger.info("walk_restarted", folder_id=event["folderId"])
    return {"resets": event["resets"] + 1}
