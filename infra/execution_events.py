"""ExecutionEvents: what is done when an execution of the mailbox's workflow has ended."""

from collections.abc import Collection

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import catalog
from infra.sync_functions import SyncFunction, SyncFunctions


class ExecutionEvents(Construct):
    """Step Functions publishes these events at best effort; the schedule finds what they miss."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: SyncFunctions,
        machine: sfn.StateMachine,
    ) -> None:
        super().__init__(scope, construct_id)
        self._machine = machine
        self._call("Unfinished", functions[catalog.RUN_CLOSER], catalog.UNFINISHED)
        self._call("ClosedItself", functions[catalog.PUBLISHER], catalog.CLOSED_ITSELF)

    def _call(self, construct_id: str, function: SyncFunction, statuses: Collection[str]) -> None:
        events.Rule(
            self,
            construct_id,
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [self._machine.state_machine_arn],
                    "status": list(statuses),
                },
            ),
            targets=[targets.LambdaFunction(function.alias)],
        )
