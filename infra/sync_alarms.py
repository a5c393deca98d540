"""Build SyncAlarms: alarms on conditions that an operator must fix. The description of each alarm
tells the operator what to do."""

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
from infra.product_metrics import CloudWatchMetricFactory
from infra.settings import StageSettings
from infra.sync_api import SyncApi
from infra.sync_functions import LambdaFunctions
from mailsync import metrics
from mailsync.registry import implemented_providers

RUNBOOK_PATH = "docs/operations.md"

INCOMPLETE_DEPLOYMENT_ERROR_NAMES = ("SchemaOutdated", "SettingMissing")
"""Error names of an incomplete deployment. One run that fails with one of them raises the alarm."""
MAILBOX_PROBLEM_OR_DEFECT_ERROR_NAMES = (
    *("CursorExpired", "FolderGone", "FoldersFailed", "FunctionFailed", "ProviderRejected"),
    *("StoreRejected", "Unexpected", "VerificationFailed"),
)
"""Error names of problems of a mailbox and of defects of Mailsync. After such an error Mailsync
retries the mailbox at growing intervals."""
OUTAGE_ERROR_NAMES = ("ProviderThrottled", "ProviderUnavailable", "StoreUnavailable")
"""Error names of outages: the provider or the database did not recover while the workflow waited.
"""
INTERRUPTED_RUN_ERROR_NAMES = ("ExecutionDied", "LeaseLost")
"""Error names of runs whose execution died or lost its lease."""
ERROR_NAMES_FOR_USERS_TO_SOLVE = (
    "AccessRevoked",
    "AccountNotConnected",
    "AccountNotFound",
    "ExecutionStopped",
)
"""Error names of problems that a user caused or must solve. They have no alarm of their own; the
alarm `AccountsClose` reports many closed accounts."""

