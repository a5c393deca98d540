"""Choose what to do with the open run of a mailbox when another sync is requested."""

from enum import Enum, auto

RUNNING_EXECUTION_STATUS = "RUNNING"
"""The status of an execution that is at work, in the words of Step Functions."""


class OpenRunAction(Enum):
    START = auto()
    """Start the execution of this run."""
    JOIN = auto()
    """The execution is at work: return this run."""
    REPLAY = auto()
    """The run has ended, and the Idempotency-Key belongs to it: return it as it is."""
    CLOSE = auto()
    """The execution is dead: close this run as failed, and enqueue another."""


def choose_open_run_action(
    *, has_ended: bool, has_begun: bool, execution_status: str | None
) -> OpenRunAction:
    """Decide by the state of the run and of its execution.

    | run | execution | action |
    | --- | --- | --- |
    | has ended | any | REPLAY |
    | open | RUNNING | JOIN |
    | queued, never begun | none | START |
    | queued, never begun | ended | CLOSE: Step Functions keeps the name of an execution 90 days |
    | begun | ended or none | CLOSE |

    `has_begun`: the run has recorded its execution. `execution_status` is None where Step
    Functions knows no execution of the run's name.
    """
    if has_ended:
        return OpenRunAction.REPLAY
    if execution_status == RUNNING_EXECUTION_STATUS:
        return OpenRunAction.JOIN
    if execution_status is None and not has_begun:
        return OpenRunAction.START
    return OpenRunAction.CLOSE
