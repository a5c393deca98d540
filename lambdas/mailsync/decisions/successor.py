"""Decide when an execution hands its run over to a successor, and count what the decision needs.

AWS ends an execution after 25,000 events in its history (AWS Step Functions docs, "Service
quotas"), and `TimeoutSeconds` of the workflow ends it after 24 hours. An execution cannot read the
length of its own history, so each visit of a state adds to the run the number of events that it
costs at most.
"""

from mailsync.errors import ProviderRejected
from mailsync.model import RunId

MAX_EXECUTION_EVENTS = 20_000
"""The number of counted events after which an execution hands its run over. The other 5,000 events
are for states that are entered before the execution ends, and for retries of functions that did not
reach the database."""
MAX_EXECUTION_AGE_S = 20 * 3600
"""The age in seconds after which an execution hands its run over. The other four hours are for the
longest Wait, one hour, and for the retries of a state."""
MAX_MAP_ITEMS = 100
"""The maximum number of items of one Map state. An item costs 11 events even if its function
returns immediately, because the execution is to be handed over."""
MAX_WAITS_WITHOUT_PROGRESS = 50
"""The number of successive pauses at the provider's request after which a change feed fails that
got no page meanwhile. A state in which no function could do its work fails after as many; its
retries try for some 20 minutes more."""
MAX_RESETS_PER_RUN = 10
"""The number of full syncs of a change feed that one run may begin because its cursor expired. One
visit of the Map allows two, but a run has many visits."""
MAX_EXECUTIONS_PER_RUN = 100
"""The number of executions of one run. A first sync of 100 million messages needs as many; a run
with more of them does not come to an end."""

HISTORY_EVENTS_PER_STATE_VISIT = 13
"""The maximum number of events from one visit of a state to the next: 5 of the Task, 2 of a Choice,
2 of a Wait, and 4 of a Map or of an iteration of a Map."""
EVENTS_PER_RETRY = 3
HISTORY_EVENTS_OF_UNCOUNTED_FAILURE = 94
"""The maximum number of events of a function that failed and may not have reached the database: the
Task, its 29 retries, and a Choice before `folder-failed`, which counts them."""
_MAX_EXECUTION_NAME_CHARS = 80


def events_of_visit(retry_count: int | None) -> int:
    """Return the number of history events that a visit of a state costs at most.

    retry_count: number of retries before this attempt. None: the definition of the previous version
        started the execution. Such an execution cannot hand over its run, so nothing is counted.
    """
    if retry_count is None:
        return 0
    return HISTORY_EVENTS_PER_STATE_VISIT + EVENTS_PER_RETRY * retry_count


def require_another_reset(resets: int) -> None:
    """Raise ProviderRejected if a run has begun the full sync of a feed more than
    `MAX_RESETS_PER_RUN` times because its cursor expired. resets: how often."""
    if resets > MAX_RESETS_PER_RUN:
        raise ProviderRejected(
            f"The provider rejected the position in the folder's changes {resets} times in this"
            " sync. The stored mail stays, and the next sync reads the folder again."
        )


def events_of_failed_folder(retry_count: int | None) -> int:
    """Return the number of history events that a visit of `folder-failed` costs at most, and the
    visit of the state that failed before it."""
    return HISTORY_EVENTS_OF_UNCOUNTED_FAILURE + events_of_visit(retry_count)


def successor_name(run_id: RunId, execution_name: str) -> str:
    """Return the name of the execution that follows the execution `execution_name` of a run:
    `<run id>-2` after the first, then `-3`.

    Raises:
        ProviderRejected: the run has had `MAX_EXECUTIONS_PER_RUN`.

    If the run id leaves no room for the number, its end is cut off. A number with which the name
    would be the run id itself is left out.
    """
    number = 2 if execution_name == run_id else int(execution_name.rpartition("-")[2]) + 1
    if number > MAX_EXECUTIONS_PER_RUN:
        raise ProviderRejected(
            f"The sync is not complete after {MAX_EXECUTIONS_PER_RUN} executions. The stored mail"
            " stays, and the next sync continues from there."
        )
    suffix = f"-{number}"
    name = run_id[: _MAX_EXECUTION_NAME_CHARS - len(suffix)] + suffix
    return name if name != run_id else successor_name(run_id, f"-{number}")
