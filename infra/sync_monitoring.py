"""Build SyncMonitoring: the alarms of a stage, their SNS topic, and the CloudWatch dashboard."""

from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarm_topic import AlarmTopic
from infra.settings import StageSettings
from infra.sync_alarms import SyncAlarms
from infra.sync_api import SyncApi
from infra.sync_dashboard import CloudWatchDashboard
from infra.sync_functions import LambdaFunctions
from infra.sync_workflows import SyncWorkflows


class SyncMonitoring(Construct):
    """The monitoring of a stage: the CloudWatch alarms, the SNS topic that the alarms notify, and
    the CloudWatch dashboard."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        functions: LambdaFunctions,
        workflows: SyncWorkflows,
        api: SyncApi,
        lost_ticks: sqs.Queue,
        lost_events: sqs.Queue,
        lost_batches: sqs.Queue,
    ) -> None:
        super().__init__(scope, construct_id)
        SyncAlarms(
            self,
            "Alarms",
            stage=stage,
            functions=functions,
            mailbox_sync=workflows.mailbox_sync,
            api=api,
            lost_ticks=lost_ticks,
            lost_events=lost_events,
            lost_batches=lost_batches,
            topic=AlarmTopic(self, "AlarmTopic", stage=stage).topic,
        )
        CloudWatchDashboard(
            self,
            "Dashboard",
            stage=stage,
            functions=functions,
            workflows=(workflows.mailbox_sync, workflows.test_sync),
            api=api,
        )
