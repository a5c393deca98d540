"""Pauses that a provider asks for, as results of states: a Retry cannot wait a variable time."""

from collections.abc import Callable, Mapping
from typing import Any

from mailsync.decisions.budget import wait_state_seconds
from mailsync.errors import ProviderThrottled
from mailsync.log import logger


def wait_if_throttled(
    step: Callable[[], Mapping[str, Any]], nothing: Mapping[str, Any], *, can_wait: bool = True
) -> dict[str, Any]:
    """Return what the step returns, with `waitSeconds` 0 by default.

    Where the provider asks for a pause, return `nothing` with the pause in seconds; the workflow
    waits and enters the state again.

    can_wait: whether the running definition has a Wait for this state. An execution that began
        under an earlier release may have none, and would take `nothing` for the result of the step.

    Raises:
        ProviderThrottled: the provider named no pause, or the definition cannot wait; the retries
            of the state are the pause.
    """
    try:
        return {"waitSeconds": 0, **step()}
    except ProviderThrottled as failure:
        if failure.retry_after_s is None or not can_wait:
            raise
        wait_s = wait_state_seconds(failure.retry_after_s)
        logger.info("provider_asks_to_wait", seconds=wait_s)
        return {**nothing, "waitSeconds": wait_s}
