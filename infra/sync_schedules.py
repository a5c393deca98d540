"""Build SyncSchedules: EventBridge schedules for the schedules of the catalog."""

import aws_cdk as cdk
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra import catalog
from infra.dead_letter_queue import create_dead_letter_queue
from infra.settings import StageSettings
from infra.sync_functions import SyncFunctions


class SyncSchedules(Construct):
    """The EventBridge schedules of the stage. Each retries a failed invocation twice and then sends
    it to a dead-letter queue.

    EventBridge's default of 185 attempts in 24 hours would deliver outdated invocations beside
    current ones.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: SyncFunctions,
        stage: StageSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.lost_ticks = create_dead_letter_queue(self, "LostTicks")
        for each in catalog.SCHEDULES:
            scheduler.Schedule(
                self,
                catalog.find_function(each.function).construct_id,
                schedule=scheduler.ScheduleExpression.rate(
                    cdk.Duration.minutes(each.interval_minutes)
                ),
                target=targets.LambdaInvoke(
                    functions[each.function].alias,
                    dead_letter_queue=self.lost_ticks,
                    retry_attempts=2,
                    max_event_age=cdk.Duration.minutes(5),
                ),
                enabled=stage.schedule_enabled,
            )
