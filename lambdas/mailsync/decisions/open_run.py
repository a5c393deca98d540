"""Choose what to do with the open run of a mailbox when a person, the schedule or an event requests
another sync. An open run is a run that is stored as queued or running."""

from enum import Enum, auto

STEP_FUNCTIONS_RUNNING_STATUS = "RUNNING"
"""The status that Step Functions reports for an execution that has not ended."""


MIN_HEARTBEAT_AGE_OF_STALE_RUN_S = 60
"""The age in seconds of a run's last heartbeat from which the run is stale: the execution of a
stale run may be dead."""


class ActionForExistingRun(Enum):
    """What to do with the run of a mailbox when another sync of the mailbox is requested.

    START_EXECUTION: the run has no execution yet; start it.
    JOIN_RUN: the run is in progress; return it.
    RETURN_ENDED_RUN: the run has ended, and the request repeats the Idempotency-Key of this run;
        return the run unchanged.
    CLOSE_DEAD_RUN: the run is open, but its execution has ended or is missing; close the run as
        failed, and request a new run.
    """

    START_EXECUTION = auto()
    JOIN_RUN = auto()
    RETURN_ENDED_RUN = auto()
    CLOSE_DEAD_RUN = auto()


def choose_action_for_existing_run(
    *, has_ended: bool, has_begun: bool, is_stale: bool, execution_status: str | None
) -> ActionForExistingRun:
    """Return what to do with the run of a mailbox, by the state of the run and of its execution.

    | run | execution | action |
    | --- | --- | --- |
    | has ended | any | RETURN_ENDED_RUN |
    | open | RUNNING | JOIN_RUN |
    | queued, never begun | none | START_EXECUTION |
    | queued, never begun | ended | CLOSE_DEAD_RUN |
    | begun | ended | CLOSE_DEAD_RUN |
    | begun, stale | none | CLOSE_DEAD_RUN |
    | begun, not stale | none | JOIN_RUN: Step Functions does not show the execution yet |

    Step Functions refuses the name of an ended execution for 90 days, so a run whose execution has
    ended cannot be started again. DescribeExecution is eventually consistent, so it can miss an
    execution that already works (AWS Step Functions API Reference).

    has_ended: whether the run is stored as ended.
    has_begun: whether an execution has begun the run and is recorded in it.
    is_stale: whether the run's last heartbeat is older than MIN_HEARTBEAT_AGE_OF_STALE_RUN_S.
    execution_status: the status of the run's execution, from Step Functions. None: Step Functions
        has no execution with the name of the run.
    """
    if has_ended:
        return ActionForExistingRun.RETURN_ENDED_RUN
    if execution_status == STEP_FUNCTIONS_RUNNING_STATUS:
        return ActionForExistingRun.JOIN_RUN
    if execution_status is None and not has_begun:
        return ActionForExistingRun.START_EXECUTION
    if execution_status is None and not is_stale:
        return ActionForExistingRun.JOIN_RUN
    return ActionForExistingRun.CLOSE_DEAD_RUN
