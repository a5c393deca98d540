"""Build SyncSchedules: the EventBridge schedules that `infra/catalog.py` lists."""

import aws_cdk as cdk
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra import catalog
from infra.dead_letter_queue import create_dead_letter_queue
from infra.settings import StageSettings
from infra.sync_functions import LambdaFunctions

FAILED_INVOCATION_QUEUE_RETENTION = cdk.Duration.hours(1)
"""How long the dead-letter queue keeps a failed scheduled invocation. The number of messages is the
number of failures in this time, so an alarm on this number ends without an operator."""


class SyncSchedules(Construct):
    """The EventBridge schedules of the stage. A tick is one invocation of a function by a schedule.

    A tick waits no longer than the interval of its schedule. So after an outage each function runs
    once or twice, and not once for each minute of the outage. (By default EventBridge would try for
    24 hours, and Lambda's queue of asynchronous invocations would keep a tick for 6 hours.) Lambda
    does not retry a failed tick; the next tick of the schedule does the work.

    lost_ticks: the dead-letter queue of ticks that were too old or that failed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: LambdaFunctions,
        stage: StageSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.lost_ticks = create_dead_letter_queue(
            self, "LostTicks", retention=FAILED_INVOCATION_QUEUE_RETENTION
        )
        for each in catalog.SCHEDULES:
            alias, interval = (
                functions[each.function_name].alias,
                cdk.Duration.minutes(each.interval_minutes),
            )
            alias.configure_async_invoke(
                retry_attempts=0,
                max_event_age=interval,
                on_failure=destinations.SqsDestination(self.lost_ticks),
            )
            scheduler.Schedule(
                self,
                catalog.find_function(each.function_name).construct_id,
                schedule=scheduler.ScheduleExpression.rate(interval),
                target=targets.LambdaInvoke(
                    alias,
                    dead_letter_queue=self.lost_ticks,
                    retry_attempts=2,
                    max_event_age=interval,
                ),
                enabled=stage.schedule_enabled,
            )
