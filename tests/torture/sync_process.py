"""Syncs as processes that may die: a process that has loaded everything forks one for each.

`python -m tests.torture.sync_process` reads one order per line and answers each with one line,
both JSON. A fork runs one sync: the product's own trigger, then the real handlers in the order
of the real state machine.
"""

import json
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import boto3

from infra.catalog import FUNCTIONS, MAILBOX_SYNC
from mailsync.model import AccountId, SyncType
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore
from mailsync.workflow import Trigger, Workflows, execution_arn
from tests.torture.crash import Moments
from tests.torture.execution import Execution, StateFailed

MACHINE_ARN = "arn:aws:states:eu-central-1:000000000000:stateMachine:mailbox-sync"
FUNCTION_S = 300.0
LONGEST_SLEEP_S = 0.001
_sleep = time.sleep


@dataclass(frozen=True, kw_only=True)
class Order:
    """One sync. `fatal` is the moment at which a process is killed, None for none: `execution`
    kills all of it, `function` only the function, which the state machine then tries again.

    `console` starts the execution past the trigger, as a person may; `folder_order` seeds the
    order in which folders are worked on, 0 keeps it.
    """

    environment: dict[str, str]
    account_id: str
    fatal: int | None = None
    dies: str = "execution"
    console: bool = False
    folder_order: int = 0


@dataclass(frozen=True, kw_only=True)
class Ending:
    """`outcome` is `completed`, `killed`, or the name of the error with which a sync failed."""

    outcome: str
    moments: int = 0
    cause: str = ""


class _Engine(Workflows):
    """Step Functions to the trigger: what was started before is dead, what is asked for runs."""

    started: str | None = None

    def start(self, machine_arn: str, name: str, state: dict[str, Any]) -> str:
        self.started = name
        return execution_arn(machine_arn, name)

    def is_running(self, arn: str) -> bool:
        return False


class Sync:
    """One sync in this process."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._moments = Moments(order.fatal)
        self._handlers = _handlers()
        self._die_alone = order.dies == "function"

    def run(self) -> Ending:
        if not self._die_alone:
            self._moments.watch()
        account_id = AccountId(self._order.account_id)
        name = str(uuid.uuid4())
        if not self._order.console:
            engine = _Engine()
            Trigger(RunStore(open_database()), engine, MACHINE_ARN).sync(
                account_id, SyncType.AUTO, "torture"
            )
            name = engine.started or name
            open_database().close()  # the functions have connections of their own
        invoke = self._invoke_alone if self._die_alone else self._invoke
        arn = execution_arn(MACHINE_ARN, name)
        execution = Execution(name, arn, invoke, self._arrange)
        state = {"accountId": account_id, "syncType": "auto", "trigger": "torture"}
        try:
            execution.run(MAILBOX_SYNC.definition, state)
        except StateFailed as failure:
            return Ending(outcome=failure.error, moments=self._moments.count, cause=failure.cause)
        return Ending(outcome="completed", moments=self._moments.count)

    def _arrange(self, items: list[Any]) -> list[Any]:
        if self._order.folder_order:
            random.Random(self._order.folder_order).shuffle(items)
        return items

    def _invoke(self, placeholder: str, payload: Any) -> Any:
        event = json.loads(json.dumps(payload))
        try:
            return json.loads(json.dumps(self._handlers[placeholder](event, _context())))
        except Exception as error:
            cause = {"errorType": type(error).__name__, "errorMessage": str(error)}
            raise StateFailed(type(error).__name__, json.dumps(cause)) from error

    def _invoke_alone(self, placeholder: str, payload: Any) -> Any:
        """In a process of its own, as Lambda does: what dies is the function."""
        answer = in_fork(lambda: self._answer(placeholder, payload))
        if answer is None:
            self._moments = Moments(None)
            raise StateFailed("Runtime.ExitError", "Runtime exited with error: signal: killed")
        self._moments.count = answer["moments"]
        if "error" in answer:
            raise StateFailed(answer["error"], answer["cause"])
        return answer["result"]

    def _answer(self, placeholder: str, payload: Any) -> dict[str, Any]:
        self._moments.watch()
        try:
            answer = {"result": self._invoke(placeholder, payload)}
        except StateFailed as failure:
            answer = {"error": failure.error, "cause": failure.cause}
        return {**answer, "moments": self._moments.count}


def in_fork(work: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    """What `work` returns in a fork of this process; None when the fork was killed.

    Raises RuntimeError when it ended otherwise without an answer; its traceback is on stderr.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(json.dumps(work()).encode())
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    if not answer:
        raise RuntimeError("A forked process ended without an answer.")
    found: dict[str, Any] = json.loads(answer)
    return found


def _handlers() -> dict[str, Callable[[Any, Any], Any]]:
    return {
        f"${{{each.placeholder}}}": import_module(f"handlers.{each.module}").handler
        for each in FUNCTIONS
        if each.placeholder in MAILBOX_SYNC.definition
    }


def _context() -> Any:
    """What the handlers and Powertools read of Lambda's context object."""
    deadline = time.monotonic() + FUNCTION_S
    return SimpleNamespace(
        function_name="torture",
        memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:torture",
        aws_request_id=str(uuid.uuid4()),
        get_remaining_time_in_millis=lambda: int((deadline - time.monotonic()) * 1000),
    )


def _obey(order: Order) -> dict[str, Any]:
    os.environ.update(order.environment)
    time.sleep = lambda seconds: _sleep(min(seconds, LONGEST_SLEEP_S))
    return asdict(Sync(order).run())


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(os.environ.get("TORTURE_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)  # the product's log, which the forks inherit
    _handlers()
    boto3.client("kms", region_name="eu-central-1")  # reads the service's model once for all
    for line in sys.stdin:
        order = Order(**json.loads(line))
        ending = in_fork(lambda order=order: _obey(order)) or asdict(Ending(outcome="killed"))
        print(json.dumps(ending), file=answers, flush=True)


if __name__ == "__main__":
    main()
