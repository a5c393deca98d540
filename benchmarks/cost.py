"""`python -m benchmarks.cost`: what Mailsync costs a month on AWS, from what was counted.

Prints the tables of docs/cost.md from `benchmarks/measured.json`, which
`python -m benchmarks.measure_cost` writes.

List prices of us-east-1 without the free tier of Lambda, in US dollars; source: AWS's price pages
of Step Functions, Lambda, API Gateway, CloudWatch and EventBridge Scheduler.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

from infra.catalog import SCHEDULES
from mailsync.decisions.freshness import READ_WITHIN, SMALL_MAILBOX_FOLDERS, THOROUGH_WITHIN
from mailsync.decisions.verify import COMPARED_WITHIN
from mailsync.providers.graph.folders import PAGE_FOLDERS
from mailsync.providers.graph.provider import LIST_PAGE

MEASURED_FILE = Path(__file__).with_name("measured.json")
MINUTES_PER_MONTH = 30 * 24 * 60
SERVICE_STEPS_PER_SYNC = 17
"""What the workflow service counts for one sync of a dozen folders."""
SERVICE_STEP_PRICE = 20 / 1e6
GUIDE_STEPS = {100: 5, 1_000: 15, 10_000: 50}
"""The guide's own figures for a first sync, by the number of messages."""
CHANGES_PER_DAY = 40
"""An assumption: how many checks of a mailbox in a day find something new."""
CONFIRMATIONS_PER_DAY = 10
"""An assumption: how many more find hidden mail that is due to be asked for the second time."""
EXECUTION_SHARE = 0.001
"""An assumption: the share of checks that need an execution, for more than a page or a failure."""
SCHEDULED_CALLS_PER_MONTH = sum(MINUTES_PER_MONTH // each.every_minutes for each in SCHEDULES)
"""In a month, of all functions that the clock calls."""
COMPARISONS_PER_MONTH = 30 / COMPARED_WITHIN.days
"""Of the ids of a mailbox in a month; its large folders take an execution, the others a check."""
REQUESTS_PER_DELETION = 2
"""Requests: one when the message has left its folder, one hours later."""
GRAPH_REQUESTS_PER_HOUR = 60_000
"""Requests of an app to a mailbox (Microsoft Graph docs, "throttling limits": 10,000 in 10 min)."""
ROLE_REQUESTS = 7
"""Names by which a thorough reading of the tree asks for the roles of folders."""
EXAMPLE_MAILBOXES = ((12, 12), (100, 5), (512, 10), (1_000, 20))
"""Folders, and those of them in which something changed within a day."""


@dataclass(frozen=True, slots=True)
class Prices:
    transition: float = 25 / 1e6
    free_transitions: int = 4_000
    invocation: float = 0.20 / 1e6
    gb_s: float = 0.0000133334  # arm64
    log_gb: float = 0.50
    scheduler_call: float = 1 / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one sync, or one check, is billed by, and what it asked of others."""

    transitions: float = 0
    invocations: float = 0
    gb_s: float = 0
    log_bytes: float = 0
    requests: float = 0

    def __add__(self, other: "Usage") -> "Usage":
        mine, theirs = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + theirs[name] for name in mine})

    def times(self, number: float) -> "Usage":
        return Usage(**{name: value * number for name, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Measurements:
    """What the actions of the service take.

    `initial` by the number of messages; `idle` and `changed` are one check of one mailbox,
    `execution` is one for a new message, `comparison` one that compares the ids of the folders of
    the largest mailbox that are too large for a check, and `tick` one call by the clock when
    nothing is due.
    """

    initial: dict[int, Usage]
    idle: Usage
    changed: Usage
    execution: Usage
    comparison: Usage
    tick: Usage


@dataclass(frozen=True, slots=True)
class Bill:
    step_functions: float
    functions: float
    logs: float
    schedule: float

    @property
    def total(self) -> float:
        return self.step_functions + self.functions + self.logs + self.schedule


def price_usage(
    work: Usage, prices: Prices, *, scheduled_calls: float = 0, free: bool = False
) -> Bill:
    """Of a month's work; `free` takes the transitions off that each account has free."""
    transitions = max(0, work.transitions - (prices.free_transitions if free else 0))
    return Bill(
        step_functions=transitions * prices.transition,
        functions=work.invocations * prices.invocation + work.gb_s * prices.gb_s,
        logs=work.log_bytes / 1e9 * prices.log_gb,
        schedule=scheduled_calls * prices.scheduler_call,
    )


@dataclass(frozen=True, slots=True)
class CheckRequests:
    """Of a mean check that finds nothing, in a mailbox whose tree has one change feed."""

    tree: float
    feeds: float

    @property
    def total(self) -> float:
        return self.tree + self.feeds


def check_requests(folders: int, active: int, *, every_minutes: float) -> CheckRequests:
    """Of a mailbox of so many folders, of which some are `active`.

    The tree is one request for 200 folders. Once an hour its top level is listed beside it, and
    once a day hidden folders below each folder, and the roles, are requested. Feeds are read as
    `feeds_to_read` chooses them.
    """
    checks_per_hour = 60 / every_minutes
    hourly = READ_WITHIN.total_seconds() / 3600 * checks_per_hour
    daily = THOROUGH_WITHIN.total_seconds() / 3600 * checks_per_hour
    thorough = folders + ROLE_REQUESTS
    inactive = 0 if folders <= SMALL_MAILBOX_FOLDERS else folders - active
    return CheckRequests(
        tree=ceil(folders / PAGE_FOLDERS) * (1 + 1 / hourly) + thorough / daily,
        feeds=folders - inactive + ceil(inactive * min(1.0, 1 / hourly)),
    )


def comparison_requests(messages_of_folders: Sequence[int]) -> int:
    """Requests that list the ids of these folders once, as happens every week."""
    return sum(max(1, ceil(messages / LIST_PAGE)) for messages in messages_of_folders)


def monthly_usage(measured: Measurements, *, accounts: int, every_minutes: int) -> Usage:
    """A month in which each mailbox is checked that often, whatever was found there before.

    Adaptive intervals and notifications, which make checks rarer, are left out: the dear side.
    """
    checks = accounts * MINUTES_PER_MONTH / every_minutes
    changed = min(checks, accounts * (CHANGES_PER_DAY + CONFIRMATIONS_PER_DAY) * 30)
    executions = checks * EXECUTION_SHARE
    return (
        measured.idle.times(checks - changed)
        + measured.changed.times(changed)
        + measured.execution.times(executions)
        + measured.comparison.times(accounts * COMPARISONS_PER_MONTH)
        + measured.tick.times(SCHEDULED_CALLS_PER_MONTH)
    )


def service_price_per_month(*, accounts: int, every_minutes: int) -> float:
    """The guide's service on the same counting: every check runs all its steps."""
    checks = accounts * MINUTES_PER_MONTH / every_minutes
    return checks * SERVICE_STEPS_PER_SYNC * SERVICE_STEP_PRICE


def cost_tables(measured: Measurements, prices: Prices) -> Iterator[str]:
    """The tables of docs/cost.md, line by line."""
    yield from _initial_table(measured, prices)
    yield ""
    yield from _month_table(measured, prices)
    yield ""
    yield from _requests_table(every_minutes=5)
    yield ""
    yield from _quota_table()
    yield ""
    yield from _guide_lines(measured, prices)


def load_measurements() -> Measurements:
    """What was measured last."""
    found = json.loads(MEASURED_FILE.read_text())
    initial = {int(size): Usage(**work) for size, work in found.pop("initial").items()}
    return Measurements(initial, **{name: Usage(**work) for name, work in found.items()})


def save_measurements(measured: Measurements) -> None:
    MEASURED_FILE.write_text(json.dumps(asdict(measured), indent=2) + "\n")


def _initial_table(measured: Measurements, prices: Prices) -> Iterator[str]:
    yield (
        "| messages | the guide's steps | transitions | invocations | GB-s | requests to Graph"
        " | $ per 1,000 mailboxes |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for messages, work in measured.initial.items():
        cost = price_usage(work.times(1_000), prices)
        yield (
            f"| {messages:,} | {GUIDE_STEPS[messages]} | {work.transitions:.0f}"
            f" | {work.invocations:.0f} | {work.gb_s:.1f} | {work.requests:.0f}"
            f" | {cost.total:.2f} |"
        )


def _month_table(measured: Measurements, prices: Prices) -> Iterator[str]:
    yield "| accounts | every | Step Functions | Lambda | logs | all | the guide's service |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for accounts in (100, 10_000, 1_000_000):
        for minutes in (15, 5):
            work = monthly_usage(measured, accounts=accounts, every_minutes=minutes)
            cost = price_usage(work, prices, scheduled_calls=SCHEDULED_CALLS_PER_MONTH, free=True)
            service = service_price_per_month(accounts=accounts, every_minutes=minutes)
            yield (
                f"| {accounts:,} | {minutes} min | ${cost.step_functions:,.2f}"
                f" | ${cost.functions:,.2f} | ${cost.logs:,.2f} | **${cost.total:,.2f}**"
                f" | ${service:,.0f} |"
            )


def _requests_table(*, every_minutes: float) -> Iterator[str]:
    yield (
        "| folders | active within a day | requests per check | tree | feeds | per hour"
        " | of what Graph allows |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for folders, active in EXAMPLE_MAILBOXES:
        check = check_requests(folders, active, every_minutes=every_minutes)
        hour = check.total * 60 / every_minutes
        yield (
            f"| {folders:,} | {active} | {check.total:.1f} | {check.tree:.1f} | {check.feeds:.0f}"
            f" | {hour:,.0f} | {hour / GRAPH_REQUESTS_PER_HOUR:.1%} |"
        )


def _quota_table() -> Iterator[str]:
    """Half of the mail is taken to be in one folder, the rest in equal parts in the others."""
    yield "| work | requests | when |"
    yield "| --- | ---: | --- |"
    for folders, messages in ((12, 10_000), (512, 100_000)):
        rest = [messages // 2 // (folders - 1)] * (folders - 1)
        listed = comparison_requests([messages // 2, *rest])
        what = f"comparing the ids of {messages:,} messages in {folders} folders"
        yield f"| {what} | {listed:,} | once a week |"
    for deleted in (20, 8_000):
        asked = f"{deleted * REQUESTS_PER_DELETION:,}"
        yield f"| deleting {deleted:,} messages | {asked} | half at once, half two hours later |"


def _guide_lines(measured: Measurements, prices: Prices) -> Iterator[str]:
    """100 users, 10 syncs a month each, as in the guide: one first sync, nine of new mail."""
    work = (measured.initial[1_000] + measured.execution.times(9)).times(100)
    cost = price_usage(work, prices, free=True)
    yield (
        f"100 users x 10 syncs of 1,000 messages a month: {work.transitions:,.0f} transitions,"
        f" ${cost.total:.2f} (the guide's service: 15,000 steps, free)."
    )


if __name__ == "__main__":
    print(*cost_tables(load_measurements(), Prices()), sep="\n")
