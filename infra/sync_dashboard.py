"""Build CloudWatchDashboard: the CloudWatch dashboard of a stage."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.product_metrics import CloudWatchMetricFactory
from infra.settings import StageSettings
from infra.sync_api import SyncApi
from infra.sync_functions import LambdaFunctions
from mailsync import metrics

_PERIOD = cdk.Duration.minutes(5)
_THIRD, _HALF = 8, 12
_NEWEST = (metrics.FIRST_SYNC_TIME_TO_NEWEST_MAIL,)


class CloudWatchDashboard(Construct):
    """A CloudWatch dashboard with graphs of runs, of the mail providers and of the AWS resources.

    It costs about $3 a month, because a free dashboard has at most 50 metrics.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        functions: LambdaFunctions,
        workflows: Sequence[sfn.StateMachine],
        api: SyncApi,
    ) -> None:
        super().__init__(scope, construct_id)
        self._metrics = CloudWatchMetricFactory(stage)
        self._board = cloudwatch.Dashboard(
            self, "Dashboard", default_interval=cdk.Duration.hours(12)
        )
        self._add_runs()
        self._add_provider()
        self._add_platform(functions, workflows, api)

    def _add_runs(self) -> None:
        waits = (metrics.LONGEST_MAILBOX_OR_RUN_OVERDUE_TIME, metrics.OLDEST_UNPUBLISHED_EVENT_AGE)
        self._board.add_widgets(
            self._graph("Overdue (seconds)", *waits),
            self._graph(
                "Waiting",
                *(metrics.DUE_MAILBOXES, metrics.ACCOUNTS_TO_RECONNECT),
                right=(metrics.ACCOUNT_CLOSURES,),
            ),
            self._graph("Runs that ended well", metrics.RUNS_COMPLETED),
        )
        failed = self._metrics.failed_run_metric_of_error
        failures = [failed(each, _PERIOD) for each in metrics.ERROR_DIMENSION_VALUES]
        title = "Runs that failed, by error"
        self._board.add_widgets(
            cloudwatch.GraphWidget(title=title, left=failures, stacked=True, width=24)
        )

    def _add_provider(self) -> None:
        self._board.add_widgets(
            self._graph("Messages stored", metrics.MESSAGES_STORED, right=_NEWEST),
            self._provider_graph(),
            self._graph(
                "Verification",
                *(metrics.FOLDERS_REPAIRED, metrics.FOLDERS_LEFT_UNVERIFIED),
                right=(metrics.QUARANTINED_MESSAGES, metrics.MESSAGES_CONTRADICTING_LISTING),
            ),
        )

    def _add_platform(
        self, functions: LambdaFunctions, workflows: Sequence[sfn.StateMachine], api: SyncApi
    ) -> None:
        """Add graphs of executions, API failures and errors of functions, and of what AWS charges
        for: state transitions, invocations of functions and their duration."""
        self._board.add_widgets(
            cloudwatch.GraphWidget(
                title="Executions and API failures",
                left=[
                    metric(period=_PERIOD)
                    for each in workflows
                    for metric in (each.metric_started, each.metric_failed, each.metric_timed_out)
                ],
                right=[api.server_error_metric(_PERIOD)],
                width=_HALF,
            ),
            cloudwatch.GraphWidget(
                title="State transitions (Step Functions, whole region)",
                left=[
                    sfn.StateTransitionMetric.metric_consumed_capacity(
                        period=_PERIOD, statistic="Sum"
                    )
                ],
                width=_HALF,
            ),
        )
        for title, what in (
            ("Invocations", "Invocations"),
            ("Milliseconds of work", "Duration"),
            ("Errors, retried ones too", "Errors"),
        ):
            self._board.add_widgets(
                cloudwatch.GraphWidget(
                    title=title,
                    left=[
                        each.function.metric(
                            what, period=_PERIOD, statistic="Sum", label=each.spec.name
                        )
                        for each in functions
                    ],
                    stacked=True,
                    width=24,
                )
            )

    def _provider_graph(self) -> cloudwatch.GraphWidget:
        def of_each(metric: metrics.Metric) -> list[cloudwatch.IMetric]:
            names, read = metrics.PROVIDER_DIMENSION_VALUES, self._metrics
            return [read.cloudwatch_metric_of_provider(metric, each, _PERIOD) for each in names]

        return cloudwatch.GraphWidget(
            title="Provider",
            left=of_each(metrics.PROVIDER_REQUESTS),
            right=of_each(metrics.PROVIDER_THROTTLES),
            width=_THIRD,
        )

    def _graph(
        self, title: str, *left: metrics.Metric, right: Sequence[metrics.Metric] = ()
    ) -> cloudwatch.GraphWidget:
        return cloudwatch.GraphWidget(
            title=title,
            left=[self._metrics.cloudwatch_metric(each, _PERIOD) for each in left],
            right=[self._metrics.cloudwatch_metric(each, _PERIOD) for each in right],
            width=_THIRD,
        )