_SHORT = cdk.Duration.minutes(5)
_LONG = cdk.Duration.minutes(15)
_HOUR = cdk.Duration.hours(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSpec:
    """The definition of a CloudWatch alarm.

    name: construct id of the alarm.
    metric: the metric that the alarm watches.
    message: what happened and what to do first.
    threshold: a period is breaching if the metric reaches at least this value in it.
    breaching_period_count: number of consecutive breaching periods that raise the alarm.
    is_missing_data_breaching: whether a period without data is breaching.
    runbook_section: section of the runbook that explains the alarm. None: the section has the
        alarm's name.
    """

    name: str
    metric: cloudwatch.IMetric
    message: str
    threshold: int = 1
    breaching_period_count: int = 1
    is_missing_data_breaching: bool = False
    runbook_section: str | None = None


class SyncAlarms(Construct):
    """The CloudWatch alarms of a stage.

    topic: SNS topic that gets a notification when an alarm starts and when an alarm ends. None: no
        notifications are sent.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        functions: LambdaFunctions,
        mailbox_sync: sfn.StateMachine,
        api: SyncApi,
        lost_ticks: sqs.Queue,
        lost_events: sqs.Queue,
        lost_batches: sqs.Queue,
        topic: sns.ITopic | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic) if topic else None
        product = CloudWatchMetricFactory(stage)
        for each in (
            *_of_runs(product, mailbox_sync),
            *_of_mailboxes(product),
            *_of_backlog(product, has_clock=stage.schedule_enabled),
            *_of_dead_letters(lost_ticks, lost_events, lost_batches),
            *_of_functions(functions, api),
        ):
            self._add(each)

    def _add(self, spec: AlarmSpec) -> None:
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            spec.name,
            alarm_description=(
                f"{spec.message} {RUNBOOK_PATH}, {spec.runbook_section or spec.name}."
            ),
            metric=spec.metric,
            threshold=spec.threshold,
            evaluation_periods=spec.breaching_period_count,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=missing.BREACHING
            if spec.is_missing_data_breaching
            else missing.NOT_BREACHING,
        )
        if self._action:
            alarm.add_alarm_action(self._action)
            alarm.add_ok_action(self._action)


def _of_runs(
    product: CloudWatchMetricFactory, mailbox_sync: sfn.StateMachine
) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        name="DeploymentIncomplete",
        metric=product.failed_run_metric_of_listed_errors(
            INCOMPLETE_DEPLOYMENT_ERROR_NAMES, _SHORT
        ),
        message="A setting or a migration is missing, so mailboxes are not synced. Read the error"
        " of the failed run and add what it names.",
    )
    yield AlarmSpec(
        name="RunsFail",
        metric=product.failed_run_metric_of_listed_errors(
            MAILBOX_PROBLEM_OR_DEFECT_ERROR_NAMES, _HOUR
        ),
        message="Three runs failed in an hour because of defects or bad state; their mailboxes miss"
        " new mail. Group the runs by error.",
        threshold=3,
    )
    yield AlarmSpec(
        name="OutageOutlasts",
        metric=product.failed_run_metric_of_listed_errors(OUTAGE_ERROR_NAMES, _LONG),
        message="The provider or the database was unavailable for longer than runs wait; mailboxes"
        " are late and retried. Find out which one.",
        threshold=3,
    )
    yield AlarmSpec(
        name="ExecutionsDie",
        metric=product.failed_run_metric_of_listed_errors(INTERRUPTED_RUN_ERROR_NAMES, _LONG),
        message="An execution died or lost its lease. The next run resumes its mailbox. Find the"
        " cause in the execution history.",
    )
    yield AlarmSpec(
        name="TimedOut",
        metric=mailbox_sync.metric_timed_out(period=_SHORT),
        message="A sync exceeded the time-out of its workflow. The next run resumes it. Check"
        " whether the mailbox makes progress.",
    )


def _of_mailboxes(product: CloudWatchMetricFactory) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        name="AccountsClose",
        metric=product.cloudwatch_metric(metrics.ACCOUNT_CLOSURES, _HOUR),
        message="Ten accounts lost access within an hour and miss new mail, so the cause is"
        " probably common. Read the errors of the accounts.",
        threshold=10,
    )
    yield AlarmSpec(
        name="DifferencesLeft",
        metric=product.cloudwatch_metric(metrics.FOLDERS_LEFT_UNVERIFIED, _LONG),
        message="A folder still differs from the provider after two repairs, so its mail may be"
        " incomplete. Compare its counts.",
    )
    # An average over providers would hide that one of them refuses half of its requests.
    for registration in implemented_providers():
        yield AlarmSpec(
            name=f"Throttled{registration.provider_name.title()}",
            metric=product.percentage_metric_of_provider(
                metrics.PROVIDER_THROTTLES,
                metrics.PROVIDER_REQUESTS,
                registration.provider_name,
                of_at_least=100,
                period=_LONG,
            ),
            message=f"{registration.display_name} throttles a tenth of all requests, so syncs are"
            " slow. Find the mailbox or the tenant with the most requests.",
            threshold=10,
            runbook_section="Throttled",
        )


def _of_backlog(product: CloudWatchMetricFactory, *, has_clock: bool) -> Iterator[AlarmSpec]:
    """Yield the alarms on late work: due mailboxes that are not checked, and unpublished events.

    has_clock: whether the stage's schedules run. If they do, missing data also raises the alarm on
        due mailboxes, because the scheduled function `measure-backlog` then does not run.
    """
    yield AlarmSpec(
        name="Overdue",
        metric=product.cloudwatch_metric(metrics.LONGEST_MAILBOX_OR_RUN_OVERDUE_TIME, _SHORT),
        message="A mailbox has been due for 30 minutes and was not checked, or measure-backlog does"
        " not run. Check the log of start-due-syncs.",
        threshold=30 * 60,
        breaching_period_count=2,
        is_missing_data_breaching=has_clock,
    )
    yield AlarmSpec(
        name="OutboxStuck",
        metric=product.cloudwatch_metric(metrics.OLDEST_UNPUBLISHED_EVENT_AGE, _SHORT),
        message="An event has waited in the outbox for 15 minutes and blocks the later events of"
        " its account. Check the log of publish-events.",
        threshold=15 * 60,
        breaching_period_count=2,
    )


def _of_dead_letters(
    lost_ticks: sqs.Queue, lost_events: sqs.Queue, lost_batches: sqs.Queue
) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        name="LostTick",
        metric=lost_ticks.metric_approximate_number_of_messages_visible(period=_SHORT),
        message="More scheduled invocations were lost within an hour than an outage of a minute"
        " costs. Read the reason in the dead-letter queue; the alarm ends an hour after the last.",
        threshold=len(catalog.SCHEDULES) + 1,
    )
    yield AlarmSpec(
        name="LostEvent",
        metric=lost_events.metric_approximate_number_of_messages_visible(period=_SHORT),
        message="An event that requested a sync failed three times, so no sync was started. Read it"
        " in the dead-letter queue, fix the cause and send it again.",
    )
    yield AlarmSpec(
        name="LostBatch",
        metric=lost_batches.metric_approximate_number_of_messages_visible(period=_SHORT),
        message="A batch of due mailboxes failed three times. Its mailboxes are due again after ten"
        " minutes. Read the log of sync-accounts, then purge the dead-letter queue.",
    )


def _of_functions(functions: LambdaFunctions, api: SyncApi) -> Iterator[AlarmSpec]:
    """Yield the alarms on the scheduled functions, on `close-run` and on the API. Functions of a
    workflow need no alarm here, because their failure appears as a failed run.

    The next scheduled invocation does the work of a failed one, so one or two failures raise no
    alarm. Lambda drops a throttled invocation after the interval of its schedule.
    """
    called = (*(each.function_name for each in catalog.SCHEDULES), catalog.RUN_CLOSER_FUNCTION_NAME)
    for name in dict.fromkeys(called):
        yield AlarmSpec(
            name=f"{functions[name].spec.construct_id}Fails",
            metric=functions[name].function.metric_errors(period=_LONG),
            message=f"{name} failed three times in 15 minutes. Read its log for the cause.",
            threshold=3,
            runbook_section="FunctionFails",
        )
    throttles = {
        f"m{place}": functions[name].function.metric_throttles(period=_SHORT)
        for place, name in enumerate(dict.fromkeys(called))
    }
    yield AlarmSpec(
        name="TicksThrottled",
        metric=cloudwatch.MathExpression(
            expression=" + ".join(f"FILL({each}, 0)" for each in throttles),
            using_metrics=throttles,
            period=_SHORT,
            label="throttled invocations",
        ),
        message="Lambda throttles the scheduled functions, so mailboxes are checked late: the"
        " account has no free concurrency. Raise its quota or lower what uses it.",
        threshold=10,
        breaching_period_count=2,
    )
    yield AlarmSpec(
        name="ApiFails",
        metric=api.server_error_metric(_SHORT),
        message="The API returned 5xx five times in five minutes. Read the logs of the functions"
        " api, connect, webhook and authorize.",
        threshold=5,
    )
