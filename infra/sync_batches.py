"""Configure the asynchronous invocations of `sync-accounts`, which checks a batch of mailboxes:
retries, the maximum age and the dead-letter queue."""

import aws_cdk as cdk
from aws_cdk import aws_lambda_destinations as destinations
from constructs import Construct

from infra import catalog
from infra.dead_letter_queue import create_dead_letter_queue
from infra.sync_functions import LambdaFunctionConstruct, LambdaFunctions

MAX_MAILBOX_CHECK_INVOCATION_AGE = cdk.Duration.minutes(10)
"""Age at which Lambda drops an asynchronous invocation. The claims of `start-due-syncs` on the
batch's mailboxes end at this age too; the mailboxes are then due again in another batch."""


class MailboxCheckAsyncInvocationConfig(Construct):
    """The configuration of asynchronous invocations of `sync-accounts`, the function that checks a
    batch of mailboxes.

    Lambda retries a failed invocation twice and then moves its event to a dead-letter queue. No
    mailbox is lost: the claims of the batch expire, and its mailboxes become due again.
    """

    def __init__(self, scope: Construct, construct_id: str, *, functions: LambdaFunctions) -> None:
        super().__init__(scope, construct_id)
        self._alias = functions[catalog.MAILBOX_CHECK_FUNCTION_NAME].alias
        self.lost_batches = create_dead_letter_queue(self, "LostBatches")
        self._alias.configure_async_invoke(
            retry_attempts=2,
            max_event_age=MAX_MAILBOX_CHECK_INVOCATION_AGE,
            on_failure=destinations.SqsDestination(self.lost_batches),
        )

    def allow_invoking_mailbox_checks(self, function: LambdaFunctionConstruct) -> None:
        """Let the function invoke `sync-accounts`."""
        function.function.add_environment("SYNC_ACCOUNTS_ARN", self._alias.function_arn)
        self._alias.grant_invoke(function.role)
