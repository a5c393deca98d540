"""Build SyncEventBus: the EventBridge bus of the stage, with the event rules that
`infra/catalog.py` lists."""

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda_destinations as destinations
from constructs import Construct

from infra import catalog
from infra.dead_letter_queue import create_dead_letter_queue
from infra.sync_functions import LambdaFunctionConstruct, LambdaFunctions


class SyncEventBus(Construct):
    """The event bus of the stage. It accepts events from senders in this AWS account that have the
    IAM permission to put events on the bus.

    An event that cannot be delivered or handled goes to a dead-letter queue.
    """

    def __init__(self, scope: Construct, construct_id: str, *, functions: LambdaFunctions) -> None:
        super().__init__(scope, construct_id)
        self.bus = events.EventBus(self, "Bus")
        _allow_own_account_only(self.bus)
        self.lost_events = create_dead_letter_queue(self, "LostEvents")
        for each in catalog.EVENT_RULES:
            self._add(each, functions[each.function_name])

    def allow_sending_events(self, function: LambdaFunctionConstruct) -> None:
        """Let the function publish events on the bus."""
        function.function.add_environment("EVENT_BUS_NAME", self.bus.event_bus_name)
        self.bus.grant_put_events_to(function.role)

    def _add(self, rule: catalog.EventRule, function: LambdaFunctionConstruct) -> None:
        function.alias.configure_async_invoke(
            retry_attempts=2,
            max_event_age=cdk.Duration.hours(1),
            on_failure=destinations.SqsDestination(self.lost_events),
        )
        events.Rule(
            self,
            function.spec.construct_id,
            event_bus=self.bus,
            event_pattern=events.EventPattern(detail_type=list(rule.detail_types)),
            targets=[
                targets.LambdaFunction(
                    function.alias,
                    dead_letter_queue=self.lost_events,
                    max_event_age=cdk.Duration.hours(1),
                )
            ],
        )


def _allow_own_account_only(bus: events.EventBus) -> None:
    statement_id = "OwnAccountOnly"
    statement = iam.PolicyStatement(
        sid=statement_id,
        principals=[iam.AccountRootPrincipal()],
        actions=["events:PutEvents"],
        resources=[bus.event_bus_arn],
    )
    events.CfnEventBusPolicy(
        bus,
        statement_id,
        event_bus_name=bus.event_bus_name,
        statement_id=statement_id,
        statement=statement.to_statement_json(),
    )
