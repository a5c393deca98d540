"""State `recalculate-counts`: compares every folder with the provider."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import metered
from mailsync.model import RunRef
from mailsync.steps.mailbox import open_mailbox
from mailsync.steps.proof import recalculate_counts


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    with open_mailbox(RunRef.from_state(event)) as mailbox:
        proof = recalculate_counts(mailbox)
    return {
        "folderIds": list(proof.folder_ids),
        "differing": len(proof.folder_ids),
        "failedFolders": proof.failed_folders,
    }
