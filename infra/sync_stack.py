"""SyncStack: the resources without data: functions, workflows, API, schedules, events, alarms."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.catalog import Capability
from infra.database_migration import DatabaseMigration
from infra.execution_events import ExecutionEvents
from infra.lambda_bundle import lambda_code
from infra.settings import StageSettings
from infra.stateful_stack import StatefulStack
from infra.sync_api import SyncApi
from infra.sync_batches import SyncBatches
from infra.sync_events import SyncEvents
from infra.sync_functions import SyncFunctions
from infra.sync_monitoring import SyncMonitoring
from infra.sync_schedules import SyncSchedules
from infra.sync_workflows import SyncWorkflows


class SyncStack(cdk.Stack):
    """All resources that can be deleted and deployed again without loss of data."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        stateful: StatefulStack,
        **props: Any,
    ) -> None:
        super().__init__(scope, construct_id, **props)
        code, network = lambda_code(stage.architecture), stateful.network
        functions = SyncFunctions(self, "Functions", stage=stage, code=code, network=network)
        workflows = SyncWorkflows(self, "Workflows", functions=functions, stage=stage)
        api = SyncApi(self, "Api", functions=functions, stage=stage)
        schedules = SyncSchedules(self, "Schedules", functions=functions, stage=stage)
        ExecutionEvents(self, "Executions", functions=functions, machine=workflows.mailbox_sync)
        events = SyncEvents(self, "Events", functions=functions)
        batches = SyncBatches(self, "Batches", functions=functions)
        DatabaseMigration(self, "Migration", functions=functions)
        SyncMonitoring(
            self,
            "Watch",
            stage=stage,
            functions=functions,
            workflows=workflows,
            api=api,
            lost_ticks=schedules.lost_ticks,
            lost_events=events.lost_events,
            lost_batches=batches.lost_batches,
        )

        allow = {
            Capability.DATABASE: stateful.allow_use_database,
            Capability.SCHEMA_OWNER_LOGIN: stateful.allow_migrate,
            Capability.APP_CREDENTIALS_AT_PROVIDER: stateful.settings_secret.allow_read,
            Capability.APP_IDENTITY: stateful.settings_secret.allow_read,
            Capability.OPEN_TOKENS: stateful.token_key.allow_open,
            Capability.SEAL_TOKENS: stateful.token_key.allow_seal,
            Capability.START_WORKFLOWS: workflows.allow_start,
            Capability.STOP_WORKFLOWS: workflows.allow_stop,
            Capability.WORKFLOW_ARNS: workflows.add_arns,
            Capability.INVOKE_CHECK_FUNCTION: batches.allow_invoke,
            Capability.PUT_EVENTS: events.allow_put,
            Capability.PUBLIC_URL: api.add_public_url,
        }
        functions.grant(allow)
        cdk.CfnOutput(self, "ApiUrl", value=api.url)
        cdk.CfnOutput(self, "EventBusName", value=events.bus.event_bus_name)
        cdk.CfnOutput(self, "MailboxSyncArn", value=workflows.mailbox_sync.state_machine_arn)
        cdk.CfnOutput(self, "TestSyncArn", value=workflows.test_sync.state_machine_arn)
