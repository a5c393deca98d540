"""State `recalculate-counts`: compares the message counts of every folder with the provider's."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.log import logger
from mailsync.metrics import emit_metrics
from mailsync.model import RunRef
from mailsync.sync.mailbox import open_mailbox
from mailsync.sync.verification import RemainingVerification, recalculate_counts
from mailsync.sync.waiting import run_or_request_wait


@logger.inject_lambda_context(clear_state=True)
@emit_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    def remaining_s() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def counted() -> dict[str, Any]:
        run = RunRef.from_workflow_state(event)
        with open_mailbox(run, retry_count=event.get("retryCount")) as mailbox:
            verification = recalculate_counts(mailbox, remaining_s)
            return {
                **verification.to_state_output(),
                "atOnce": mailbox.provider.max_requests_in_flight,
            }

    nothing = {**RemainingVerification().to_state_output(), "atOnce": 1}
    return run_or_request_wait(
        counted,
        nothing,
        can_wait=event.get("canWait", False),
        at_hand_over={"handOver": True},
    )
