"""Define the metrics of the product, count them, and print them for CloudWatch.

A Lambda function prints its metrics as one line in the embedded metric format when an invocation
ends, so counting costs no call (Amazon CloudWatch docs, "Using the embedded metric format with
Lambda"). A function that is killed or times out prints nothing, so metrics serve alarms and graphs
only; the exact numbers are in the database. Each metric has the dimension `service`, such as
`mailsync-prod`; `RunsFailed` also has `error`, and requests to providers have `provider`. Each
combination of a metric and dimension values costs about $0.30 a month, so nothing that grows with
the number of mailboxes is a dimension. `MAX_METRIC_SERIES_PER_STAGE` is the number of combinations.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar, cast

from mailsync.errors import list_raisable_error_names
from mailsync.model import ProviderName
from mailsync.registry import implemented_providers

NAMESPACE = "Mailsync"
AnyLambdaHandler = TypeVar("AnyLambdaHandler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Metric:
    """A CloudWatch metric of the product.

    meaning: what the metric counts, for graphs and documentation.
    is_gauge: whether each value is the current level of something, reported once a minute. False:
        each value belongs to an event. A graph adds up such values if they are counts, and shows
        the maximum if they are durations.
    second_dimension_name: name of the metric's second dimension. None: the metric has only the
        dimension `service`.
    """

    name: str
    unit: Literal["Count", "Seconds"]
    meaning: str
    is_gauge: bool = False
    second_dimension_name: Literal["error", "provider"] | None = None

    @property
    def is_graphed_as_sum_per_period(self) -> bool:
        """Return whether a graph adds up the metric's values of a period."""
        return self.unit == "Count" and not self.is_gauge


RUNS_COMPLETED = Metric("RunsCompleted", "Count", "runs that ended well")
RUNS_FAILED = Metric(
    "RunsFailed",
    "Count",
    "runs that failed, by the name of their error",
    second_dimension_name="error",
)
MESSAGES_STORED = Metric("MessagesStored", "Count", "messages that were new or had changed")
PROVIDER_REQUESTS = Metric(
    "ProviderRequests", "Count", "requests to the mail provider", second_dimension_name="provider"
)
PROVIDER_THROTTLES = Metric(
    "ProviderThrottles", "Count", "requests refused as too many", second_dimension_name="provider"
)
FOLDERS_REPAIRED = Metric(
    "DifferencesFound", "Count", "folders that differed from the provider and were repaired"
)
FOLDERS_LEFT_UNVERIFIED = Metric("DifferencesLeft", "Count", "folders that a run could not verify")
LONGEST_MAILBOX_OR_RUN_OVERDUE_TIME = Metric(
    "OldestOverdue", "Seconds", "how long the longest waiting mailbox or run is overdue", True
)
DUE_MAILBOXES = Metric("DueBacklog", "Count", "mailboxes that are due and not yet begun", True)
OLDEST_UNPUBLISHED_EVENT_AGE = Metric(
    "OldestUnpublishedEvent", "Seconds", "age of the oldest event in the outbox", True
)
FIRST_SYNC_TIME_TO_NEWEST_MAIL = Metric(
    "NewestStoredAfter",
    "Seconds",
    "how long after the start of a first sync the newest messages could be read",
)
QUARANTINED_MESSAGES = Metric(
    "QuarantinedMessages", "Count", "messages that cannot be stored", True
)
MESSAGES_CONTRADICTING_LISTING = Metric(
    "ContradictedMessages", "Count", "messages about which the provider contradicts itself", True
)
ACCOUNT_CLOSURES = Metric(
    "AccountsClosed", "Count", "accounts that were closed until their person acts"
)
ACCOUNTS_TO_RECONNECT = Metric(
    "AccountsToReconnect", "Count", "accounts that wait for their person", True
)

METRICS = (
    *(RUNS_COMPLETED, RUNS_FAILED, MESSAGES_STORED, PROVIDER_REQUESTS, PROVIDER_THROTTLES),
    *(
        FOLDERS_REPAIRED,
        FOLDERS_LEFT_UNVERIFIED,
        LONGEST_MAILBOX_OR_RUN_OVERDUE_TIME,
        DUE_MAILBOXES,
        OLDEST_UNPUBLISHED_EVENT_AGE,
    ),
    FIRST_SYNC_TIME_TO_NEWEST_MAIL,
    *(
        QUARANTINED_MESSAGES,
        MESSAGES_CONTRADICTING_LISTING,
        ACCOUNT_CLOSURES,
        ACCOUNTS_TO_RECONNECT,
    ),
)

