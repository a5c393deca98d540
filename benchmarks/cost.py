"""`python -m benchmarks.cost`: what Mailsync costs a month on AWS, from what was counted.

Prints the tables of docs/cost.md from `benchmarks/measured.json`, which
`python -m benchmarks.measure_cost` writes.

List prices of us-east-1 without the free tier of Lambda, in US dollars; source: AWS's price pages
of Step Functions, Lambda, API Gateway, CloudWatch and EventBridge Scheduler.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.catalog import SCHEDULES

MEASURED = Path(__file__).with_name("measured.json")
MINUTES_PER_MONTH = 30 * 24 * 60
SERVICE_STEPS = 17
"""What the workflow service counts for one sync of a dozen folders."""
SERVICE_STEP_PRICE = 20 / 1e6
GUIDE_STEPS = {100: 5, 1_000: 15, 10_000: 50}
"""The guide's own figures for a first sync, by the number of messages."""
CHANGES_PER_DAY = 40
"""An assumption: how many checks of a mailbox in a day find something new."""
HANDED_OVER = 0.001
"""An assumption: the share of checks that need an execution, for more than a page or a failure."""
SCHEDULED_CALLS = sum(MINUTES_PER_MONTH // each.every_minutes for each in SCHEDULES)
"""In a month, of all functions that the clock calls."""


@dataclass(frozen=True, slots=True)
class Prices:
    transition: float = 25 / 1e6
    free_transitions: int = 4_000
    invocation: float = 0.20 / 1e6
    gb_s: float = 0.0000133334  # arm64
    log_gb: float = 0.50
    scheduler_call: float = 1 / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one sync, or one check, is billed by, and what it asked of others."""

    transitions: float = 0
    invocations: float = 0
    gb_s: float = 0
    log_bytes: float = 0
    requests: float = 0

    def __add__(self, other: "Work") -> "Work":
        mine, theirs = asdict(self), asdict(other)
        return Work(**{name: mine[name] + theirs[name] for name in mine})

    def times(self, number: float) -> "Work":
        return Work(**{name: value * number for name, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Measured:
    """`initial` by the number of messages; `idle` and `changed` are one check of one mailbox,
    `execution` is one for a new message, and `tick` one call by the clock when nothing is due."""

    initial: dict[int, Work]
    idle: Work
    changed: Work
    execution: Work
    tick: Work


@dataclass(frozen=True, slots=True)
class Bill:
    step_functions: float
    functions: float
    logs: float
    schedule: float

    @property
    def total(self) -> float:
        return self.step_functions + self.functions + self.logs + self.schedule


def bill(work: Work, prices: Prices, *, scheduled_calls: float = 0, free: bool = False) -> Bill:
    """Of a month's work; `free` takes the transitions off that each account has free."""
    transitions = max(0, work.transitions - (prices.free_transitions if free else 0))
    return Bill(
        step_functions=transitions * prices.transition,
        functions=work.invocations * prices.invocation + work.gb_s * prices.gb_s,
        logs=work.log_bytes / 1e9 * prices.log_gb,
        schedule=scheduled_calls * prices.scheduler_call,
    )


def month(measured: Measured, *, accounts: int, every_minutes: int) -> Work:
    """A month in which each mailbox is checked that often, whatever was found there before.

    Adaptive intervals and notifications, which make checks rarer, are left out: the dear side.
    """
    checks = accounts * MINUTES_PER_MONTH / every_minutes
    changed = min(checks, accounts * CHANGES_PER_DAY * 30)
    executions = checks * HANDED_OVER
    return (
        measured.idle.times(checks - changed)
        + measured.changed.times(changed)
        + measured.execution.times(executions)
        + measured.tick.times(SCHEDULED_CALLS)
    )


def service_price(*, accounts: int, every_minutes: int) -> float:
    """The guide's service on the same counting: every check runs all its steps."""
    checks = accounts * MINUTES_PER_MONTH / every_minutes
    return checks * SERVICE_STEPS * SERVICE_STEP_PRICE


def report(measured: Measured, prices: Prices) -> Iterator[str]:
    """The tables of docs/cost.md, line by line."""
    yield from _initial_table(measured, prices)
    yield ""
    yield from _month_table(measured, prices)
    yield ""
    yield from _guide_lines(measured, prices)


def load() -> Measured:
    """What was measured last."""
    found = json.loads(MEASURED.read_text())
    checks = {name: Work(**found[name]) for name in ("idle", "changed", "execution", "tick")}
    return Measured({int(size): Work(**work) for size, work in found["initial"].items()}, **checks)


def save(measured: Measured) -> None:
    MEASURED.write_text(json.dumps(asdict(measured), indent=2) + "\n")


def _initial_table(measured: Measured, prices: Prices) -> Iterator[str]:
    yield (
        "| messages | the guide's steps | transitions | invocations | GB-s | requests to Graph"
        " | $ per 1,000 mailboxes |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for messages, work in measured.initial.items():
        cost = bill(work.times(1_000), prices)
        yield (
            f"| {messages:,} | {GUIDE_STEPS[messages]} | {work.transitions:.0f}"
            f" | {work.invocations:.0f} | {work.gb_s:.1f} | {work.requests:.0f}"
            f" | {cost.total:.2f} |"
        )


def _month_table(measured: Measured, prices: Prices) -> Iterator[str]:
    yield "| accounts | every | Step Functions | Lambda | logs | all | the guide's service |"
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for accounts in (100, 10_000, 1_000_000):
        for minutes in (15, 5):
            work = month(measured, accounts=accounts, every_minutes=minutes)
            cost = bill(work, prices, scheduled_calls=SCHEDULED_CALLS, free=True)
            service = service_price(accounts=accounts, every_minutes=minutes)
            yield (
                f"| {accounts:,} | {minutes} min | ${cost.step_functions:,.2f}"
                f" | ${cost.functions:,.2f} | ${cost.logs:,.2f} | **${cost.total:,.2f}**"
                f" | ${service:,.0f} |"
            )


def _guide_lines(measured: Measured, prices: Prices) -> Iterator[str]:
    """100 users, 10 syncs a month each, as in the guide: one first sync, nine of new mail."""
    work = (measured.initial[1_000] + measured.execution.times(9)).times(100)
    cost = bill(work, prices, free=True)
    yield (
        f"100 users x 10 syncs of 1,000 messages a month: {work.transitions:,.0f} transitions,"
        f" ${cost.total:.2f} (the guide's service: 15,000 steps, free)."
    )


if __name__ == "__main__":
    print(*report(load(), Prices()), sep="\n")
