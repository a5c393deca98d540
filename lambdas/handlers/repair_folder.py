"""State `repair-folder`: compares one folder id by id and mends the difference."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.model import FolderId, RunRef
from mailsync.steps.mailbox import open_mailbox
from mailsync.steps.proof import repair_folder


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    with open_mailbox(RunRef.from_state(event)) as mailbox:
        repair_folder(mailbox, FolderId(event["folderId"]))
