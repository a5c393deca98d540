"""AWS as `make deploy` uses it: moto's services over HTTP, with what CDK deployments need besides.

moto lacks the quotas of Lambda, the termination protection of stacks, references between stacks
(`Fn::GetStackOutput`), secrets and some other resources of templates, custom resources without
Docker, and the end of an execution.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.awslambda import urls as lambda_urls
from moto.cloudformation import parsing
from moto.cloudformation.models import Stack, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.common_models import CloudFormationModel
from moto.core.responses import EmptyResult
from moto.server import ThreadedMotoServer
from moto.stepfunctions.models import StepFunctionBackend

from localdev.engine.aws_resources import reset_moto_state

REGION = "eu-west-1"
_MODELLED = frozenset(
    f"AWS::{each}"
    for each in (
        *("KMS::Key", "KMS::Alias", "IAM::Role", "Lambda::Function", "StepFunctions::StateMachine"),
        *("SQS::Queue", "Logs::LogGroup", "SSM::Parameter", "S3::Bucket"),
    )
)
"""Types that moto creates. It lacks others, or attributes of theirs, such as a Lambda alias's."""


class Unmodelled(CloudFormationModel):
    """A resource of which only the id and the attributes are used."""

    def __init__(self, physical_resource_id: str) -> None:
        self._id = physical_resource_id

    @property
    def physical_resource_id(self) -> str:
        return self._id

    @staticmethod
    def cloudformation_type() -> str:
        return "Mailsync::Unmodelled"

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[override]
        cls, name: str, resource: Any, *_: str, **__: Any
    ) -> Any:
        if resource["Type"] != "AWS::SecretsManager::Secret":
            return cls(f"arn:aws:lambda:{REGION}:123456789012:function:{name}:live")
        given = resource["Properties"]
        text = given.get("SecretString") or _generated(given["GenerateSecretString"])
        secret = boto3.client("secretsmanager").create_secret(Name=name, SecretString=text)
        return cls(secret["ARN"])

    @classmethod
    def update_from_cloudformation_json(cls, *_: Any, **of: Any) -> Any:
        return of["original_resource"]

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return f"https://{attribute_name.lower()}.test"


def _generated(rule: dict[str, Any]) -> str:
    values = json.loads(rule["SecretStringTemplate"])
    return json.dumps({**values, rule["GenerateStringKey"]: "k" * rule["PasswordLength"]})


@dataclass
class AwsDouble:
    """concurrency: Lambda's limit of the account. self_test: how executions end."""

    url: str = ""
    concurrency: int = 1000
    self_test: str = "SUCCEEDED"

    def client(self, service: str) -> Any:
        return boto3.client(service)

    def secret(self, outputs: dict[str, str], name: str) -> dict[str, str]:
        client = self.client("secretsmanager")
        found = client.get_secret_value(SecretId=outputs[f"{name}SecretArn"])
        values: dict[str, str] = json.loads(found["SecretString"])
        return values

    def outputs(self, stack: str) -> dict[str, str]:
        (found,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}


@contextmanager
def aws_double(patch: pytest.MonkeyPatch) -> Iterator[AwsDouble]:
    """Started, with the variables of the environment that lead there."""
    double = AwsDouble()
    _complete_lambda(double, patch)
    _complete_cloudformation(patch)
    _complete_step_functions(double, patch)
    reset_moto_state()
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    double.url = f"http://localhost:{server.get_host_and_port()[1]}"
    for name, value in {
        "AWS_ENDPOINT_URL": double.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        patch.setenv(name, value)
    yield double
    server.stop()
    reset_moto_state()


def _complete_lambda(double: AwsDouble, patch: pytest.MonkeyPatch) -> None:
    def quotas(*_: object) -> tuple[int, dict[str, str], str]:
        limit = {"ConcurrentExecutions": double.concurrency}
        return 200, {}, json.dumps({"AccountLimit": limit})

    path = r"{0}/(?P<api_version>[^/]+)/account-settings/?$"
    patch.setitem(lambda_urls.url_paths, path, quotas)


def _complete_cloudformation(patch: pytest.MonkeyPatch) -> None:
    resolve, outputs = parsing.clean_json, vars(Stack)["outputs"].fget
    known = parsing.resource_class_from_type

    def with_other_stacks(value: Any, resources: Any) -> Any:
        if not isinstance(value, dict) or "Fn::GetStackOutput" not in value:
            return resolve(value, resources)
        named = value["Fn::GetStackOutput"]
        backend = cloudformation_backends["123456789012"][REGION]
        (stack,) = (each for each in backend.stacks.values() if each.name == named["StackName"])
        output = stack.output_map[named["OutputName"]]
        return output and output.value

    def current(stack: Any) -> Any:
        stack.output_map = stack._create_output_map()
        return outputs(stack)

    def every_class(kind: str) -> type[CloudFormationModel]:
        return known(kind) if kind in _MODELLED else Unmodelled

    patch.setattr(parsing, "clean_json", with_other_stacks)
    patch.setattr(Stack, "outputs", property(current))
    patch.setattr(parsing, "resource_class_from_type", every_class)
    patch.setattr(CloudFormationResponse, "update_termination_protection", _protect, raising=False)


def _protect(request: CloudFormationResponse) -> EmptyResult:
    stack = request.cloudformation_backend.get_stack(request._get_param("StackName"))
    stack.enable_termination_protection = request._get_param("EnableTerminationProtection")
    return EmptyResult()


def _complete_step_functions(double: AwsDouble, patch: pytest.MonkeyPatch) -> None:
    describe = StepFunctionBackend.describe_execution

    def ended(backend: StepFunctionBackend, execution_arn: str) -> Any:
        execution = describe(backend, execution_arn)
        execution.status = double.self_test
        if double.self_test != "SUCCEEDED":
            execution.error, execution.cause = "StoreUnavailable", "The database is away."
        return execution

    patch.setattr(StepFunctionBackend, "describe_execution", ended)
