"""`python -m benchmarks.cost`: the monthly cost of Mailsync on AWS, from measured usage.

Prints the tables of docs/cost.md from `benchmarks/measured.json`, which
`python -m benchmarks.measure_cost` writes.

List prices of us-east-1 without the free tier of Lambda, in US dollars; source: AWS's price pages
of Step Functions, Lambda, API Gateway, CloudWatch, X-Ray, EventBridge, VPC and RDS Proxy.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

from benchmarks.notified_functions import invocations_per_second, share_of_time_busy
from benchmarks.prices import Prices
from infra.catalog import SCHEDULES
from mailsync.decisions.freshness import (
    MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX,
    MAX_TIME_BETWEEN_HIDDEN_FOLDER_SEARCHES,
    MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED,
)
from mailsync.decisions.verify import MAX_TIME_BETWEEN_FOLDER_COMPARISONS
from mailsync.metrics import MAX_METRIC_SERIES_PER_STAGE
from mailsync.providers.graph.folders import FOLDERS_PER_PAGE
from mailsync.providers.graph.listing import MESSAGE_IDS_PER_LIST_PAGE
from mailsync.sync.batch import MAX_CHECKS_IN_PARALLEL

MEASURED_FILE = Path(__file__).with_name("measured.json")
MINUTES_PER_MONTH = 30 * 24 * 60
HOURS_PER_MONTH = 730
"""As AWS counts them for prices per hour."""
GUIDE_SERVICE_STEPS_PER_SYNC = 17
"""Steps that the guide's workflow service charges for one sync of a dozen folders."""
GUIDE_SERVICE_USD_PER_STEP = 20 / 1e6
GUIDE_FIRST_SYNC_STEPS_BY_MESSAGES = {100: 5, 1_000: 15, 10_000: 50}
"""Steps of a first sync according to the guide, by the number of messages."""
CHECKS_WITH_CHANGES_PER_DAY = 40
"""Assumed checks of a mailbox per day that find changes."""
REMOVAL_CONFIRMATIONS_PER_DAY = 10
"""Assumed further checks per day that request hidden mail by id for the second time."""
SHARE_OF_CHECKS_WITH_EXECUTION = 0.001
"""Assumed share of checks that start an execution, because of many changes or a failure."""
SCHEDULED_CALLS_PER_MONTH = sum(MINUTES_PER_MONTH // each.interval_minutes for each in SCHEDULES)
"""Invocations of all schedules in a month."""
COMPARISONS_PER_MONTH = 30 / MAX_TIME_BETWEEN_FOLDER_COMPARISONS.days
"""Comparisons of all ids of a mailbox in a month; large folders need an execution."""
REQUESTS_PER_DELETION = 2
"""Requests by id for a deleted message: one after it left its folder, one two hours later."""
NOTIFICATIONS_PER_DAY = 50
"""Assumed notifications of a mailbox per day: one per change."""
NOTIFIED_MAILBOXES = 10_000
TRACES_PER_SECOND, SHARE_OF_OTHER_TRACES = 1, 0.05
"""Invocations that X-Ray samples: one a second, and five percent of the others (AWS Lambda
Developer Guide, "Visualize Lambda function invocations using AWS X-Ray")."""
MAX_KEYS, MAX_SECRETS, MAX_ALARM_METRICS = 2, 5, 50
"""The most that a stage has; an alarm costs as much for each metric that its expression reads."""
GRAPH_REQUESTS_PER_HOUR = 60_000
"""Allowed requests of an app to a mailbox (Microsoft Graph docs, "throttling limits": 10,000 in
10 minutes)."""
REQUESTS_FOR_FOLDER_ROLES = 7
"""Requests for well-known folders in a daily reading of the folder tree."""
EXAMPLE_MAILBOXES = ((12, 12), (100, 5), (512, 10), (1_000, 20))
"""Pairs of the number of folders and the number of folders that changed within a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What AWS charges for, and the requests to the provider.

    transitions: state transitions.
    invocations: Lambda invocations.
    gb_s: Lambda duration times memory, in GB-seconds.
    log_bytes: bytes of logs.
    requests: requests to the provider.
    """

    transitions: float = 0
    invocations: float = 0
    gb_s: float = 0
    log_bytes: float = 0
    requests: float = 0

    def __add__(self, other: "Usage") -> "Usage":
        mine, theirs = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + theirs[name] for name in mine})

    def times(self, number: float) -> "Usage":
        """Return the usage multiplied by `number`."""
        return Usage(**{name: value * number for name, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Measurements:
    """The measured usage of each kind of work.

    initial: first sync, by the number of messages.
    idle: check of one mailbox without changes.
    changed: check of one mailbox with changes.
    execution: execution for one new message.
    comparison: execution that compares the ids of folders too large for a check.
    tick: scheduled invocation when nothing is due.
    notification: invocation for a request in which a provider notifies of one change.
    """

    initial: dict[int, Usage]
    idle: Usage
    changed: Usage
    execution: Usage
    comparison: Usage
    tick: Usage
    notification: Usage


@dataclass(frozen=True, slots=True)
class Bill:
    """A price in US dollars, by AWS service."""

    step_functions: float
    functions: float
    logs: float
    schedule: float
    tracing: float

    @property
    def total(self) -> float:
        return self.step_functions + self.functions + self.logs + self.schedule + self.tracing


def price_usage(
    work: Usage, prices: Prices, *, scheduled_calls: float = 0, free: bool = False
) -> Bill:
    """Return the price of the usage.

    Args:
        scheduled_calls: invocations by EventBridge Scheduler.
        free: whether the usage is that of a month: subtracts the free state transitions and traces.
    """
    traces = max(0, sampled_traces(work.invocations) - (prices.free_traces if free else 0))
    transitions = max(0, work.transitions - (prices.free_transitions if free else 0))
    return Bill(
        step_functions=transitions * prices.transition,
        functions=work.invocations * prices.invocation + work.gb_s * prices.gb_s,
        logs=work.log_bytes / 1e9 * prices.log_gb,
        schedule=scheduled_calls * prices.scheduler_call,
        tracing=traces * prices.trace,
    )


def sampled_traces(invocations: float) -> float:
    """Return about how many traces X-Ray records of the invocations of a month."""
    first = min(invocations, TRACES_PER_SECOND * MINUTES_PER_MONTH * 60)
    return first + SHARE_OF_OTHER_TRACES * (invocations - first)


@dataclass(frozen=True, slots=True)
class CheckRequests:
    """Mean requests of a check without changes, in a mailbox whose folder tree has a change feed.

    tree: requests for the folder tree.
    feeds: requests for the change feeds of folders.
    """

    tree: float
    feeds: float

    @property
    def total(self) -> float:
        return self.tree + self.feeds


def estimate_check_requests(folders: int, active: int, *, every_minutes: float) -> CheckRequests:
    """Return the mean requests of a check.

    The tree needs one request per 200 folders. Once an hour the top level is listed as well. Once a
    day the hidden folders below each folder and the well-known folders are requested.
    `choose_feeds_to_read` selects the feeds.

    Args:
        folders: folders of the mailbox.
        active: folders that changed within a day.
        every_minutes: interval of checks.
    """
    checks_per_hour = 60 / every_minutes
    hourly = MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED.total_seconds() / 3600 * checks_per_hour
    daily = MAX_TIME_BETWEEN_HIDDEN_FOLDER_SEARCHES.total_seconds() / 3600 * checks_per_hour
    thorough = folders + REQUESTS_FOR_FOLDER_ROLES
    inactive = 0 if folders <= MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX else folders - active
    return CheckRequests(
        tree=ceil(folders / FOLDERS_PER_PAGE) * (1 + 1 / hourly) + thorough / daily,
        feeds=folders - inactive + ceil(inactive * min(1.0, 1 / hourly)),
    )


def count_id_comparison_requests(messages_of_folders: Sequence[int]) -> int:
    """Return the requests that list all ids of these folders once, as Mailsync does every week."""
    return sum(
        max(1, ceil(messages / MESSAGE_IDS_PER_LIST_PAGE)) for messages in messages_of_folders
    )


def monthly_usage(measured: Measurements, *, accounts: int, every_minutes: int) -> Usage:
    """Return the usage of a month with a check of each mailbox every `every_minutes`.

    The result is an upper bound: it ignores adaptive intervals and notifications, which reduce the
    number of checks.
    """
    checks = accounts * MINUTES_PER_MONTH / every_minutes
    changed = min(
        checks, accounts * (CHECKS_WITH_CHANGES_PER_DAY + REMOVAL_CONFIRMATIONS_PER_DAY) * 30
    )
    executions = checks * SHARE_OF_CHECKS_WITH_EXECUTION
    return (
        measured.idle.times(checks - changed)
        + measured.changed.times(changed)
        + measured.execution.times(executions)
        + measured.comparison.times(accounts * COMPARISONS_PER_MONTH)
        + measured.tick.times(SCHEDULED_CALLS_PER_MONTH)
    )


def price_guide_service_per_month(*, accounts: int, every_minutes: int) -> float:
    """Return the price of the guide's service, which runs all steps at every check."""
    checks = accounts * MINUTES_PER_MONTH / every_minutes
    return checks * GUIDE_SERVICE_STEPS_PER_SYNC * GUIDE_SERVICE_USD_PER_STEP


def notification_usage(measured: Measurements, *, accounts: int) -> Usage:
    """Return what notifications add to a month: the requests themselves, with as much time again to
    find out whether a function must be invoked; the functions that check; and a second check of
    those that find nothing."""
    per_second = accounts * NOTIFICATIONS_PER_DAY / 86_400
    month_s = MINUTES_PER_MONTH * 60
    check_s = measured.changed.gb_s * MAX_CHECKS_IN_PARALLEL
    requests = measured.notification.times(per_second * month_s)
    functions = Usage(
        invocations=month_s * invocations_per_second(per_second, check_s),
        gb_s=month_s * share_of_time_busy(per_second, check_s) + requests.gb_s,
    )
    repeated = NOTIFICATIONS_PER_DAY - CHECKS_WITH_CHANGES_PER_DAY
    return requests + functions + measured.idle.times(accounts * repeated * 30)


def cost_tables(measured: Measurements, prices: Prices) -> Iterator[str]:
    """Yield the lines of the tables in docs/cost.md."""
    yield from _initial_table(measured, prices)
    yield ""
    yield from _month_table(measured, prices)
    yield ""
    yield from _requests_table(every_minutes=5)
    yield ""
    yield from _quota_table()
    yield ""
    yield from _fixed_table(measured, prices)
    yield ""
    yield from _guide_lines(measured, prices)


def load_measurements() -> Measurements:
    """Return the measurements of benchmarks/measured.json."""
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
            f"| {messages:,} | {GUIDE_FIRST_SYNC_STEPS_BY_MESSAGES[messages]}"
            f" | {work.transitions:.0f} | {work.invocations:.0f} | {work.gb_s:.1f}"
            f" | {work.requests:.0f} | {cost.total:.2f} |"
        )


def _month_table(measured: Measurements, prices: Prices) -> Iterator[str]:
    yield (
        "| accounts | every | Step Functions | Lambda | logs | X-Ray | all | the guide's service |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for accounts in (100, 10_000, 1_000_000):
        for minutes in (15, 5):
            work = monthly_usage(measured, accounts=accounts, every_minutes=minutes)
            cost = price_usage(work, prices, scheduled_calls=SCHEDULED_CALLS_PER_MONTH, free=True)
            service = price_guide_service_per_month(accounts=accounts, every_minutes=minutes)
            yield (
                f"| {accounts:,} | {minutes} min | ${cost.step_functions:,.2f}"
                f" | ${cost.functions:,.2f} | ${cost.logs:,.2f} | ${cost.tracing:,.2f}"
                f" | **${cost.total:,.2f}** | ${service:,.0f} |"
            )


def _requests_table(*, every_minutes: float) -> Iterator[str]:
    yield (
        "| folders | active within a day | requests per check | tree | feeds | per hour"
        " | of what Graph allows |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for folders, active in EXAMPLE_MAILBOXES:
        check = estimate_check_requests(folders, active, every_minutes=every_minutes)
        hour = check.total * 60 / every_minutes
        yield (
            f"| {folders:,} | {active} | {check.total:.1f} | {check.tree:.1f} | {check.feeds:.0f}"
            f" | {hour:,.0f} | {hour / GRAPH_REQUESTS_PER_HOUR:.1%} |"
        )


def _quota_table() -> Iterator[str]:
    """Yield the table of quotas; half of the mail is in one folder, the rest evenly in others."""
    yield "| work | requests | when |"
    yield "| --- | ---: | --- |"
    for folders, messages in ((12, 10_000), (512, 100_000)):
        rest = [messages // 2 // (folders - 1)] * (folders - 1)
        listed = count_id_comparison_requests([messages // 2, *rest])
        what = f"comparing the ids of {messages:,} messages in {folders} folders"
        yield f"| {what} | {listed:,} | once a week |"
    for deleted in (20, 8_000):
        asked = f"{deleted * REQUESTS_PER_DELETION:,}"
        yield f"| deleting {deleted:,} messages | {asked} | half at once, half two hours later |"


def _fixed_table(measured: Measurements, prices: Prices) -> Iterator[str]:
    """Yield the table of what a stage costs beside its syncs and checks."""
    stage = MAX_KEYS * prices.key + MAX_SECRETS * prices.secret + prices.dashboard
    stage += MAX_METRIC_SERIES_PER_STAGE * prices.metric + MAX_ALARM_METRICS * prices.alarm_metric
    scheduled = monthly_usage(measured, accounts=NOTIFIED_MAILBOXES, every_minutes=15)
    both = scheduled + notification_usage(measured, accounts=NOTIFIED_MAILBOXES)
    notified = price_usage(both, prices).total - price_usage(scheduled, prices).total
    requests = NOTIFIED_MAILBOXES * NOTIFICATIONS_PER_DAY * 30 * prices.api_request
    hourly = (prices.nat_gateway, prices.public_address, 8 * prices.proxy_acu)
    parts = [HOURS_PER_MONTH * each for each in (*hourly, prices.aurora_acu / 2)]
    nat, address, proxy, aurora = parts
    yield "| what else | a month |"
    yield "| --- | ---: |"
    yield (
        f"| a stage, for any number of mailboxes: at most {MAX_KEYS} keys after two years of"
        f" rotation, {MAX_SECRETS} secrets, alarms on {MAX_ALARM_METRICS} metrics, a dashboard,"
        f" {MAX_METRIC_SERIES_PER_STAGE} metrics of its own | up to ${stage:.0f} |"
    )
    yield (
        f"| notifications of {NOTIFIED_MAILBOXES:,} mailboxes, {NOTIFICATIONS_PER_DAY} a day each:"
        f" API Gateway ${requests:.0f}, `webhook`, its logs and more checks ${notified:.0f}"
        f" | ${requests + notified:.0f} |"
    )
    events = NOTIFIED_MAILBOXES * CHECKS_WITH_CHANGES_PER_DAY * 30 * prices.event
    what = f"events of {NOTIFIED_MAILBOXES:,} mailboxes, {CHECKS_WITH_CHANGES_PER_DAY} a day each"
    yield f"| {what}: EventBridge | ${events:.0f} |"
    yield (
        f"| a database that the stage creates, idle: NAT gateway ${nat:.0f}, its public address"
        f" ${address:.0f}, RDS Proxy ${proxy:.0f}, Aurora with 0.5 ACU ${aurora:.0f}"
        f" | ${sum(parts):.0f} |"
    )


def _guide_lines(measured: Measurements, prices: Prices) -> Iterator[str]:
    """Yield the guide's example: 100 users with 10 syncs a month, one first sync and nine small."""
    work = (measured.initial[1_000] + measured.execution.times(9)).times(100)
    cost = price_usage(work, prices, free=True)
    yield (
        f"100 users x 10 syncs of 1,000 messages a month: {work.transitions:,.0f} transitions,"
        f" ${cost.total:.2f} (the guide's service: 15,000 steps, free)."
    )


if __name__ == "__main__":
    print(*cost_tables(load_measurements(), Prices()), sep="\n")
