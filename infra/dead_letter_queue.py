"""Create dead-letter queues, which keep failed deliveries for an operator."""

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_sqs as sqs
from constructs import Construct


def create_dead_letter_queue(
    scope: Construct, construct_id: str, *, retention: cdk.Duration | None = None
) -> sqs.Queue:
    """Create and return a dead-letter queue. The caller adds an alarm on the queue's depth.

    retention: how long the queue keeps a message. None: 14 days.
    """
    queue = sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=retention or cdk.Duration.days(14),
    )
    Validations.of(queue).acknowledge(
        Acknowledgment(id="AwsSolutions-SQS3", reason="It is the dead-letter queue itself.")
    )
    return queue
