"""The pause that a provider asks for, as the result of a state: a Retry cannot wait by a value."""

from collections.abc import Callable, Mapping
from typing import Any

from mailsync.decisions.budget import wait_seconds
from mailsync.errors import ProviderThrottled
from mailsync.log import logger


def wait_if_throttled(
    step: Callable[[], Mapping[str, Any]], nothing: Mapping[str, Any], *, can_wait: bool = True
) -> dict[str, Any]:
    """Return what the step returns, with `waitSeconds` 0 unless it says otherwise; where the
    provider asks for a pause, `nothing` with the pause in seconds, after which the workflow enters
    the state again.

    `can_wait`: the definition that runs has a Wait for this state. An execution that began under
    an earlier release may have none: it would take `nothing` for the work, and go on.

    Raises ProviderThrottled when the provider named no pause, or the definition cannot wait; the
    retries of the state are the pause then.
    """
    try:
        return {"waitSeconds": 0, **step()}
    except ProviderThrottled as failure:
        if failure.retry_after_s is None or not can_wait:
            raise
        wait_s = wait_seconds(failure.retry_after_s)
        logger.info("provider_asks_to_wait", seconds=wait_s)
        return {**nothing, "waitSeconds": wait_s}
