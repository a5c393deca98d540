"""`python -m benchmarks.measure_cost`: measures the billed usage of syncs and checks.

The benchmark runs local stacks and writes `benchmarks/measured.json`; it takes seven minutes on an
idle machine. Functions are real processes with the memory sizes of the catalog. The simulated Graph
has the measured latency of the real one (`Latency`). One difference to AWS remains: a function has
a whole core, while Lambda gives a function of 1 GB about half a core.

`--gmail N` instead prints the usage and the price of the first sync of a Gmail mailbox with N
messages, at Google's quota: 300 messages a minute.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cost import (
    GUIDE_FIRST_SYNC_STEPS_BY_MESSAGES,
    Measurements,
    Usage,
    price_usage,
    save_measurements,
)
from benchmarks.prices import Prices
from localdev.demo_account import DemoAccount, connect, simulator
from localdev.engine.aws_resources import make_aws_client
from localdev.engine.report import InvocationReport, read_invocation_reports
from localdev.options import Options
from localdev.samples import SAMPLE_EVENT_FILES_FOLDER
from localdev.stack import Stack
from mailsync.decisions.verify import MAX_COMPARED_MESSAGES_PER_CHECK
from mailsync.settings import Settings
from mailsync.store.connection import connect as connect_database

MAILBOX_COUNT = 25
"""Mailboxes in one batch of `sync-accounts`."""
FOLDER_COUNT = 12
BATCH_COUNT = 8
TRANSITIONS_PER_EXECUTION = 2
"""Start and end of an execution; AWS does not document whether it bills them, so they count."""
_API_FUNCTIONS = ("api", "authorize", "connect")
MAKE_COMPARISON_DUE = """
UPDATE mailsync.email_folders SET compared_at = now() - interval '8 days' WHERE total > {largest}"""
MINUTELY_FUNCTIONS = ("start-due-syncs", "publish-events", "measure-backlog")
NOTIFICATION_FILE = SAMPLE_EVENT_FILES_FOLDER / "webhook.json"
"""A notification of an unknown subscription; the function reads the same rows for a known one."""


def measure_all() -> Measurements:
    """Measure every kind of work; a busy machine yields longer durations."""
    initial = {}
    for messages in GUIDE_FIRST_SYNC_STEPS_BY_MESSAGES:
        with _stack(messages) as stack:
            account, initial[messages] = _first_sync(stack)
            print(f"  first sync of {messages:,} messages: {initial[messages]}", flush=True)
            execution = _execution(stack, account)
            comparison = _comparison(stack, account)
    print(f"  execution for one new message: {execution}", flush=True)
    print(f"  execution that compares the ids: {comparison}", flush=True)
    with _stack(1) as stack:
        addresses, accounts = _connect_many(stack)
        idle = _checks(stack, accounts, "idle", lambda: None)
        changed = _checks(stack, accounts, "synced", lambda: _deliver(stack, addresses))
        tick = _mean(stack, dict.fromkeys(MINUTELY_FUNCTIONS, b"{}"))
        notification = _mean(stack, {"webhook": NOTIFICATION_FILE.read_bytes()})
    print(f"  check without news: {idle}", f"  check with news: {changed}", sep="\n", flush=True)
    return Measurements(initial, idle, changed, execution, comparison, tick, notification)


def measure_gmail(messages: int) -> Usage:
    """Measure a first sync through the Gmail API; print its usage, duration and price."""
    with _stack(messages, simulated_provider="gmail", quota_scale=1) as stack:
        began = time.monotonic()
        _, usage = _first_sync(stack)
        duration_s = time.monotonic() - began
    price = price_usage(usage.times(1_000), Prices()).total
    print(f"{usage}, {duration_s:.0f} s, ${price:.2f} per 1,000 mailboxes")
    return usage


@contextmanager
def _stack(messages: int, **more: Any) -> Iterator[Stack]:
    with tempfile.TemporaryDirectory() as folder:
        options = Options(
            data=Path(folder),
            api_port=0,
            aws_port=0,
            dashboard_port=0,
            schedule=False,
            messages=messages,
            latency="real",
            **more,
        )
        with Stack(options) as stack:
            yield stack


def _first_sync(stack: Stack) -> tuple[DemoAccount, Usage]:
    """Connect the account and measure the first sync, which the sign-in starts."""
    used = _UsageMeter(stack)
    account = connect(stack.api_url, stack.provider, stack.token())
    return account, used.until(lambda: account.status()["initialSyncCompleted"])


def _execution(stack: Stack, account: DemoAccount) -> Usage:
    """Measure an execution for one new message."""
    simulator(stack.provider, "POST", "deliver", mailbox=account.address, subject="new")
    used = _UsageMeter(stack)
    account.sync()
    return used.until(lambda: not account.status()["runId"])


def _comparison(stack: Stack, account: DemoAccount) -> Usage:
    """Measure an execution that compares the ids of all folders too large for a check."""
    database = connect_database(Settings({"DATABASE_URL": stack.database_url}))
    try:
        database.run(MAKE_COMPARISON_DUE.format(largest=MAX_COMPARED_MESSAGES_PER_CHECK))
    finally:
        database.close()
    used = _UsageMeter(stack)
    account.sync()
    return used.until(lambda: not account.status()["runId"])


def _connect_many(stack: Stack) -> tuple[list[str], list[str]]:
    """Connect mailboxes with a dozen folders; return their addresses and account ids."""
    addresses, accounts = [], []
    for number in range(MAILBOX_COUNT):
        address = f"measured-{number}@example.org"
        simulator(stack.provider, "POST", "mailboxes", address=address, display_name="Measured")
        [mailbox] = [
            each
            for each in simulator(stack.provider, "GET", "state")["mailboxes"]
            if each["address"] == address
        ]
        shown = [each for each in mailbox["folders"] if each["search_folder_filter"] is None]
        for extra in range(FOLDER_COUNT - len(shown)):
            simulator(stack.provider, "POST", "create-folder", mailbox=address, name=f"F{extra}")
        for subject in ("one", "two"):
            simulator(stack.provider, "POST", "deliver", mailbox=address, subject=subject)
        account = connect(stack.api_url, stack.provider, stack.token(), address)
        while account.status()["runId"]:
            time.sleep(0.1)
        addresses.append(address)
        accounts.append(account.id)
    return addresses, accounts


def _checks(
    stack: Stack, accounts: Sequence[str], outcome: str, before: Callable[[], None]
) -> Usage:
    """Return the mean usage of one check, over several batches after the first."""
    event = json.dumps({"accountIds": accounts}).encode()
    works = []
    for _ in range(BATCH_COUNT + 1):
        before()
        used = _UsageMeter(stack)
        answer = json.loads(stack.lambdas.invoke("sync-accounts", event).payload)
        assert answer["outcomes"] == {outcome: len(accounts)}, answer
        works.append(used.work())
    total = Usage()
    for each in works[1:]:
        total += each
    return total.times(1 / BATCH_COUNT / len(accounts))


def _deliver(stack: Stack, addresses: Sequence[str]) -> None:
    for address in addresses:
        simulator(stack.provider, "POST", "deliver", mailbox=address, subject="new")


def _mean(stack: Stack, event_by_function: Mapping[str, bytes]) -> Usage:
    """Return the mean usage of an invocation of these functions, over several after the first."""
    works = []
    for _ in range(BATCH_COUNT + 1):
        used = _UsageMeter(stack)
        for name, event in event_by_function.items():
            stack.lambdas.invoke(name, event)
        works.append(used.work())
    total = Usage()
    for each in works[1:]:
        total += each
    return total.times(1 / BATCH_COUNT / len(event_by_function))


class _UsageMeter:
    """Measures the usage of a stack since its creation, without the functions of the API.

    The benchmark itself calls the API while it waits, so those functions are excluded.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._before = {name: len(found) for name, found in _reports(stack)}
        self._log_bytes = _log_bytes(stack)
        self._transitions = _transitions(stack)
        simulator(stack.provider, "DELETE", "requests")

    def until(self, is_done: Callable[[], bool]) -> Usage:
        while not is_done() or _is_running(self._stack):
            time.sleep(0.2)
        return self.work()

    def work(self) -> Usage:
        new = [
            each
            for name, found in _reports(self._stack)
            for each in found[self._before.get(name, 0) :]
        ]
        return Usage(
            transitions=_transitions(self._stack) - self._transitions,
            invocations=len(new),
            gb_s=sum(each.billed_gb_s for each in new),
            log_bytes=_log_bytes(self._stack) - self._log_bytes,
            requests=len(simulator(self._stack.provider, "GET", "requests")),
        )


