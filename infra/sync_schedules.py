"""SyncSchedules: the clock's ticks of the catalog."""

import aws_cdk as cdk
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra import catalog
from infra.dead_letters import dead_letters
from infra.settings import StageSettings
from infra.sync_functions import SyncFunctions


class SyncSchedules(Construct):
    """A tick that cannot be delivered is tried twice more and then kept for a person to see.

    The scheduler's own default, 185 attempts in 24 hours, would pile old ticks onto new ones.
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
        self.lost_ticks = dead_letters(self, "LostTicks")
        for each in catalog.SCHEDULES:
            scheduler.Schedule(
                self,
                catalog.function(each.function).construct_id,
                schedule=scheduler.ScheduleExpression.rate(
                    cdk.Duration.minutes(each.every_minutes)
                ),
                target=targets.LambdaInvoke(
                    functions[each.function].alias,
                    dead_letter_queue=self.lost_ticks,
                    retry_attempts=2,
                    max_event_age=cdk.Duration.minutes(5),
                ),
                enabled=stage.schedule_enabled,
            )
