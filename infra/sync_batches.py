"""SyncBatches: the function that the tick wakes, with what becomes of a call that fails."""

import aws_cdk as cdk
from aws_cdk import aws_lambda_destinations as destinations
from constructs import Construct

from infra import catalog
from infra.dead_letters import dead_letters
from infra.sync_functions import SyncFunction, SyncFunctions

MAX_WAIT = cdk.Duration.minutes(10)
"""As long as the mailboxes of a batch are claimed; whoever came later would find them due again."""


class SyncBatches(Construct):
    """Lambda queues the calls, and one that fails thrice is kept for a person to see.

    Nothing is lost with it: the mailboxes of the batch are due again by themselves.
    """

    def __init__(self, scope: Construct, construct_id: str, *, functions: SyncFunctions) -> None:
        super().__init__(scope, construct_id)
        self._alias = functions[catalog.INVOKED_ASYNC].alias
        self.lost_batches = dead_letters(self, "LostBatches")
        self._alias.configure_async_invoke(
            retry_attempts=2,
            max_event_age=MAX_WAIT,
            on_failure=destinations.SqsDestination(self.lost_batches),
        )

    def allow_wake(self, function: SyncFunction) -> None:
        function.function.add_environment("SYNC_ACCOUNTS_ARN", self._alias.function_arn)
        self._alias.grant_invoke(function.role)
