"""Keep moto's Step Functions small in memory and make its executions faster.

moto keeps every execution with its history; this module drops old ones. moto parses the definition
anew for each execution (0.2 s for ours) and each path in it anew at each use (1 ms); this module
caches both.
"""

from functools import lru_cache

from localdev.engine import names_of_batch  # noqa: F401

# isort: split
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.utils import json_path
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

MAX_KEPT_EXECUTIONS = 300
"""Number of ended executions kept per state machine; one takes about 160 KB of memory."""
_RUNNING = "RUNNING"
# Executions share the parsed program, as the iterations of a Map do; it holds no state of theirs.
AmazonStateLanguageParser.parse = staticmethod(  # type: ignore[method-assign]
    lru_cache(maxsize=16)(AmazonStateLanguageParser.parse)
)
for user in (json_path, result_path):
    user.parse = lru_cache(maxsize=1000)(user.parse)  # type: ignore[attr-defined]


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
