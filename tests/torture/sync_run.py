"""One sync by the product's own trigger or schedule, and the real handlers in the order of the real
state machine."""

import json
import math
import os
import random
import socket
import uuid
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from importlib import import_module
from queue import LifoQueue
from threading import Lock
from types import ModuleType, SimpleNamespace
from typing import Any

from pg8000.exceptions import DatabaseError

from infra.catalog import MAILBOX_SYNC_WORKFLOW
from mailsync.decisions import freshness, successor
from mailsync.decisions import slices as decisions_of_slices
from mailsync.decisions.budget import has_time_for_page
from mailsync.model import AccountId, SyncType, SyncTypeAndFolders
from mailsync.providers import retry_budget
from mailsync.runs import trigger as workflow
from mailsync.runs.step_functions import execution_arn
from mailsync.runs.trigger import SyncStarter
from mailsync.settings import Settings, load_settings
from mailsync.store import connection, quota_store, slice_store
from mailsync.store.connection import open_database
from mailsync.store.run_store import RunStore
from mailsync.sync import batch, feed_pages, folder_tree, slices, store_page
from mailsync.sync.mailbox import open_encryption_vault
from tests.support.clock import let_time_pass
from tests.support.execution import Execution, Invoke, StartedExecutions, StateFailed
from tests.support.functions import lambda_context, load_functions
from tests.torture.crash import Died, Moments, unwatched
from tests.torture.durable import DurableState
from tests.torture.fork import Fork, Killed
from tests.torture.orders import MAX_AT_ONCE, Ending, Order

MACHINE_ARN = "arn:aws:states:eu-central-1:000000000000:stateMachine:mailbox-sync"
MAX_RECOVERED_RUNS = 100
MAX_ATTEMPTS = 3
"""Of a state: what goes wrong all through a sync does so in each attempt alike."""
DEADLOCK = "40P01"
LARGE_FOLDERS = freshness.MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX
MAX_EVENTS = successor.MAX_HISTORY_EVENTS_PER_EXECUTION
LARGE_FOLDER = decisions_of_slices.MAX_MESSAGES_OF_UNSLICED_FOLDER
SLICE_NUMBERS = {
    (decisions_of_slices, "INITIAL_MESSAGES_PER_SLICE"): (
        decisions_of_slices.INITIAL_MESSAGES_PER_SLICE,
        3,
    ),
    (decisions_of_slices, "MAX_MESSAGES_PER_SLICE"): (
        decisions_of_slices.MAX_MESSAGES_PER_SLICE,
        4,
    ),
    (decisions_of_slices, "MIN_MESSAGES_PER_SLICE"): (
        decisions_of_slices.MIN_MESSAGES_PER_SLICE,
        1,
    ),
    (slices, "MAX_WAIT_FOR_UNCLAIMED_SLICE_S"): (slices.MAX_WAIT_FOR_UNCLAIMED_SLICE_S, 0.0),
    (slice_store, "CLAIM_LIFETIME_S"): (slice_store.CLAIM_LIFETIME_S, 0.5),
    (store_page, "MIN_MESSAGES_TO_SLICE"): (store_page.MIN_MESSAGES_TO_SLICE, 2),
    (folder_tree, "DEFAULT_PAGE_SIZE"): (store_page.DEFAULT_PAGE_SIZE, 3),
}
"""The numbers of the product that slices depend on, and those of a sync of small slices."""
_connect = connection.connect
_connections: list[connection.Connection] = []
_waits: list[float] = []
_ageing = Lock()


_engine = StartedExecutions()
"""Step Functions to the trigger: what was started before is dead, what the trigger starts runs."""


def run(order: Order) -> Ending:
    """In this process; one that is no fork only plays dead, and is as new afterwards."""
    _prepare(order)
    moments = Moments(order.fatal, plays=not order.is_forked, durable=_durable(order))
    try:
        ending = _run(order, moments)
    except Died:
        _forget_process()
        ending = Ending(outcome="killed", moments=moments.count)
    return replace(ending, waited_s=sum(_waits))


