"""State `repair-folder`: compares the message ids and versions of one folder with the provider's
list, and repairs the differences."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.model import FolderId
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.repair import repair_folder
from mailsync.sync.waiting import make_remaining_seconds_function, run_state_or_return_pause


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    def repaired() -> dict[str, int]:
        with open_mailbox(event) as mailbox:
            repair_folder(
                mailbox, FolderId(event["folderId"]), make_remaining_seconds_function(context)
            )
        return {}

    return run_state_or_return_pause(repaired, {}, can_wait=event.get("canWait", False))
