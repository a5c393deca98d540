"""Decide when an execution hands its run over to a successor, the next execution of the run, and
count the history events that this decision needs.

AWS ends an execution after 25,000 events in its history (AWS Step Functions docs, "Service
quotas"), and `TimeoutSeconds` of the workflow ends an execution after 24 hours. An execution cannot
read the length of its own history. So each visit of a state adds to a counter of the run the
largest number of events that the visit can cost.
"""

from mailsync.errors import ProviderRejected
from mailsync.model import RunId

MAX_HISTORY_EVENTS_PER_EXECUTION = 20_000
"""The number of counted history events after which an execution hands its run over. The other 5,000
events are reserved for the states that the execution still enters, and for retries of functions
that could not reach the database and so could not count."""
MAX_EXECUTION_AGE_S = 20 * 3600
"""The age in seconds after which an execution hands its run over. The remaining four hours are
reserved for the longest Wait state, which takes one hour, and for the retries of a state."""
MAX_ITEMS_PER_MAP_STATE = 100
"""The maximum number of items of one Map state. An item costs 11 history events even if its
function returns immediately because the run is about to be handed over."""
MAX_SUCCESSIVE_PROVIDER_PAUSES = 50
"""The number of successive pauses without a new page, requested by the provider, after which a
change feed fails. A state whose function could not work between so many pauses fails as well; the
retries of the state go on for some 20 minutes."""
MAX_CURSOR_EXPIRIES_PER_FEED_AND_RUN = 10
"""The number of full syncs of one change feed that one run may begin because the feed's cursor
expired. One visit of the Map state allows two full syncs, but a run has many visits."""
MAX_EXECUTIONS_PER_RUN = 100
"""The maximum number of executions of one run. A first sync of 100 million messages needs about 100
executions. A run that needs more executions probably never ends."""

MAX_HISTORY_EVENTS_PER_ENTERED_STATE = 13
"""The maximum number of history events from one visit of a Task state to the next visit of a Task
state: 5 of the Task, 2 of a Choice, 2 of a Wait, and 4 of a Map or of an iteration of a Map."""
HISTORY_EVENTS_PER_STATE_RETRY = 3
"""The number of history events that one retry of a Task state costs."""
MAX_HISTORY_EVENTS_OF_FAILED_STATE = 94
"""The maximum number of history events of a Task state that failed and could not count its own
events, because its function may not have reached the database: the Task, its 29 retries, and a
Choice. The state `folder-failed`, which comes next, counts these events."""
_MAX_EXECUTION_NAME_CHARS = 80


def compute_max_history_events_of_state(retry_count: int | None) -> int:
    """Return the largest number of history events that one visit of a state can cost, including the
    retries of the state.

    retry_count: number of retries before this attempt. None: the execution runs under the workflow
        definition of the previous release, which cannot hand over a run. The result is then 0.
    """
    if retry_count is None:
        return 0
    return MAX_HISTORY_EVENTS_PER_ENTERED_STATE + HISTORY_EVENTS_PER_STATE_RETRY * retry_count


def require_cursor_expiries_within_limit(resets: int) -> None:
    """Check that a run has not begun too many full syncs of one change feed.

    resets: number of full syncs of the feed that the run has begun because the cursor expired.

    Raises:
        ProviderRejected: `resets` exceeds `MAX_CURSOR_EXPIRIES_PER_FEED_AND_RUN`.
    """
    if resets > MAX_CURSOR_EXPIRIES_PER_FEED_AND_RUN:
        raise ProviderRejected(
            f"The provider rejected the position in the folder's changes {resets} times in this"
            " sync. The stored mail stays, and the next sync reads the folder again."
        )


def compute_max_history_events_of_failed_state_and_handler(retry_count: int | None) -> int:
    """Return the largest number of history events that two visits together can cost: the visit of
    the state that failed, which could not count its own events, and the visit of the state
    `folder-failed` after it.

    retry_count: number of retries of `folder-failed`. None: see
        `compute_max_history_events_of_state`.
    """
    return MAX_HISTORY_EVENTS_OF_FAILED_STATE + compute_max_history_events_of_state(retry_count)


def make_successor_execution_name(run_id: RunId, execution_name: str) -> str:
    """Return the name of the next execution of a run, after the execution `execution_name`. The
    first execution has the run id as its name. The second execution has the name `<run id>-2`, the
    third `<run id>-3`.

    A name has at most 80 characters, so the end of a long run id is cut off. The shortened id with
    its number can then equal the run id, which is the first execution's name. In this case the
    function returns the name with the next number.

    Raises:
        ProviderRejected: the run has had `MAX_EXECUTIONS_PER_RUN` executions.
    """
    number = 2 if execution_name == run_id else int(execution_name.rpartition("-")[2]) + 1
    if number > MAX_EXECUTIONS_PER_RUN:
        raise ProviderRejected(
            f"The sync is not complete after {MAX_EXECUTIONS_PER_RUN} executions. The stored mail"
            " stays, and the next sync continues from there."
        )
    suffix = f"-{number}"
    name = run_id[: _MAX_EXECUTION_NAME_CHARS - len(suffix)] + suffix
    return name if name != run_id else make_successor_execution_name(run_id, f"-{number}")
