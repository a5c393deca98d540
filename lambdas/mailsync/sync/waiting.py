"""Return a provider's requested pause as output of a state; a Retry cannot wait a variable time."""

from collections.abc import Callable, Mapping
from typing import Any

from mailsync.decisions.budget import wait_state_seconds
from mailsync.errors import ProviderThrottled
from mailsync.log import logger


def wait_if_throttled(
    step: Callable[[], Mapping[str, Any]], nothing: Mapping[str, Any], *, can_wait: bool = True
) -> dict[str, Any]:
    """Return the output of the step with `waitSeconds`, 0 unless the provider throttled it.

    If the provider requests a pause, return `nothing` with the seconds to wait; the workflow waits
    and enters the state again.

    step: does the work of the state.
    nothing: output of a step that did no work.
    can_wait: whether the workflow definition of this execution has a Wait for this state. An
        execution that an earlier release started may have none.

    Raises:
        ProviderThrottled: the provider named no pause, or the definition has no Wait; the state's
            Retry then waits.
    """
    try:
        return {"waitSeconds": 0, **step()}
    except ProviderThrottled as failure:
        if failure.retry_after_s is None or not can_wait:
            raise
        wait_s = wait_state_seconds(failure.retry_after_s)
        logger.info("provider_asks_to_wait", seconds=wait_s)
        return {**nothing, "waitSeconds": wait_s}
