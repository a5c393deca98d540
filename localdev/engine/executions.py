"""Limit the number of ended executions that moto keeps in memory. Without the limit it keeps all,
with their histories."""

from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

MAX_KEPT_EXECUTIONS = 300
"""Number of ended executions kept per state machine; one takes about 160 KB of memory."""
_RUNNING = "RUNNING"


def forget_old_executions(kept: int = MAX_KEPT_EXECUTIONS) -> None:
    """Delete from moto's memory all ended executions of each state machine except the newest
    `kept`.

    No execution may start during the call: moto's list of executions is replaced, and an execution
    that is added meanwhile would be lost.
    """
    for regions in stepfunctions_parser_backends.values():
        for backend in regions.values():
            for machine in backend.state_machines:
                ended = [each for each in machine.executions if each.exec_status != _RUNNING]  # type: ignore[attr-defined]
                old = {id(each) for each in ended[:-kept]}
                if old:
                    machine.executions = [
                        each for each in machine.executions if id(each) not in old
                    ]
    TMP_THREADS.clear()  # some sixteen an execution; moto only ever adds to them
