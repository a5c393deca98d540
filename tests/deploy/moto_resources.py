"""Resource types that moto's CloudFormation leaves out or half done, though moto has the services.

moto 5.2.5 warns "Tried to parse ... but it's not supported" and goes on without the resource for
most types in MAKERS. Three it knows in part: versions of functions have no `Version` to get, the
`Ref` of an event bus is no text, and a state machine keeps its placeholders.
CloudFormation's properties are, for these types, the parameters of the service's own create call,
so each is made by that call: botocore holds it against AWS's model of the service, and moto keeps
the result.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

Properties = Mapping[str, Any]
Made = Mapping[str, Any]
Maker = Callable[[str, Properties], tuple[str, Made]]
"""From a generated name and the properties to the `Ref` and the attributes."""


def _call(service: str, operation: str, ref: str) -> Maker:
    """Make the resource by one call; its `Ref` is that member of the response."""

    def make(_name: str, properties: Properties) -> tuple[str, Made]:
        made = getattr(boto3.client(service), operation)(**properties)
        return str(made[ref]), made

    return make


def _named(service: str, operation: str, name: str) -> Maker:
    """The same for what its creator names; the name is its `Ref`."""

    def make(generated: str, properties: Properties) -> tuple[str, Made]:
        made = getattr(boto3.client(service), operation)(**{name: generated, **properties})
        return str(properties.get(name, generated)), made

    return make


def _secret(name: str, properties: Properties) -> tuple[str, Made]:
    if "GenerateSecretString" in properties:
        generated = properties["GenerateSecretString"]
        filled = json.loads(generated["SecretStringTemplate"])
        text = json.dumps({**filled, generated["GenerateStringKey"]: "x" * 64})
    else:
        text = properties["SecretString"]
    made = boto3.client("secretsmanager").create_secret(
        Name=name, Description=properties["Description"], SecretString=text
    )
    return str(made["ARN"]), made


def _bus(name: str, _properties: Properties) -> tuple[str, Made]:
    arn = boto3.client("events").create_event_bus(Name=name)["EventBusArn"]
    return name, {"Arn": arn, "Name": name}


def _state_machine(name: str, properties: Properties) -> tuple[str, Made]:
    """moto parses the definition and refuses one that is none (when it runs machines)."""
    values = properties["DefinitionSubstitutions"]
    definition = re.sub(
        r"\$\{(\w+)\}", lambda found: values[found[1]], properties["DefinitionString"]
    )
    made = boto3.client("stepfunctions").create_state_machine(
        name=name[-80:], definition=definition, roleArn=properties["RoleArn"]
    )
    return str(made["stateMachineArn"]), {"Arn": made["stateMachineArn"], "Name": name[-80:]}


def _queue_policy(name: str, properties: Properties) -> tuple[str, Made]:
    policy = json.dumps(properties["PolicyDocument"])
    for url in properties["Queues"]:
        boto3.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return name, {}


def _bus_policy(name: str, properties: Properties) -> tuple[str, Made]:
    statement = {"Sid": properties["StatementId"], **properties["Statement"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    boto3.client("events").put_permission(
        EventBusName=properties["EventBusName"], Policy=json.dumps(policy)
    )
    return name, {}


MAKERS: Mapping[str, Maker] = {
    "AWS::ApiGatewayV2::Api": _call("apigatewayv2", "create_api", "ApiId"),
    "AWS::ApiGatewayV2::Authorizer": _call("apigatewayv2", "create_authorizer", "AuthorizerId"),
    "AWS::ApiGatewayV2::Integration": _call("apigatewayv2", "create_integration", "IntegrationId"),
    "AWS::ApiGatewayV2::Route": _call("apigatewayv2", "create_route", "RouteId"),
    "AWS::ApiGatewayV2::Stage": _call("apigatewayv2", "create_stage", "StageName"),
    "AWS::CloudWatch::Alarm": _named("cloudwatch", "put_metric_alarm", "AlarmName"),
    "AWS::Events::EventBus": _bus,
    "AWS::Events::EventBusPolicy": _bus_policy,
    "AWS::Lambda::Alias": _call("lambda", "create_alias", "AliasArn"),
    "AWS::Lambda::EventInvokeConfig": _call(
        "lambda", "put_function_event_invoke_config", "FunctionArn"
    ),
    "AWS::Lambda::Version": _call("lambda", "publish_version", "FunctionArn"),
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::Scheduler::Schedule": _named("scheduler", "create_schedule", "Name"),
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _state_machine,
}


def add_resource_types() -> None:
    """For the rest of this process; moto finds the models as subclasses of their base."""
    if not _kept:
        _kept.extend(_model(kind, make) for kind, make in MAKERS.items())
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()


_kept: list[type[CloudFormationModel]] = []  # a class without a reference is no subclass any more


def _model(kind: str, make: Maker) -> type[CloudFormationModel]:
    class Resource(CloudFormationModel):
        def __init__(self, ref: str, made: Made) -> None:
            self.physical_resource_id = ref
            self._made = made

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @classmethod
        def has_cfn_attr(cls, _attr: str) -> bool:
            return True

        @classmethod
        def create_from_cloudformation_json(
            cls,
            resource_name: str,
            cloudformation_json: Any,
            account_id: str,
            region_name: str,
            **_: Any,
        ) -> "Resource":
            return cls(*make(resource_name, cloudformation_json["Properties"]))

        def get_cfn_attribute(self, name: str) -> str:
            return str(self._made[name])

        def is_created(self) -> bool:
            return True

    return Resource
