"""Both stacks, created by moto's CloudFormation as CloudFormation would create them on AWS.

Left out, because moto cannot: the custom resource that runs the migration (moto would run its
Node.js function in Docker), and `Fn::GetStackOutput`, which is filled in here from the outputs of
the first stack. What moto does not check, AWS may still refuse: quotas, IAM conditions, and
whether a bucket holds the code.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra import catalog
from tests.deploy.moto_resources import add_resource_types
from tests.deploy.template import as_list

REGION = "eu-west-1"
STATEFUL, SYNC = "Mailsync-prod-Stateful", "Mailsync-prod-Sync"
MIGRATION_TRIGGER = "Custom::Trigger"


class Deployed:
    """What exists after the deployment, read through the services' own APIs."""

    def __init__(self, template: dict[str, Any]) -> None:
        self.template = template
        self.resources = {
            each["LogicalResourceId"]: each
            for page in client("cloudformation")
            .get_paginator("list_stack_resources")
            .paginate(StackName=SYNC)
            for each in page["StackResourceSummaries"]
        }
        found = client("lambda").get_paginator("list_functions").paginate()
        self.functions = {each["Handler"]: each for page in found for each in page["Functions"]}

    def ids(self, kind: str) -> list[str]:
        """Physical ids."""
        return [
            each["PhysicalResourceId"]
            for each in self.resources.values()
            if each["ResourceType"] == kind
        ]

    def live(self, name: str) -> str:
        """The ARN of the alias of that function; what it stands for is a published version."""
        function = self.functions[catalog.find_function(name).handler]["FunctionName"]
        alias = client("lambda").get_alias(FunctionName=function, Name="live")
        assert alias["FunctionVersion"].isdigit()
        return str(alias["AliasArn"])

    def allowed(self, role_arn: str, action: str) -> set[str]:
        """The resources on which the role may do that."""
        role = role_arn.rsplit("/", 1)[-1]
        iam = client("iam")
        policies = [
            iam.get_role_policy(RoleName=role, PolicyName=each)["PolicyDocument"]
            for each in iam.list_role_policies(RoleName=role)["PolicyNames"]
        ]
        return {
            resource
            for policy in policies
            for statement in policy["Statement"]
            if action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        }


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


@pytest.fixture(scope="module")
def deployed(assembly: Path) -> Iterator[Deployed]:
    add_resource_types()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            bootstrap(assembly)
            first = create(STATEFUL, read(assembly, STATEFUL))
            template = filled(read(assembly, SYNC), first)
            del template["Resources"][the_only(template, MIGRATION_TRIGGER)]
            create(SYNC, template)
            yield Deployed(template)


def test_every_resource_of_the_template_is_created(deployed: Deployed) -> None:
    assert deployed.resources.keys() == deployed.template["Resources"].keys()


@pytest.mark.parametrize("workflow", catalog.WORKFLOWS, ids=lambda each: each.name)
def test_each_machine_may_call_its_functions(
    deployed: Deployed, workflow: catalog.Workflow
) -> None:
    machines = [
        client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        for arn in deployed.ids("AWS::StepFunctions::StateMachine")
    ]
    name = workflow.name.replace("-", "")
    (machine,) = (each for each in machines if name in each["name"].lower())
    called = set(re.findall(r'"FunctionName": "([^"]+)"', machine["definition"]))
    placeholders = re.findall(r'"FunctionName": "\$\{(\w+)\}"', workflow.definition)
    meant = [each for each in catalog.FUNCTIONS if each.placeholder in placeholders]

    assert called == {deployed.live(each.name) for each in meant}
    assert called <= deployed.allowed(machine["roleArn"], "lambda:InvokeFunction")


def test_each_route_leads_to_the_live_function_and_the_api_may_call_it(deployed: Deployed) -> None:
    (api,) = deployed.ids("AWS::ApiGatewayV2::Api")
    gateway = client("apigatewayv2")
    functions = {each.key: each.function for each in catalog.ROUTES}

    for route in gateway.get_routes(ApiId=api)["Items"]:
        integration = gateway.get_integration(
            ApiId=api, IntegrationId=route["Target"].removeprefix("integrations/")
        )
        live = deployed.live(functions.pop(route["RouteKey"]))
        assert integration["IntegrationUri"] == live
        assert "apigateway.amazonaws.com" in callers(live)
        if route["AuthorizationType"] == "CUSTOM":
            authorizer = gateway.get_authorizer(ApiId=api, AuthorizerId=route["AuthorizerId"])
            assert deployed.live("authorize") in authorizer["AuthorizerUri"]
    assert not functions
    assert "apigateway.amazonaws.com" in callers(deployed.live("authorize"))


def test_each_schedule_ticks_a_live_function_in_a_role_that_may_call_it(deployed: Deployed) -> None:
    ticks = [
        client("scheduler").get_schedule(Name=each)
        for each in deployed.ids("AWS::Scheduler::Schedule")
    ]

    assert {each["Target"]["Arn"] for each in ticks} == {
        deployed.live(each.function) for each in catalog.SCHEDULES
    }
    for each in ticks:
        assert each["State"] == "ENABLED"
        target = each["Target"]
        assert target["Arn"] in deployed.allowed(target["RoleArn"], "lambda:InvokeFunction")
        assert target["DeadLetterConfig"]["Arn"] in queues(deployed)


