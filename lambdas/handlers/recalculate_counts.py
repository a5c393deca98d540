"""State `recalculate-counts`: counts the stored messages of every folder again, and compares the
counts with the provider's counts."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics_after_handler
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.verification import RemainingVerification, recount_messages_and_verify_folders
from mailsync.sync.waiting import make_remaining_seconds_function, run_state_or_return_pause


@logger.inject_lambda_context(clear_state=True)
@emit_metrics_after_handler
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def counted() -> dict[str, Any]:
        with open_mailbox(event) as mailbox:
            verification = recount_messages_and_verify_folders(
                mailbox, make_remaining_seconds_function(context)
            )
            return {
                **verification.to_state_output(),
                "atOnce": mailbox.provider.max_requests_in_flight,
            }

    nothing = {**RemainingVerification().to_state_output(), "atOnce": 1}
    can_wait, at_hand_over = event.get("canWait", False), {"handOver": True}
    return run_state_or_return_pause(counted, nothing, can_wait=can_wait, at_hand_over=at_hand_over)
