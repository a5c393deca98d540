"""Build ExecutionEvents: EventBridge rules that invoke functions when an execution of
`mailbox-sync` ends."""

from collections.abc import Collection

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import catalog
from infra.sync_functions import SyncFunction, SyncFunctions


class ExecutionEvents(Construct):
    """EventBridge rules that invoke the run closer and the outbox publisher when an execution of
    `mailbox-sync` ends.

    Step Functions may lose such an event. Functions that run on a schedule then do the same work.
    """

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
        run_closer = functions[catalog.RUN_CLOSER_FUNCTION]
        publisher = functions[catalog.OUTBOX_PUBLISHER_FUNCTION]
        self._add_rule("Unfinished", run_closer, catalog.RUN_CLOSER_EXECUTION_STATUSES)
        self._add_rule("ClosedItself", publisher, catalog.OUTBOX_PUBLISHER_EXECUTION_STATUSES)

    def _add_rule(
        self, construct_id: str, function: SyncFunction, statuses: Collection[str]
    ) -> None:
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