def test_each_event_rule_calls_a_live_function_that_lets_it(deployed: Deployed) -> None:
    events = client("events")
    (bus,) = deployed.ids("AWS::Events::EventBus")
    expected = [each.function for each in catalog.EVENT_RULES]
    assert [deployed.live(each) for each in expected] == targets(bus)
    expected += [catalog.RUN_CLOSER_FUNCTION, catalog.PUBLISHER_FUNCTION]

    assert sorted(targets(bus) + targets("default")) == sorted(map(deployed.live, expected))
    for name in expected:
        assert "events.amazonaws.com" in callers(deployed.live(name))
    assert "OwnAccountOnly" in events.describe_event_bus(Name=bus)["Policy"]


def test_each_alarm_watches_something_that_exists(deployed: Deployed) -> None:
    """A metric of a misspelt name is never anything but missing, and so never alarms."""
    machines = set(deployed.ids("AWS::StepFunctions::StateMachine"))
    names = {each["FunctionName"] for each in deployed.functions.values()}
    apis = set(deployed.ids("AWS::ApiGatewayV2::Api"))
    known = machines | names | apis | {each.rsplit(":", 1)[-1] for each in queues(deployed)}
    alarms = client("cloudwatch").describe_alarms()["MetricAlarms"]

    assert len(alarms) == len(deployed.ids("AWS::CloudWatch::Alarm"))
    for alarm in alarms:
        assert {each["Value"] for each in alarm["Dimensions"]} <= known


def test_each_resource_in_an_environment_exists(deployed: Deployed) -> None:
    secrets = {each["ARN"] for each in client("secretsmanager").list_secrets()["SecretList"]}
    keys = {each["KeyArn"] for each in client("kms").list_keys()["Keys"]}
    machines = set(deployed.ids("AWS::StepFunctions::StateMachine"))
    existing = {
        "SETTINGS_SECRET_ARN": secrets,
        "MIGRATION_SECRET_ARN": secrets,
        "TOKEN_KEY_ARN": keys,
        "MAILBOX_SYNC_ARN": machines,
        "TEST_SYNC_ARN": machines,
        "SYNC_ACCOUNTS_ARN": {deployed.live(catalog.BATCH_FUNCTION)},
        "EVENT_BUS_NAME": set(deployed.ids("AWS::Events::EventBus")),
    }

    named = [
        (name, value)
        for each in deployed.functions.values()
        for name, value in each.get("Environment", {}).get("Variables", {}).items()
        if name in existing
    ]

    assert {name for name, _ in named} == existing.keys()
    assert all(value in existing[name] for name, value in named)


def targets(bus: str) -> list[str]:
    events = client("events")
    return [
        target["Arn"]
        for rule in events.list_rules(EventBusName=bus)["Rules"]
        for target in events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
    ]


def queues(deployed: Deployed) -> set[str]:
    """The ARNs of the queues."""
    names = ["QueueArn"]
    found = [
        client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        for url in deployed.ids("AWS::SQS::Queue")
    ]
    return {each["Attributes"]["QueueArn"] for each in found}


def callers(alias_arn: str) -> set[str]:
    """The services that the alias lets call it; moto keeps a permission as it was created."""
    policy = json.loads(client("lambda").get_policy(FunctionName=alias_arn)["Policy"])
    return {
        each["Principal"]["Service"]
        for each in policy["Statement"]
        if each["FunctionName"] == alias_arn and each["Action"] == "lambda:InvokeFunction"
    }


def bootstrap(assembly: Path) -> None:
    """What `cdk bootstrap` and the upload of assets leave behind, as far as templates ask."""
    client("ssm").put_parameter(Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String")
    account = client("sts").get_caller_identity()["Account"]
    bucket = f"cdk-hnb659fds-assets-{account}-{REGION}"
    s3 = client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr("empty.py", "")
    keys = set(re.findall(r'"S3Key": "([^"]+)"', (assembly / f"{SYNC}.template.json").read_text()))
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=archive.getvalue())


def read(assembly: Path, stack: str) -> dict[str, Any]:
    template: dict[str, Any] = json.loads((assembly / f"{stack}.template.json").read_text())
    return template


def create(stack: str, template: dict[str, Any]) -> dict[str, str]:
    """Creates the stack and returns its outputs."""
    formation = client("cloudformation")
    formation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    (made,) = formation.describe_stacks(StackName=stack)["Stacks"]
    assert made["StackStatus"] == "CREATE_COMPLETE"
    return {each["OutputKey"]: each["OutputValue"] for each in made["Outputs"]}


def filled(node: Any, outputs: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [filled(each, outputs) for each in node]
    if not isinstance(node, dict):
        return node
    if "Fn::GetStackOutput" in node:
        assert node["Fn::GetStackOutput"]["StackName"] == STATEFUL
        return outputs[node["Fn::GetStackOutput"]["OutputName"]]
    return {key: filled(each, outputs) for key, each in node.items()}


def the_only(template: dict[str, Any], kind: str) -> str:
    (key,) = (key for key, each in template["Resources"].items() if each["Type"] == kind)
    return str(key)
