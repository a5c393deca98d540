"""Build SyncStack: the resources that hold no data (functions, workflows, API, schedules, events,
alarms)."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.catalog import Capability
from infra.database_migration import DatabaseMigration
from infra.execution_events import ExecutionEndRules
from infra.lambda_bundle import build_lambda_code_asset
from infra.settings import StageSettings
from infra.stateful_stack import StatefulStack
from infra.sync_api import SyncApi
from infra.sync_batches import MailboxCheckAsyncInvocationConfig
from infra.sync_events import SyncEventBus
from infra.sync_functions import LambdaFunctions
from infra.sync_monitoring import SyncMonitoring
from infra.sync_schedules import SyncSchedules
from infra.sync_workflows import SyncWorkflows


class SyncStack(cdk.Stack):
    """The stack with all resources that can be deleted and deployed again without loss of data."""

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
        code, network = build_lambda_code_asset(stage.architecture), stateful.network
        functions = LambdaFunctions(self, "Functions", stage=stage, code=code, network=network)
        workflows = SyncWorkflows(self, "Workflows", functions=functions, stage=stage)
        api = SyncApi(self, "Api", functions=functions, stage=stage)
        lost = SyncSchedules(self, "Schedules", functions=functions, stage=stage).lost_ticks
        ExecutionEndRules(self, "Executions", functions=functions, workflows=workflows, lost=lost)
        events = SyncEventBus(self, "Events", functions=functions)
        batches = MailboxCheckAsyncInvocationConfig(self, "Batches", functions=functions)
        DatabaseMigration(self, "Migration", functions=functions)
        SyncMonitoring(
            self,
            "Watch",
            stage=stage,
            functions=functions,
            workflows=workflows,
            api=api,
            lost_ticks=lost,
            lost_events=events.lost_events,
            lost_batches=batches.lost_batches,
        )
        allow = {
            **stateful.secrets.secret_access_granters_by_capability,
            Capability.USE_DATABASE: stateful.allow_connecting_to_database,
            Capability.USE_SCHEMA_OWNER_LOGIN: stateful.allow_function_to_migrate_schema,
            Capability.DECRYPT_STORED_TOKENS: stateful.token_key.allow_decryption,
            Capability.ENCRYPT_STORED_TOKENS: stateful.token_key.allow_encryption,
            Capability.START_WORKFLOWS: workflows.allow_starting_executions,
            Capability.START_SUCCESSOR_EXECUTION: workflows.allow_starting_successor_execution,
            Capability.STOP_WORKFLOWS: workflows.allow_stopping_executions,
            Capability.KNOW_WORKFLOW_ARNS: workflows.add_workflow_arns_to_environment,
            Capability.INVOKE_MAILBOX_CHECKS: batches.allow_invoking_mailbox_checks,
            Capability.PUT_EVENTS: events.allow_sending_events,
            Capability.REACH_PROVIDER_SERVERS: lambda _: None,  # by `LambdaFunctions`
            Capability.KNOW_PUBLIC_API_URL: api.add_api_url_to_environment,
        }
        functions.grant_each_function_its_capabilities(allow)
        machines = {"MailboxSyncArn": workflows.mailbox_sync, "TestSyncArn": workflows.test_sync}
        arns = ((name, each.state_machine_arn) for name, each in machines.items())
        for name, value in (*api.outputs(), ("EventBusName", events.bus.event_bus_name), *arns):
            cdk.CfnOutput(self, name, value=value)
