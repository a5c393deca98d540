"""Build LambdaFunctions: the Lambda functions of the catalog, each with its role, log
group and alias."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra import catalog
from infra.catalog import Capability
from infra.private_network import PrivateNetwork
from infra.settings import StageSettings

_ARCHITECTURE = {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}
_WITH_EGRESS = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
# Permissions that Lambda needs to attach a function to a VPC; some support no resource ARN.
_NETWORK_ACTIONS = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]


class LambdaFunctionConstruct(Construct):
    """One Lambda function with its role, log group and alias.

    Callers invoke the alias, which points to a published version, so that a deployment never runs
    half-updated code.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: catalog.Function,
        stage: StageSettings,
        code: lambda_.Code,
        network: PrivateNetwork | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.spec = spec
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=logs.RetentionDays[stage.log_retention],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.role = _role(self, log_group)
        self.function = lambda_.Function(
            self,
            "Function",
            description=spec.purpose,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=_ARCHITECTURE[stage.architecture],
            code=code,
            handler=spec.qualified_handler_name,
            memory_size=spec.memory_mb,
            timeout=cdk.Duration.seconds(spec.timeout_s),
            reserved_concurrent_executions=stage.reserved_concurrency.get(spec.name),
            environment=_environment(spec, stage),
            role=self.role,
            log_group=log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            application_log_level_v2=_lambda_log_level(stage),
            tracing=lambda_.Tracing.ACTIVE,
            **_place(spec, network, self.role),
        )
        self.alias = lambda_.Alias(
            self, "Live", alias_name="live", version=self.function.current_version
        )
        Validations.of(self.function).acknowledge(
            Acknowledgment(
                id="AwsSolutions-L1",
                reason="The dependencies are locked, compiled and tested for Python 3.13.",
            )
        )