def _durable(order: Order) -> DurableState | None:
    if order.provider_file is None:
        return None
    return DurableState(order.environment["DATABASE_URL"], order.provider_file)


def _prepare(order: Order) -> None:
    known = os.environ.get("DATABASE_URL")
    os.environ.update(order.environment, MAILBOX_SYNC_ARN=MACHINE_ARN)
    if order.is_forked or known != order.environment["DATABASE_URL"]:
        _forget_process(gently=order.is_forked)
    _engine.forget()
    _waits.clear()
    _replace(workflow, "StepFunctions", lambda: _engine)
    _replace(connection, "connect", _remembered)
    # Pauses pass at once; those that are left to the workflow as well, see `_wait`.
    _replace(retry_budget, "time", SimpleNamespace(sleep=lambda _: None))
    _replace(quota_store, "MAX_SINGLE_SLEEP_S", 0.0)
    _replace(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", order.max_events or MAX_EVENTS)
    has_time = _has_no_more_time if order.max_events else has_time_for_page
    _replace(feed_pages, "has_time_for_page", has_time)
    _replace(slices, "has_time_for_page", has_time)
    _replace(freshness, "MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX", order.turns or LARGE_FOLDERS)
    is_sliced = order.sliced_from is not None
    for (module, name), (usual, sliced) in SLICE_NUMBERS.items():
        _replace(module, name, sliced if is_sliced else usual)
    _replace(
        decisions_of_slices, "MAX_MESSAGES_OF_UNSLICED_FOLDER", order.sliced_from or LARGE_FOLDER
    )


def _replace(module: ModuleType, name: str, value: object) -> None:
    assert hasattr(module, name), f"{module.__name__} has no {name} any more."
    setattr(module, name, value)


def _has_no_more_time(remaining_s: float, slowest_page_s: float) -> bool:
    """After one page."""
    return slowest_page_s == 0


def _remembered(settings: Settings, **how: Any) -> connection.Connection:
    opened = _connect(settings, **how)
    _connections.append(opened)
    return opened


def _forget_process(*, gently: bool = False) -> None:
    """What a process has open and remembers. `gently`: it belongs to the process that forked."""
    for opened in _connections:
        if not gently:
            with suppress(OSError, AttributeError):
                opened._usock.shutdown(socket.SHUT_RDWR)
            opened.close()
    _connections.clear()
    for remembered in (load_settings, open_database, open_encryption_vault, batch._workers):
        remembered.cache_clear()


def _run(order: Order, moments: Moments) -> Ending:
    if order.dies == "check":
        return _look(order, moments)
    if order.dies == "execution":
        moments.watch()
        _start(order)
        return _execute(order, _Functions(moments).invoke, moments)
    with unwatched():
        _start(order)
    if not order.is_forked:
        moments.watch()
        return _execute(order, _Functions(moments, are_mortal=True).invoke, moments)
    open_database().close()
    functions = _ForkedFunctions(moments, at_once=MAX_AT_ONCE if order.at_once else 1)
    try:
        return _execute(order, functions.invoke, functions.moments)
    finally:
        functions.close()


def _start(order: Order) -> None:
    """By the trigger, or past it under a new name."""
    sync_type = _sync_type(order)
    if order.console:
        state = {"accountId": order.account_id, "syncType": sync_type, "trigger": "torture"}
        _engine.start_execution(MACHINE_ARN, str(uuid.uuid4()), state)
    else:
        _trigger().start_sync(AccountId(order.account_id), SyncTypeAndFolders(sync_type), "torture")


def _sync_type(order: Order) -> SyncType:
    return SyncType.FULL if order.is_full else SyncType.AUTOMATIC


def _trigger() -> SyncStarter:
    return SyncStarter(RunStore(open_database()), _engine, MACHINE_ARN)


def _look(order: Order, moments: Moments) -> Ending:
    """By `sync-accounts`, and by an execution if that asks for one, or if one is revived."""
    moments.watch()
    if order.recovers:
        _trigger().recover_stale_runs(RunStore(open_database()).find_stale_runs(MAX_RECOVERED_RUNS))
    outcome = "revived"
    if not _engine.names:
        event = {"accountIds": [order.account_id]}
        tally = import_module("handlers.sync_accounts").handler(event, lambda_context())
        outcome = ", ".join(sorted(tally["outcomes"]))
    if _engine.names:
        return _execute(order, _Functions(moments).invoke, moments)
    return Ending(outcome=outcome, moments=moments.count, states=moments.states)


def _execute(order: Order, invoke: Invoke, moments: Moments) -> Ending:
    """What was started, and the successors to which it hands over its run."""

    def arrange(items: list[Any]) -> list[Any]:
        if order.folder_order:
            random.Random(order.folder_order).shuffle(items)
        return items

    at_once = order.at_once and order.dies == "function"
    attempts = math.inf if order.is_forked else MAX_ATTEMPTS
    try:
        for name, state in _engine:
            arn = execution_arn(MACHINE_ARN, name)
            execution = Execution(
                name, arn, invoke, arrange, at_once, waited=_wait, max_attempts=attempts
            )
            execution.run(MAILBOX_SYNC_WORKFLOW.asl_text, state)
    except StateFailed as failure:
        return Ending(outcome=failure.error, moments=moments.count, cause=failure.cause)
    return Ending(outcome="completed", moments=moments.count, states=moments.states)


def _wait(seconds: float) -> None:
    """A Wait of the workflow: it passes at once, and the clock goes on all the same.

    Ageing locks every row, in another order than functions that write at the same time.
    """
    _waits.append(seconds)
    with _ageing, unwatched(), closing(_connect(Settings(os.environ))) as tables:
        while True:
            try:
                return let_time_pass(tables.run, seconds / 3600)
            except DatabaseError as error:
                if error.args[0]["C"] != DEADLOCK:
                    raise


class _Functions:
    """The functions in this process; if they are mortal, a dead one is only a failed state."""

    def __init__(self, moments: Moments, *, are_mortal: bool = False) -> None:
        self.moments = moments
        self._are_mortal = are_mortal
        self._functions = load_functions()

    def invoke(self, placeholder: str, payload: Any) -> Any:
        event = json.loads(json.dumps(payload))
        try:
            return json.loads(
                json.dumps(self._functions[placeholder].handler(event, lambda_context()))
            )
        except Died:
            if not self._are_mortal:
                raise
            _forget_process()
            self.moments.recover()
            raise _killed() from None
        except Exception as error:
            cause = {"errorType": type(error).__name__, "errorMessage": str(error)}
            raise StateFailed(type(error).__name__, json.dumps(cause)) from error


class _ForkedFunctions:
    """The functions in processes of their own; one is killed at the fatal moment."""

    def __init__(self, moments: Moments, *, at_once: int) -> None:
        self.moments = moments
        self._forks = ExitStack()
        self._idle: LifoQueue[Fork] = LifoQueue()
        # The one that is killed lies on top; one more than work at once takes its place.
        for each in (*(Moments(None) for _ in range(at_once)), self.moments):
            self._idle.put(self._new_fork(each))

    def invoke(self, placeholder: str, payload: Any) -> Any:
        fork = self._idle.get()
        try:
            outcome, count, states, started = fork.ask((placeholder, payload))
        except Killed:
            raise _killed() from None
        self._idle.put(fork)
        self.moments.count = max(count, self.moments.count)
        self.moments.states = states or self.moments.states
        for name, state in started:
            _engine.start_execution(MACHINE_ARN, name, state)
        if isinstance(outcome, StateFailed):
            raise outcome
        return outcome

    def close(self) -> None:
        self._forks.close()

    def _new_fork(self, moments: Moments) -> Fork:
        functions = _Functions(moments)

        def answer(question: tuple[str, Any]) -> tuple[Any, int, list[int], list[Any]]:
            moments.watch()
            try:
                outcome = functions.invoke(*question)
            except StateFailed as failure:
                outcome = failure
            return outcome, moments.count, moments.states, list(_engine)

        return self._forks.enter_context(Fork(answer))


def _killed() -> StateFailed:
    return StateFailed("Runtime.ExitError", "signal: killed")
