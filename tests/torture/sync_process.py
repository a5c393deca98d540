"""Syncs as processes that may die: a process that has loaded everything forks one for each.

`python -m tests.torture.sync_process` reads one order per line and answers each with one line,
both JSON. A fork runs one sync: the product's own trigger, then the real handlers in the order
of the real state machine.
"""

import gc
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib import import_module
from queue import LifoQueue
from types import SimpleNamespace
from typing import Any

import boto3
import httpx

from infra.catalog import FUNCTIONS, MAILBOX_SYNC
from mailsync import workflow
from mailsync.model import AccountId, SyncType
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore
from mailsync.workflow import Trigger, Workflows, execution_arn
from tests.torture.crash import Moments
from tests.torture.execution import Execution, Invoke, StateFailed
from tests.torture.fork import Fork, Killed

MACHINE_ARN = "arn:aws:states:eu-central-1:000000000000:stateMachine:mailbox-sync"
FUNCTION_S = 300.0
LONGEST_SLEEP_S = 0.001
MOST_AT_ONCE = 4
"""As many as the largest Map of the workflow works on."""
_sleep = time.sleep


@dataclass(frozen=True, kw_only=True)
class Order:
    """One sync. `fatal` is the moment at which a process is killed, None for none: `execution`
    kills all of it, `function` only the function, which the state machine then tries again, and
    `look` the function that looks at mailboxes which are due, as well as what it hands over to.

    `console` starts the execution past the trigger, as a person may; `folder_order` seeds the
    order in which folders are worked on, 0 keeps it. `at_once`: several functions work on folders
    at the same time, in processes of their own, and one of them dies.
    """

    environment: dict[str, str]
    account_id: str
    fatal: int | None = None
    dies: str = "execution"
    console: bool = False
    folder_order: int = 0
    at_once: bool = False


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

    def status(self, arn: str) -> None:
        return None


class _Functions:
    """The functions in this process."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self._handlers = _handlers()

    def invoke(self, placeholder: str, payload: Any) -> Any:
        event = json.loads(json.dumps(payload))
        try:
            return json.loads(json.dumps(self._handlers[placeholder](event, _context())))
        except Exception as error:
            cause = {"errorType": type(error).__name__, "errorMessage": str(error)}
            raise StateFailed(type(error).__name__, json.dumps(cause)) from error


class _MortalFunctions:
    """The functions in processes of their own, one of which is killed at the fatal moment."""

    def __init__(self, fatal: int | None, *, at_once: int) -> None:
        self.moments = Moments(fatal)
        self._forks = ExitStack()
        self._idle: LifoQueue[Fork] = LifoQueue()
        # The one that is killed lies on top; one more than work at once takes its place.
        for moments in (*(Moments(None) for _ in range(at_once)), self.moments):
            self._idle.put(self._new_fork(moments))

    def invoke(self, placeholder: str, payload: Any) -> Any:
        fork = self._idle.get()
        try:
            outcome, count = fork.ask((placeholder, payload))
        except Killed:
            raise StateFailed("Runtime.ExitError", "signal: killed") from None
        self._idle.put(fork)
        self.moments.count = max(count, self.moments.count)
        if isinstance(outcome, StateFailed):
            raise outcome
        return outcome

    def close(self) -> None:
        self._forks.close()

    def _new_fork(self, moments: Moments) -> Fork:
        functions = _Functions(moments)

        def answer(question: tuple[str, Any]) -> tuple[Any, int]:
            moments.watch()
            try:
                outcome = functions.invoke(*question)
            except StateFailed as failure:
                outcome = failure
            return outcome, moments.count

        return self._forks.enter_context(Fork(answer))


def _run(order: Order) -> Ending:
    os.environ.update(order.environment)
    time.sleep = lambda seconds: _sleep(min(float(seconds), LONGEST_SLEEP_S))
    if order.dies == "execution":
        moments = Moments(order.fatal)
        moments.watch()
        return _execute(order, _started(order), _Functions(moments).invoke, moments)
    if order.dies == "look":
        return _look(order)
    name = _started(order)
    open_database().close()
    functions = _MortalFunctions(order.fatal, at_once=MOST_AT_ONCE if order.at_once else 1)
    try:
        return _execute(order, name, functions.invoke, functions.moments)
    finally:
        functions.close()


def _started(order: Order) -> str:
    """The name of the execution that a trigger starts; past it, one that nobody knows yet."""
    engine = _Engine()
    if not order.console:
        trigger = Trigger(RunStore(open_database()), engine, MACHINE_ARN)
        trigger.sync(AccountId(order.account_id), SyncType.AUTO, "torture")
    return engine.started or str(uuid.uuid4())


def _look(order: Order) -> Ending:
    """By `sync-accounts`, and by an execution only if that one asks for it."""
    os.environ["MAILBOX_SYNC_ARN"] = MACHINE_ARN
    engine, moments = _Engine(), Moments(order.fatal)
    workflow.Workflows = lambda: engine  # type: ignore[misc, assignment]
    moments.watch()
    tally = import_module("handlers.sync_accounts").handler(
        {"accountIds": [order.account_id]}, _context()
    )
    if engine.started:
        return _execute(order, engine.started, _Functions(moments).invoke, moments)
    settled = tally["outcomes"].keys() <= {"idle", "synced"}
    return Ending(outcome="completed" if settled else str(tally), moments=moments.count)


def _execute(order: Order, name: str, invoke: Invoke, moments: Moments) -> Ending:
    def arrange(items: list[Any]) -> list[Any]:
        if order.folder_order:
            random.Random(order.folder_order).shuffle(items)
        return items

    at_once = order.at_once and order.dies == "function"
    execution = Execution(name, execution_arn(MACHINE_ARN, name), invoke, arrange, at_once)
    state = {"accountId": order.account_id, "syncType": "auto", "trigger": "torture"}
    try:
        execution.run(MAILBOX_SYNC.definition, state)
    except StateFailed as failure:
        return Ending(outcome=failure.error, moments=moments.count, cause=failure.cause)
    return Ending(outcome="completed", moments=moments.count)


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


def _warm_up() -> None:
    """Loads once what each fork would load late."""
    _handlers()
    import_module("mailsync.providers.graph")
    boto3.client("kms", region_name="eu-central-1")
    httpx.Client().close()
    gc.freeze()


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(os.environ.get("TORTURE_LOG", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)  # the product's log, which the forks inherit
    _warm_up()
    for line in sys.stdin:
        with Fork(_run) as fork:
            try:
                ending = fork.ask(Order(**json.loads(line)))
            except Killed:
                ending = Ending(outcome="killed")
        print(json.dumps(asdict(ending)), file=answers, flush=True)


if __name__ == "__main__":
    main()
