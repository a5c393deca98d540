"""Keep moto's Step Functions small and quick.

moto keeps every execution with its history, and parses the definition anew for each execution.
"""

from functools import lru_cache
from typing import Any

from localdev.engine import names_of_batch  # noqa: F401

# isort: split
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.models import stepfunctions_parser_backends
from moto.stepfunctions.parser.utils import TMP_THREADS

MAX_KEPT_EXECUTIONS = 300
"""Number of ended executions kept per state machine; one takes about 160 KB of memory."""
_RUNNING = "RUNNING"
_parse = AmazonStateLanguageParser.parse


@lru_cache(maxsize=16)
def _syntax_tree(definition: str) -> Any:
    return _parse(definition)[1]


def _parse_once(definition: str) -> tuple[Any, Any]:
    """Parse as moto does, which takes 0.2 s for our workflow, but each text only once.

    Each execution gets a program of its own, made from the tree that none of them changes.
    """
    tree = _syntax_tree(definition)
    return Preprocessor().visit(tree), tree


AmazonStateLanguageParser.parse = staticmethod(_parse_once)  # type: ignore[method-assign]


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
