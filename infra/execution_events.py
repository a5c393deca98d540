"""ExecutionEvents: executions that ended badly close their run, whoever stopped them."""

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import catalog
from infra.sync_functions import SyncFunctions


class ExecutionEvents(Construct):
    """Step Functions publishes these events at best effort; the schedule finds what they miss."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: SyncFunctions,
        mailbox_sync: sfn.StateMachine,
    ) -> None:
        super().__init__(scope, construct_id)
        events.Rule(
            self,
            "Unfinished",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [mailbox_sync.state_machine_arn],
                    "status": list(catalog.UNFINISHED),
                },
            ),
            targets=[targets.LambdaFunction(functions[catalog.RUN_CLOSER].alias)],
        )
