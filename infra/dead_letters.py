"""Where a call that failed for good is kept, so that nothing is lost unseen."""

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_sqs as sqs
from constructs import Construct


def dead_letters(scope: Construct, construct_id: str) -> sqs.Queue:
    """A queue that keeps them for 14 days; whoever makes it sets an alarm on it."""
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
