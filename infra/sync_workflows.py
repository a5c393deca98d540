"""Build SyncWorkflows: the state machines, from the ASL files in the folder `statemachine/`."""

import json
import re
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra import catalog
from infra.settings import StageSettings
from infra.sync_functions import LambdaFunctionConstruct, LambdaFunctions

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class StateMachineConstruct(Construct):
    """One state machine. Its role may invoke only the functions that the state machine's definition
    names."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workflow: catalog.Workflow,
        functions: LambdaFunctions,
        stage: StageSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        placeholders = set(_PLACEHOLDER.findall(workflow.asl_text))
        called = [
            each for each in functions if each.spec.arn_placeholder_name_in_asl in placeholders
        ]
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            # Inline instead of an asset, so that `cdk diff` shows changes of the definition.
            definition_body=sfn.DefinitionBody.from_string(workflow.asl_text),
            definition_substitutions={
                catalog.AWS_PARTITION_PLACEHOLDER: cdk.Aws.PARTITION,
                **{
                    each.spec.arn_placeholder_name_in_asl: each.alias.function_arn
                    for each in called
                },
            },
            state_machine_type=sfn.StateMachineType.STANDARD,
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=_log_group(self, stage),
                level=sfn.LogLevel.ERROR,
                include_execution_data=False,
            ),
        )
        for each in called:
            each.alias.grant_invoke(self.machine)
        _acknowledge_findings(self.machine)


class SyncWorkflows(Construct):
    """The state machines `mailbox-sync` and `test-sync`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: LambdaFunctions,
        stage: StageSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.mailbox_sync, self.test_sync = (
            StateMachineConstruct(
                self, name, workflow=workflow, functions=functions, stage=stage
            ).machine
            for name, workflow in (
                ("MailboxSync", catalog.MAILBOX_SYNC_WORKFLOW),
                ("TestSync", catalog.SELF_TEST_WORKFLOW),
            )
        )
        self._start, self._stop = iam.Policy(self, "Start"), iam.Policy(self, "Stop")
        for machine in (self.mailbox_sync, self.test_sync):
            machine.grant_start_execution(self._start)
            _permit(self._start, machine, "states:DescribeExecution")
            _permit(self._stop, machine, "states:StopExecution")
        self._start_successor = iam.Policy(self, "StartSuccessor")
        self.mailbox_sync.grant_start_execution(self._start_successor)

    def allow_starting_executions(self, function: LambdaFunctionConstruct) -> None:
        """Let the function start and describe executions of both state machines."""
        self.add_workflow_arns_to_environment(function)
        self._start.attach_to_role(function.role)

    def allow_starting_successor_execution(self, function: LambdaFunctionConstruct) -> None:
        """Let a function that `mailbox-sync` invokes start executions of `mailbox-sync`.

        A successor is the next execution of a run, which the function starts before AWS would end
        the current execution. The function reads the state machine's ARN from its payload. An
        environment variable cannot contain the ARN: the state machine's definition contains the
        function's ARN, and CloudFormation rejects such a circular dependency.
        """
        self._start_successor.attach_to_role(function.role)

    def allow_stopping_executions(self, function: LambdaFunctionConstruct) -> None:
        """Let the function stop executions of both state machines."""
        self._stop.attach_to_role(function.role)

    def add_workflow_arns_to_environment(self, function: LambdaFunctionConstruct) -> None:
        """Set both state machines' ARNs in the function's environment, without granting any
        permission."""
        function.function.add_environment("MAILBOX_SYNC_ARN", self.mailbox_sync.state_machine_arn)
        function.function.add_environment("TEST_SYNC_ARN", self.test_sync.state_machine_arn)


def _permit(policy: iam.Policy, machine: sfn.StateMachine, action: str) -> None:
    grant = machine.grant_execution(policy, action)
    executions = cdk.Stack.of(policy).resolve(grant.principal_statements[0].resources[0])
    Validations.of(policy).acknowledge(
        Acknowledgment(
            id=f"AwsSolutions-IAM5[Resource::{_as_nag_writes(executions)}]",
            reason="An execution is named when it starts; the wildcard ends at its machine.",
        )
    )


def _as_nag_writes(arn: Mapping[str, Any]) -> str:
    """Return an ARN in the notation of cdk-nag's findings. The argument is an `Fn::Join` of texts
    and references."""
    _, parts = arn["Fn::Join"]
    return "".join(part if isinstance(part, str) else _reference(part) for part in parts)


def _reference(part: Mapping[str, Any]) -> str:
    return f"<{part['Ref']}>" if "Ref" in part else json.dumps(part, separators=(",", ":"))


def _log_group(scope: Construct, stage: StageSettings) -> logs.LogGroup:
    """Return a log group that log delivery does not add to the resource policy of CloudWatch Logs.

    The policy holds 5,120 characters. Log delivery adds each group to it, unless the group's name
    starts with /aws/vendedlogs/ (AWS Step Functions Developer Guide, "Using CloudWatch Logs to log
    execution history").
    """
    return logs.LogGroup(
        scope,
        "Logs",
        log_group_name=f"/aws/vendedlogs/states/{cdk.Stack.of(scope).stack_name}/{scope.node.id}",
        retention=logs.RetentionDays[stage.log_retention],
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )


def _acknowledge_findings(machine: sfn.StateMachine) -> None:
    Validations.of(machine).acknowledge(
        Acknowledgment(
            id="AwsSolutions-SF1",
            reason="Logging every event would cost more than the functions; the execution "
            "history and the run's rows tell the rest.",
        ),
        Acknowledgment(
            id="AwsSolutions-IAM5[Resource::*]",
            reason="X-Ray and log delivery know no resource to name.",
        ),
    )
