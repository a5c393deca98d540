"""What the engine remembers of executions: moto would keep each, with its history, for ever."""

from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

MAX_KEPT_EXECUTIONS = 300
"""Ended ones of each state machine, the newest; some 160 KB each."""
_RUNNING = "RUNNING"


def forget_old_executions(kept: int = MAX_KEPT_EXECUTIONS) -> None:
    """Forget them, but not while one starts: the list is replaced, and that one would be lost."""
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
