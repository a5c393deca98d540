"""Provide AlarmTopic: the SNS topic to which the stage's alarms send notifications."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.settings import StageSettings


class AlarmTopic(Construct):
    """The SNS topic for alarms: an existing topic that the settings name, or a new topic that sends
    email.

    A new topic is encrypted under a customer managed key: CloudWatch cannot use the AWS managed key
    for SNS (AWS Knowledge Center, "Why didn't I receive an SNS notification for my CloudWatch alarm
    trigger?").

    topic: the topic. None: the stage sets neither `alarm_topic_arn` nor `alarm_email`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings) -> None:
        super().__init__(scope, construct_id)
        self.topic: sns.ITopic | None = None
        if stage.alarm_topic_arn:
            self.topic = sns.Topic.from_topic_arn(self, "Named", stage.alarm_topic_arn)
        elif stage.alarm_email:
            self.topic = self._email_topic(stage.alarm_email)

    def _email_topic(self, address: str) -> sns.ITopic:
        alarms = iam.ServicePrincipal(
            "cloudwatch.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
        )
        key = kms.Key(
            self,
            "Key",
            description="Encrypts alarms on their way",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        key.grant(alarms, "kms:Decrypt", "kms:GenerateDataKey*")
        topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        topic.grant_publish(alarms)
        topic.add_subscription(subscriptions.EmailSubscription(address))
        return topic
