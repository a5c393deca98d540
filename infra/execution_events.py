"""Build ExecutionEndRules: EventBridge rules that invoke functions when an execution of
`mailbox-sync` ends."""

from collections.abc import Collection

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import catalog
from infra.sync_functions import LambdaFunctionConstruct, LambdaFunctions
from infra.sync_workflows import SyncWorkflows

MAX_EVENT_AGE_BEFORE_DEAD_LETTER = cdk.Duration.minutes(10)
"""Age of an event at which EventBridge moves it to the dead-letter queue. Lambda does the same with
an invocation of the run closer of this age."""


class ExecutionEndRules(Construct):
    """EventBridge rules that invoke the functions `close-run` and `publish-events` when an
    execution of `mailbox-sync` ends.

    Step Functions may lose an event; scheduled functions later do the work of a lost event. So
    EventBridge and Lambda retry an event for ten minutes at most.

    lost: the dead-letter queue of events that were too old or that failed. SyncSchedules creates
        this queue and uses it for scheduled invocations too.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: LambdaFunctions,
        workflows: SyncWorkflows,
        lost: sqs.Queue,
    ) -> None:
        super().__init__(scope, construct_id)
        self._machine, self._lost = workflows.mailbox_sync, lost
        run_closer = functions[catalog.RUN_CLOSER_FUNCTION_NAME]
        run_closer.alias.configure_async_invoke(
            retry_attempts=2,
            max_event_age=MAX_EVENT_AGE_BEFORE_DEAD_LETTER,
            on_failure=destinations.SqsDestination(lost),
        )
        publisher = functions[catalog.OUTBOX_PUBLISHER_FUNCTION_NAME]
        self._add_rule("Unfinished", run_closer, catalog.EXECUTION_STATUSES_INVOKING_RUN_CLOSER)
        self._add_rule(
            "ClosedItself", publisher, catalog.EXECUTION_STATUSES_INVOKING_OUTBOX_PUBLISHER
        )

    def _add_rule(
        self, construct_id: str, function: LambdaFunctionConstruct, statuses: Collection[str]
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
            targets=[
                targets.LambdaFunction(
                    function.alias,
                    dead_letter_queue=self._lost,
                    retry_attempts=2,
                    max_event_age=MAX_EVENT_AGE_BEFORE_DEAD_LETTER,
                )
            ],
        )
