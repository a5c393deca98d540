"""Turn a pause that a provider requests into the output of a workflow state. The workflow then
waits in a Wait state, because a Retry cannot wait a variable time."""

from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from mailsync.decisions.budget import compute_wait_state_duration_s
from mailsync.errors import ProviderThrottled
from mailsync.log import logger


class HandOverToSuccessorDue(Exception):
    """Error: the execution must hand its run over to a successor execution, so the present state of
    the workflow does no more work."""


def make_remaining_seconds_function(context: LambdaContext) -> Callable[[], float]:
    """Return a function that returns the seconds until the time-out of this Lambda function."""
    return lambda: context.get_remaining_time_in_millis() / 1000


def run_state_or_return_pause(
    step: Callable[[], Mapping[str, Any]],
    nothing: Mapping[str, Any],
    *,
    can_wait: bool = True,
    at_hand_over: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Do the work of a workflow state and return the output of the state. If the provider requests
    a pause, return the pause instead.

    After the work, the result is the output of `step` with `waitSeconds` 0. If the provider
    requests a pause, the result is `nothing` with the pause in `waitSeconds`; the workflow waits
    and enters the state again.

    step: does the work of the state and returns its output.
    nothing: output of a state that did no work.
    at_hand_over: fields that replace fields of `nothing` if the execution must hand over its run.
        The workflow then leaves the state without a pause, and goes to the state `hand-over`.
    can_wait: whether the workflow definition of this execution has a Wait for this state. The
        definition of an execution that an earlier release started may have no Wait.

    Raises:
        ProviderThrottled: the provider named no pause, or the definition has no Wait; the Retry of
            the state waits instead.
    """
    try:
        return {"waitSeconds": 0, **step()}
    except HandOverToSuccessorDue:
        return {**nothing, **(at_hand_over or {}), "waitSeconds": 0}
    except ProviderThrottled as failure:
        if failure.retry_after_s is None or not can_wait:
            raise
        wait_s = compute_wait_state_duration_s(failure.retry_after_s)
        logger.info("provider_asks_to_wait", seconds=wait_s)
        return {**nothing, "waitSeconds": wait_s}
