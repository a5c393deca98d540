"""Keep moto's Step Functions small in memory, make its executions faster, and end those that are
longer than AWS allows.

moto keeps every execution with its history; this module drops old ones. moto parses the definition
anew for each execution (0.2 s for ours) and each path in it anew at each use (1 ms); this module
caches both.
"""

import threading
from functools import lru_cache
from typing import Any

from localdev.engine import names_of_batch  # noqa: F401

# isort: split
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

MAX_KEPT_EXECUTIONS = 300
"""Number of ended executions kept per state machine; each takes about 160 KB of memory."""
_RUNNING = "RUNNING"
# Executions can share a parsed program, because it contains no state of an execution.
AmazonStateLanguageParser.parse = staticmethod(  # type: ignore[method-assign]
    lru_cache(maxsize=16)(AmazonStateLanguageParser.parse)
)
for user in (json_path, result_path):
    user.parse = lru_cache(maxsize=1000)(user.parse)  # type: ignore[attr-defined]

HISTORY_EVENT_QUOTA_PER_EXECUTION = 25_000
"""The number of events after which AWS ends an execution, unless the last event is the success of
the execution (AWS Step Functions docs, "Avoid reaching the history quota")."""
_TOO_LONG = {
    "error": "States.Runtime",
    "cause": "The execution reached the maximum number of history events"
    f" ({HISTORY_EVENT_QUOTA_PER_EXECUTION}).",
}
"""The error that AWS reports in event 25,000 when it ends an execution because of this quota
(github.com/floci-io/floci, issue 2734)."""
_LAST_EVENTS = frozenset(
    {
        HistoryEventType.ExecutionAborted,
        HistoryEventType.ExecutionFailed,
        HistoryEventType.ExecutionSucceeded,
        HistoryEventType.ExecutionTimedOut,
    }
)


class ExecutionHistoryWithQuota(EventManager):
    """The history of an execution. The execution fails when it would exceed AWS's quota of events.
    No Retry and no Catch handles this failure, because each would add an event."""

    def __init__(self, execution: Environment) -> None:
        super().__init__(execution.cloud_watch_logging_session)
        self._execution = execution
        self._is_full = False
        self._lock = threading.Lock()

    def add_event(
        self, context: Any, event_type: HistoryEventType, *rest: Any, **named: Any
    ) -> int:
        with self._lock:
            length = len(self._history_event_list)
            if length >= HISTORY_EVENT_QUOTA_PER_EXECUTION - 1 and event_type not in _LAST_EVENTS:
                self._is_full = True
                self._execution.set_error(_TOO_LONG)  # type: ignore[arg-type]
            if not self._is_full:
                return super().add_event(context, event_type, *rest, **named)
            if event_type is HistoryEventType.ExecutionFailed:
                # moto has replaced `_TOO_LONG` by the error of a state.
                self._execution.set_error(_TOO_LONG)  # type: ignore[arg-type]
                details = {"executionFailedEventDetails": _TOO_LONG}
                return super().add_event(context, event_type, details)  # type: ignore[arg-type]
            return length


_make_environment = ExecutionWorker._get_evaluation_environment


def _make_limited_environment(worker: ExecutionWorker) -> Environment:
    execution = _make_environment(worker)
    execution.event_manager = ExecutionHistoryWithQuota(execution)
    return execution


ExecutionWorker._get_evaluation_environment = _make_limited_environment  # type: ignore[assignment,method-assign]


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
    TMP_THREADS.clear()  # moto adds some 16 threads per execution, and removes none
