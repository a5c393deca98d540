"""Compute time budgets: when a Lambda function stops fetching pages, and how long the function may
pause between requests."""

RESERVED_TIME_BEFORE_LAMBDA_TIMEOUT_S = 20.0
MAX_WAIT_STATE_DURATION_S = 3600
MAX_PAUSE_WITHOUT_WAIT_STATE_S = 10.0
"""The longest pause during which a Lambda function sleeps, in seconds. For a longer pause a Wait
state of the workflow is cheaper: the transitions of a Wait state cost as much as 11 s of a function
with 512 MB."""
MAX_PAUSES_PER_REQUEST = 2
"""The maximum number of pauses before retries of one request. Each pause is twice as long as the
pause before it. All pauses of a request together are shorter than
`RESERVED_TIME_BEFORE_LAMBDA_TIMEOUT_S`."""
MAX_TOTAL_PAUSE_PER_TASK_STATE_S = 60.0
"""The limit in seconds for the sum of all pauses within one state of the workflow. It is a fifth of
the time-out of the Lambda functions that call a provider."""
MAX_TOTAL_PAUSE_PER_CHECK_S = 5.0
"""The limit in seconds for the sum of all pauses of one check of a mailbox. The limit is low,
because other mailboxes wait for the check to end. If longer pauses are needed, an execution does
the work instead of the check."""
MIN_REMAINING_TIME_FOR_MORE_FOLDERS_S = 60.0
"""The minimum number of seconds that a function must have until its time-out to begin to sync a few
more folders. It equals `MAX_TOTAL_PAUSE_PER_TASK_STATE_S`, because the requests for the folders may
pause so long."""
_SHORTEST_PAUSE_S = 0.05


def has_time_for_page(remaining_s: float, slowest_page_s: float) -> bool:
    """Return whether a Lambda function has time to fetch and store one more page before its
    time-out.

    remaining_s: seconds until the time-out.
    slowest_page_s: duration of the slowest page so far, in seconds; the next page may take as long.
    """
    return remaining_s > RESERVED_TIME_BEFORE_LAMBDA_TIMEOUT_S + 2 * slowest_page_s


def has_time_for_more_folders(remaining_s: float) -> bool:
    """Return whether a function that syncs many folders has time for a few more folders.

    Afterwards the function still needs time to return the remaining folders to the workflow.
    `MIN_REMAINING_TIME_FOR_MORE_FOLDERS_S` includes that time.

    remaining_s: seconds until the function's time-out.
    """
    return remaining_s > MIN_REMAINING_TIME_FOR_MORE_FOLDERS_S


def compute_retry_pause_s(requested_s: float, *, repeat: int, jitter: float) -> float:
    """Return the seconds to sleep before the retry of a throttled or failed request.

    The result is `requested_s`, at least 0.05 s, doubled `repeat` times, plus a random part of up
    to a quarter.

    requested_s: pause that the provider requested, in seconds.
    repeat: number of earlier retries of the request.
    jitter: random number from 0 to below 1 that chooses the random part, so that workers that were
        throttled at the same moment do not all retry at the same moment.
    """
    return max(requested_s, _SHORTEST_PAUSE_S) * (1 << repeat) * (1 + jitter / 4)


def compute_wait_state_duration_s(retry_after_s: float) -> int:
    """Return the seconds for a Wait state of the workflow: `retry_after_s` rounded up to whole
    seconds, from 1 to 3600.

    If the provider requested a pause of more than an hour, the workflow sends a request after an
    hour, is throttled again, and waits again.

    retry_after_s: pause that the provider requested, in seconds.
    """
    return max(1, min(MAX_WAIT_STATE_DURATION_S, int(-(-retry_after_s // 1))))


def shrink_page_size(size: int) -> int:
    """Return the page size after a page failed: half of it, at least 1."""
    return max(1, size // 2)


def grow_page_size(size: int, largest: int) -> int:
    """Return the page size after a page succeeded: a quarter larger, at most `largest`."""
    return min(largest, size + max(1, size // 4))