class LambdaFunctions(Construct):
    """All Lambda functions of the catalog, by name.

    network: VPC of the functions that reach the database or a provider. None: no VPC.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        code: lambda_.Code,
        network: PrivateNetwork | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._functions = {
            spec.name: LambdaFunctionConstruct(
                self, spec.construct_id, spec=spec, stage=stage, code=code, network=network
            )
            for spec in catalog.FUNCTIONS
        }

    def __getitem__(self, name: str) -> LambdaFunctionConstruct:
        return self._functions[name]

    def __iter__(self) -> Iterator[LambdaFunctionConstruct]:
        return iter(self._functions.values())

    def grant_each_function_its_capabilities(
        self, allow: Mapping[Capability, Callable[[LambdaFunctionConstruct], None]]
    ) -> None:
        """Grant each function the capabilities that the catalog lists for it.

        Args:
            allow: for each capability, the method that grants the capability to a function.
        """
        for function in self:
            for capability in sorted(function.spec.capabilities):
                allow[capability](function)


def _lambda_log_level(stage: StageSettings) -> lambda_.ApplicationLogLevel:
    """Return the level of Lambda's own log filter, which lets every metric pass.

    Metrics are lines without a level, and Lambda takes such a line for INFO. `mailsync.log` applies
    a higher `log_level`.
    """
    levels = lambda_.ApplicationLogLevel
    return levels.DEBUG if stage.log_level == "DEBUG" else levels.INFO


def _role(scope: Construct, log_group: logs.LogGroup) -> iam.Role:
    """Return a role with permission to write to `log_group`. AWS's managed policy would allow all
    log groups."""
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    Validations.of(role).acknowledge(
        Acknowledgment(
            id="AwsSolutions-IAM5[Resource::*]",
            reason="X-Ray knows no resource to name, nor does EC2 for all that Lambda asks for.",
        )
    )
    return role


def _place(
    spec: catalog.Function, network: PrivateNetwork | None, role: iam.Role
) -> dict[str, Any]:
    """Return the VPC properties of the function. Empty: the stage has no VPC (`network` is None),
    or the function needs neither the database nor a provider.

    A function outside the VPC, such as the authorizer, starts faster.
    """
    if network is None or not spec.capabilities & {
        Capability.USE_DATABASE,
        Capability.USE_APP_CREDENTIALS_AT_PROVIDER,
        Capability.REACH_PROVIDER_SERVERS,
    }:
        return {}
    _allow_network(role)
    return {"vpc": network.vpc, "vpc_subnets": _WITH_EGRESS, "security_groups": [network.functions]}


def _allow_network(role: iam.Role) -> None:
    """Allow the Lambda service to manage network interfaces under this role, but deny this to the
    function's code.

    The denial applies to requests with the condition key `lambda:SourceFunctionArn`. Only requests
    of the function's code have this key.
    """
    from_code = {"Null": {"lambda:SourceFunctionArn": "false"}}
    role.add_to_policy(iam.PolicyStatement(actions=_NETWORK_ACTIONS, resources=["*"]))
    role.add_to_policy(
        iam.PolicyStatement(
            effect=iam.Effect.DENY, actions=_NETWORK_ACTIONS, resources=["*"], conditions=from_code
        )
    )


def _number(value: int | None) -> str | None:
    return None if value is None else str(value)


def _environment(spec: catalog.Function, stage: StageSettings) -> dict[str, str]:
    """Return those environment variables of the function that contain neither a secret nor the ARN
    of another resource."""
    values: dict[str, str | None] = {
        "POWERTOOLS_SERVICE_NAME": stage.metrics_service_dimension,
        "POWERTOOLS_LOG_LEVEL": stage.log_level,
        "SETTINGS_VERSION": stage.settings_version,
    }
    if spec.capabilities & {
        Capability.USE_APP_CREDENTIALS_AT_PROVIDER,
        Capability.KNOW_ENABLED_PROVIDERS,
    }:
        values |= {
            "MICROSOFT_CLIENT_ID": stage.microsoft_client_id,
            "GOOGLE_CLIENT_ID": stage.google_client_id,
            "GOOGLE_PUBSUB_TOPIC": stage.google_pubsub_topic,
            "GOOGLE_PUSH_SERVICE_ACCOUNT": stage.google_push_service_account,
            "GOOGLE_PUSH_AUDIENCE": stage.google_push_audience,
            "IMAP_SERVERS": stage.imap_servers,
            "GMAIL_UNITS_PER_MINUTE": _number(stage.gmail_units_per_minute),
            "GMAIL_PROJECT_UNITS_PER_MINUTE": _number(stage.gmail_project_units_per_minute),
        }
    if spec.capabilities & {
        Capability.USE_APP_CREDENTIALS_AT_PROVIDER,
        Capability.REACH_PROVIDER_SERVERS,
    }:
        values["GRAPH_URL"] = stage.graph_url
    if Capability.USE_APP_CREDENTIALS_AT_PROVIDER in spec.capabilities:
        values |= {
            "MICROSOFT_AUTHORITY": stage.microsoft_authority,
            "MICROSOFT_TENANTS": stage.microsoft_tenants,
        }
    if Capability.VERIFY_APPLICATION_JWT in spec.capabilities:
        values |= {
            "JWT_JWKS_URL": stage.jwt_jwks_url,
            "JWT_AUDIENCE": stage.jwt_audience,
            "JWT_ISSUER": stage.jwt_issuer,
        }
    if any(route.function_name == spec.name for route in catalog.ROUTES):
        values |= {
            "APP_INBOX_URL": stage.app_inbox_url,
            "PUBLIC_URL": stage.custom_domain_api_url,
            "CONFIRM_CONNECTIONS": str(stage.confirm_connections).lower(),
            "LOG_SOURCE_IP": str(stage.log_source_ip).lower(),
            "API_LIMITS": stage.api_limits,
        }
    return {name: value for name, value in values.items() if value is not None}
