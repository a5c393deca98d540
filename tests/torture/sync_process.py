"""Syncs as processes that may die: a process that has loaded everything runs them, or forks.

`python -m tests.torture.sync_process` reads one order per line and answers each with one line,
both JSON.
"""

import gc
import json
import os
import sys
from dataclasses import asdict
from importlib import import_module

import httpx

from mailsync.providers.imap import changes
from tests.support.functions import load_functions
from tests.torture import lying_toy
from tests.torture.fork import Fork, Killed
from tests.torture.orders import Ending, Order
from tests.torture.sync_run import run


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(os.environ.get("TORTURE_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)  # the product's log, which the forks inherit
    _warm_up()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        ending = _forked(order) if order.is_forked else run(order)
        print(json.dumps(asdict(ending)), file=answers, flush=True)


def _forked(order: Order) -> Ending:
    with Fork(run) as fork:
        try:
            ending: Ending = fork.ask(order)
        except Killed:
            return Ending(outcome="killed")
        return ending


def _warm_up() -> None:
    """Loads once what each fork would load late."""
    load_functions()
    lying_toy.register()
    import_module("mailsync.providers.graph.provider")
    import_module("mailsync.providers.imap.gmail_mailbox")
    import_module("mailsync.providers.gmail.provider")
    # Time passes in the tables only; the time of the last comparison is in the sealed cursor.
    changes.MIN_TIME_BETWEEN_FLAG_COMPARISONS_S = 0
    httpx.Client().close()
    gc.freeze()


if __name__ == "__main__":
    main()
