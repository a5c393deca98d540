"""SyncAlarms: the conditions that are ours to mend and that nothing else reports."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import catalog
from infra.sync_functions import SyncFunctions

_PERIOD = cdk.Duration.minutes(5)


class SyncAlarms(Construct):
    """Failed executions raise no alarm here: most mean that a customer must sign in again.

    They are counted by the name of their error in the runs that the API shows.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: SyncFunctions,
        mailbox_sync: sfn.StateMachine,
        lost_ticks: sqs.Queue,
        lost_events: sqs.Queue,
    ) -> None:
        super().__init__(scope, construct_id)
        self._add(
            "TimedOut",
            mailbox_sync.metric_timed_out(period=_PERIOD),
            description="A mailbox was not done within the time-out of its workflow.",
        )
        self._add(
            "LostTick",
            lost_ticks.metric_approximate_number_of_messages_visible(period=_PERIOD),
            description="The scheduler could not deliver a tick; the queue holds it.",
        )
        self._add(
            "LostEvent",
            lost_events.metric_approximate_number_of_messages_visible(period=_PERIOD),
            description="An event that asked for a sync was not answered; the queue holds it.",
        )
        self._add(
            "PublisherFails",
            functions[catalog.PUBLISHER].function.metric_errors(period=_PERIOD),
            description="Events waited in the outbox for three ticks of five minutes.",
            at_least=3,
        )
        self._add(
            "TickFails",
            functions["start-due-syncs"].function.metric_errors(period=_PERIOD),
            description="Due syncs were not started in three ticks of five minutes.",
            at_least=3,
        )

    def _add(
        self,
        construct_id: str,
        metric: cloudwatch.Metric,
        *,
        description: str,
        at_least: int = 1,
    ) -> None:
        cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=description,
            metric=metric,
            threshold=at_least,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
