"""State `sync-folders`: the folder tree, the small changes, and which folders have more."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.model import RunRef
from mailsync.steps.folder_tree import sync_folders
from mailsync.steps.mailbox import open_mailbox


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, list[int]]:
    with open_mailbox(RunRef.from_state(event)) as mailbox:
        return {"folderIds": list(sync_folders(mailbox))}
