"""SyncAlarms: the conditions that are ours to mend; each says what to do and where it is told."""

from collections.abc import Iterator
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import catalog
from infra.product_metrics import ProductMetrics
from infra.settings import StageSettings
from infra.sync_api import SyncApi
from infra.sync_functions import SyncFunctions
from mailsync import metrics

RUNBOOK = "docs/operations.md"

INCOMPLETE = ("SchemaOutdated", "SettingMissing")
"""The deployment lacks something: one run is enough to know."""
DEFECTS = (
    *("CursorExpired", "FolderGone", "FoldersFailed", "FunctionFailed", "ProviderRejected"),
    *("StoreRejected", "Unexpected", "VerificationFailed"),
)
"""A mailbox, or our code, is not as it should be; one that fails is asked ever more rarely."""
OUTAGES = ("ProviderThrottled", "ProviderUnavailable", "StoreUnavailable")
"""Something did not come back while the workflow waited for it."""
DEATHS = ("ExecutionDied", "LeaseLost")
"""An execution was gone, or silent for longer than its lease."""
NOT_OURS = ("AccessRevoked", "AccountNotConnected", "AccountNotFound", "ExecutionStopped")
"""A person has to do something, or has done it; `AccountsClose` sees when they are many."""

_SHORT = cdk.Duration.minutes(5)
_LONG = cdk.Duration.minutes(15)
_HOUR = cdk.Duration.hours(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """An alarm: when `metric` reaches `at_least` in each of so many of its periods.

    says          what is the matter and what to do first
    section       where the runbook goes on; None: under the alarm's own name
    in_silence    whether it rises when nothing is told at all
    """

    name: str
    metric: cloudwatch.IMetric
    says: str
    at_least: int = 1
    periods: int = 1
    in_silence: bool = False
    section: str | None = None


class SyncAlarms(Construct):
    """`topic` is told when an alarm rises and when it is over; None: nobody is told."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        functions: SyncFunctions,
        mailbox_sync: sfn.StateMachine,
        api: SyncApi,
        lost_ticks: sqs.Queue,
        lost_events: sqs.Queue,
        lost_batches: sqs.Queue,
        topic: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic) if topic else None
        told = ProductMetrics(stage)
        for each in (
            *_of_runs(told, mailbox_sync),
            *_of_mailboxes(told),
            *_of_backlog(told, has_clock=stage.schedule_enabled),
            *_of_dead_letters(lost_ticks, lost_events, lost_batches),
            *_of_functions(functions, api),
        ):
            self._add(each)

    def _add(self, watched: Watched) -> None:
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            watched.name,
            alarm_description=f"{watched.says} {RUNBOOK}, {watched.section or watched.name}.",
            metric=watched.metric,
            threshold=watched.at_least,
            evaluation_periods=watched.periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing.BREACHING if watched.in_silence else missing.NOT_BREACHING,
        )
        if self._action:
            alarm.add_alarm_action(self._action)
            alarm.add_ok_action(self._action)


def _of_runs(told: ProductMetrics, mailbox_sync: sfn.StateMachine) -> Iterator[Watched]:
    yield Watched(
        name="DeploymentIncomplete",
        metric=told.failed_of(INCOMPLETE, _SHORT),
        says="A setting or a migration is missing. The failed run's sentence names it.",
    )
    yield Watched(
        name="RunsFail",
        metric=told.failed_of(DEFECTS, _HOUR),
        says="Three runs failed in an hour for reasons of ours. Group them by error.",
        at_least=3,
    )
    yield Watched(
        name="OutageOutlasts",
        metric=told.failed_of(OUTAGES, _LONG),
        says="Provider or database stayed away for longer than runs wait. See which.",
        at_least=3,
    )
    yield Watched(
        name="ExecutionsDie",
        metric=told.failed_of(DEATHS, _LONG),
        says="An execution was gone or lost its lease. Its mailbox is taken up again; find why.",
    )
    yield Watched(
        name="TimedOut",
        metric=mailbox_sync.metric_timed_out(period=_SHORT),
        says="A mailbox was not done within its workflow's time-out. The next run goes on.",
    )


def _of_mailboxes(told: ProductMetrics) -> Iterator[Watched]:
    yield Watched(
        name="AccountsClose",
        metric=told.of(metrics.ACCOUNTS_CLOSED, _HOUR),
        says="Ten accounts were closed within an hour, so it is not ten people. Read why.",
        at_least=10,
    )
    yield Watched(
        name="DifferencesLeft",
        metric=told.of(metrics.DIFFERENCES_LEFT, _LONG),
        says="A folder differs from the provider after two repairs. Compare its counts.",
    )
    yield Watched(
        name="Throttled",
        metric=told.share(
            metrics.PROVIDER_THROTTLES, metrics.PROVIDER_REQUESTS, of_at_least=100, period=_LONG
        ),
        says="The provider refuses a tenth of our requests as too many. Find whose mailbox it is.",
        at_least=10,
    )


def _of_backlog(told: ProductMetrics, *, has_clock: bool) -> Iterator[Watched]:
    """Where the clock runs, silence is an alarm too: who measures is down."""
    yield Watched(
        name="Overdue",
        metric=told.of(metrics.OLDEST_OVERDUE, _SHORT),
        says="A mailbox was due 30 minutes ago and has not begun, or nobody measures any more.",
        at_least=30 * 60,
        periods=2,
        in_silence=has_clock,
    )
    yield Watched(
        name="OutboxStuck",
        metric=told.of(metrics.OLDEST_UNPUBLISHED, _SHORT),
        says="An event has waited for 15 minutes, and those of its account wait behind it.",
        at_least=15 * 60,
        periods=2,
    )


def _of_dead_letters(
    lost_ticks: sqs.Queue, lost_events: sqs.Queue, lost_batches: sqs.Queue
) -> Iterator[Watched]:
    yield Watched(
        name="LostTick",
        metric=lost_ticks.metric_approximate_number_of_messages_visible(period=_SHORT),
        says="The scheduler could not deliver a tick; the queue holds it. Empty it when mended.",
    )
    yield Watched(
        name="LostEvent",
        metric=lost_events.metric_approximate_number_of_messages_visible(period=_SHORT),
        says="An event that asked for a sync was not answered; the queue holds it.",
    )
    yield Watched(
        name="LostBatch",
        metric=lost_batches.metric_approximate_number_of_messages_visible(period=_SHORT),
        says="A batch of due mailboxes was given up thrice. They are due again after ten minutes.",
    )


def _of_functions(functions: SyncFunctions, api: SyncApi) -> Iterator[Watched]:
    """Those whose failures nobody else reports: the workflow retries and names its own.

    Lambda calls each of these twice more after a failure, so six are two ticks at least.
    """
    called = (*(each.function for each in catalog.SCHEDULES), catalog.RUN_CLOSER)
    for name in dict.fromkeys(called):
        yield Watched(
            name=f"{functions[name].spec.construct_id}Fails",
            metric=functions[name].function.metric_errors(period=_LONG),
            says=f"{name} failed six times in 15 minutes. Read its log.",
            at_least=6,
            section="FunctionFails",
        )
    yield Watched(
        name="ApiFails",
        metric=api.server_errors(_SHORT),
        says="The API answered with 5xx five times in five minutes. Read the function's log.",
        at_least=5,
    )