def _logs(stack: Stack) -> Iterator[Path]:
    for each in sorted((stack.data / "logs").glob("*.log")):
        if each.stem not in ("simulators", *_API_FUNCTIONS):
            yield each


def _reports(stack: Stack) -> Iterator[tuple[str, list[InvocationReport]]]:
    return ((log.stem, read_invocation_reports(log)) for log in _logs(stack))


def _log_bytes(stack: Stack) -> int:
    return sum(log.stat().st_size for log in _logs(stack))


def _executions(stack: Stack) -> list[dict[str, Any]]:
    client = make_aws_client("stepfunctions", stack.aws_url)
    machine = stack.lambdas.settings["MAILBOX_SYNC_ARN"]
    found: list[dict[str, Any]] = client.list_executions(stateMachineArn=machine)["executions"]
    return found


def _is_running(stack: Stack) -> bool:
    return any(each["status"] == "RUNNING" for each in _executions(stack))


def _transitions(stack: Stack) -> int:
    """Return the entered states and retries of all executions, plus two for each execution."""
    client = make_aws_client("stepfunctions", stack.aws_url)
    total = 0
    for each in _executions(stack):
        pages = client.get_paginator("get_execution_history")
        kinds = [
            event["type"]
            for page in pages.paginate(executionArn=each["executionArn"])
            for event in page["events"]
        ]
        tries = kinds.count("LambdaFunctionScheduled") + kinds.count("TaskScheduled")
        retries = max(0, tries - kinds.count("TaskStateEntered"))
        entered = sum(kind.endswith("StateEntered") for kind in kinds)
        total += entered + retries + TRANSITIONS_PER_EXECUTION
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure_cost", description=__doc__)
    parser.add_argument("--gmail", type=int, metavar="N")
    if chosen := parser.parse_args().gmail:
        measure_gmail(chosen)
    else:
        save_measurements(measure_all())