FUNCTION_FAILED_ERROR_NAME = "FunctionFailed"
"""Value of the dimension `error` for a run whose Lambda function was killed, timed out or could not
be started."""
UNEXPECTED_ERROR_NAME = "Unexpected"
"""Value of the dimension `error` for a run that failed with an error that has no name of its own;
such a failure is a defect."""
ERROR_NAMES_WITHOUT_EXCEPTION_CLASS = frozenset(
    {"FoldersFailed", "ExecutionDied", "ExecutionStopped"}
)
"""Error names of failed runs that are no names of exceptions. The workflow records `FoldersFailed`;
the functions that close runs of ended executions record the others."""
ERROR_DIMENSION_VALUES = tuple(
    sorted(
        list_raisable_error_names()
        | ERROR_NAMES_WITHOUT_EXCEPTION_CLASS
        | {FUNCTION_FAILED_ERROR_NAME, UNEXPECTED_ERROR_NAME}
    )
)
"""All values of the dimension `error`."""
PROVIDER_DIMENSION_VALUES = tuple(each.provider_name for each in implemented_providers())
"""All values of the dimension `provider`."""
_DIMENSION_VALUES = {
    None: 1,
    "error": len(ERROR_DIMENSION_VALUES),
    "provider": len(PROVIDER_DIMENSION_VALUES),
}
MAX_METRIC_SERIES_PER_STAGE = sum(_DIMENSION_VALUES[each.second_dimension_name] for each in METRICS)
"""The number of combinations of metric name and dimension values that one stage can have."""

_PLATFORM = ("Function.", "Lambda.", "Runtime.", "Sandbox.", "States.")
_counted: Counter[tuple[str, tuple[str, str] | None]] = Counter()
_lock = threading.Lock()


def add_to_metric(metric: Metric, amount: float = 1) -> None:
    """Add `amount` to a metric. `emit_metrics_after_handler` publishes the metric when the
    invocation ends."""
    _add(metric, None, amount)


def add_to_provider_metric(metric: Metric, provider: ProviderName, amount: float) -> None:
    """Add `amount` to a metric that has the dimension `provider`."""
    _add(metric, provider, amount)


def set_all_gauge_metrics(
    *,
    due: int,
    overdue_s: float,
    unpublished_s: float,
    quarantined: int,
    contradicted: int,
    to_reconnect: int,
) -> None:
    """Report the current values of all gauge metrics. Only the Lambda function `measure-backlog`
    calls this function, once per invocation.

    due: number of due mailboxes.
    overdue_s: seconds for which the longest waiting mailbox or run is overdue.
    unpublished_s: age of the oldest event in the outbox, in seconds.
    quarantined: number of messages in quarantine.
    contradicted: number of messages about which the provider contradicts itself.
    to_reconnect: number of accounts that wait until their user connects them again.
    """
    add_to_metric(DUE_MAILBOXES, due)
    add_to_metric(LONGEST_MAILBOX_OR_RUN_OVERDUE_TIME, overdue_s)
    add_to_metric(OLDEST_UNPUBLISHED_EVENT_AGE, unpublished_s)
    add_to_metric(QUARANTINED_MESSAGES, quarantined)
    add_to_metric(MESSAGES_CONTRADICTING_LISTING, contradicted)
    add_to_metric(ACCOUNTS_TO_RECONNECT, to_reconnect)


def add_failed_run_to_metrics(error: str, *, closes_account: bool = False) -> None:
    """Count a failed run in the metric `RunsFailed`, under its error name.

    closes_account: whether the failure also closed the account; a second metric counts closed
        accounts.
    """
    _add(RUNS_FAILED, to_error_dimension_value(error), 1)
    if closes_account:
        add_to_metric(ACCOUNT_CLOSURES)


def to_error_dimension_value(error: str) -> str:
    """Return the value of the metric dimension `error` for the error name of a failed run: the name
    itself if ERROR_DIMENSION_VALUES contains it, `FunctionFailed` for an error name of Lambda or
    Step Functions, else `Unexpected`."""
    if error.startswith(_PLATFORM):
        return FUNCTION_FAILED_ERROR_NAME
    return error if error in ERROR_DIMENSION_VALUES else UNEXPECTED_ERROR_NAME


def emit_metrics_after_handler(handler: AnyLambdaHandler) -> AnyLambdaHandler:
    """Decorate a Lambda handler to print its counted metrics when it returns or raises."""

    @wraps(handler)
    def run(event: Any, context: Any) -> Any:
        try:
            return handler(event, context)
        finally:
            _emit()

    return cast(AnyLambdaHandler, run)


def _add(metric: Metric, dimension_value: str | None, amount: float) -> None:
    dimension = (
        (metric.second_dimension_name, dimension_value)
        if metric.second_dimension_name and dimension_value
        else None
    )
    with _lock:
        _counted[metric.name, dimension] += amount  # type: ignore[assignment]


def _emit() -> None:
    with _lock:
        counted = dict(_counted)
        _counted.clear()
    by_dimension: dict[tuple[str, str] | None, dict[str, float]] = defaultdict(dict)
    for (name, dimension), amount in counted.items():
        by_dimension[dimension][name] = amount
    for dimension, amounts in by_dimension.items():
        _print(amounts, dict([dimension]) if dimension else {})


def _print(amounts: Mapping[str, float], dimensions: dict[str, str]) -> None:
    # Not at the top: the import takes 15 ms of CPU, and many invocations count nothing.
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
        AmazonCloudWatchEMFProvider,
    )

    # The provider reads the dimension `service` from POWERTOOLS_SERVICE_NAME.
    line = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions=dimensions)
    units = {each.name: each.unit for each in METRICS}
    for name, amount in amounts.items():
        line.add_metric(name, units[name], amount)
    line.flush_metrics()
