"""Create dead-letter queues, which keep failed deliveries for an operator."""

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_sqs as sqs
from constructs import Construct


def create_dead_letter_queue(scope: Construct, construct_id: str) -> sqs.Queue:
    """Create and return a queue that keeps messages for 14 days; the caller adds an alarm on it."""
    queue = sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=cdk.Duration.days(14),
    )
    Validations.of(queue).acknowledge(
        Acknowledgment(id="AwsSolutions-SQS3", reason="It is the dead-letter queue itself.")
    )
    return queue
