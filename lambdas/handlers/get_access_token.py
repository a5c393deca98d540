"""State `get-access-token`: verifies that an access token for the mailbox is available.

The output of the state does not contain the token.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.waiting import run_state_or_return_pause


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    can_wait = event.get("canWait", False)
    return run_state_or_return_pause(lambda: _renewed(event), {}, can_wait=can_wait)


def _renewed(event: dict[str, Any]) -> dict[str, int]:
    with open_mailbox(event) as mailbox:
        mailbox.access_token_source.get_current_token()
    return {}
