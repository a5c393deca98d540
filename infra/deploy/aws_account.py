"""Read the AWS account and region of a deployment, and find reasons why AWS would reject the stage
there, such as the account's concurrency limit, a certificate or missing availability zones."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from infra.deploy.failure import DeploymentFailed
from infra.settings import StageSettings

MIN_UNRESERVED_CONCURRENCY = 100
"""Concurrent executions that AWS requires to remain for functions without a reservation (AWS Lambda
docs, "Configuring reserved concurrency")."""
CDK_BOOTSTRAP_VERSION_SSM_PARAMETER_NAME = "/cdk-bootstrap/hnb659fds/version"
_ISSUED = "ISSUED"


@dataclass(frozen=True, slots=True)
class AwsAccount:
    """The AWS account and region of a deployment, with a boto3 session that accesses them."""

    account_id: str
    region: str
    boto3_session: boto3.Session

    def make_client(self, service: str) -> Any:
        return self.boto3_session.client(service, region_name=self.region)

    def describe_stack(self, stack: str) -> Mapping[str, Any] | None:
        """Return CloudFormation's description of the stack. Return None if no such stack exists."""
        try:
            (found,) = self.make_client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            return None
        return dict(found)

    def read_stack_outputs(self, stack: str) -> dict[str, str]:
        """Return the values of the stack's outputs by name; empty if the stack does not exist."""
        found = self.describe_stack(stack) or {}
        return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}

    def read_bootstrap_version(self) -> int:
        """Return the version of the CDK's bootstrap stack in this account and region. Return 0 if
        there is no bootstrap stack."""
        parameters = self.make_client("ssm")
        try:
            found = parameters.get_parameter(Name=CDK_BOOTSTRAP_VERSION_SSM_PARAMETER_NAME)
        except parameters.exceptions.ParameterNotFound:
            return 0
        return int(found["Parameter"]["Value"])


def read_current_aws_account() -> AwsAccount:
    """Return the AWS account and region that the environment variables and AWS profile select.

    Raises:
        DeploymentFailed: there is no region, there are no credentials, or AWS rejects them.
    """
    try:
        session = boto3.Session()
        region = session.region_name
        if not region:
            raise DeploymentFailed(
                "No AWS region is set: set AWS_REGION, or AWS_PROFILE to a profile with a region."
            )
        identity = session.client("sts", region_name=region).get_caller_identity()
    except NoCredentialsError:
        raise DeploymentFailed(
            "There are no AWS credentials: run `aws configure` or `aws sso login`, or set"
            " AWS_PROFILE."
        ) from None
    except ClientError as error:
        raise DeploymentFailed(
            f"AWS rejects the credentials: {error}. Log in again, or set AWS_PROFILE."
        ) from None
    except BotoCoreError as error:
        raise DeploymentFailed(
            f"There is no way to AWS: {error}. Check AWS_PROFILE and the network."
        ) from None
    return AwsAccount(identity["Account"], region, session)


def aws_account_problems(account: AwsAccount, stage: StageSettings) -> Iterator[str]:
    """Yield a sentence for each reason why AWS would reject the stage's stacks."""
    yield from _quota_problems(account, stage)
    yield from _certificate_problems(account, stage)
    yield from _topic_problems(account, stage)


def aws_account_warnings(account: AwsAccount) -> Iterator[str]:
    """Yield a sentence for each limit of the account that slows the stage down."""
    limit = _concurrency_limit(account)
    if limit < MIN_UNRESERVED_CONCURRENCY:
        yield (
            f"The account runs at most {limit} Lambda functions at once, so many mailboxes wait for"
            ' each other. Request a higher quota ("Concurrent executions" of Lambda).'
        )


def missing_az_problems(account: AwsAccount, template: Path) -> Iterator[str]:
    """Yield a sentence if the region lacks an availability zone that the template's subnets need.

    If the template names zones by id, the sentence names the ids that the region lacks. If the
    template names zones by number, such as the third zone of the region, the sentence compares the
    number of zones.

    template: file of the CloudFormation template. A template without subnets has no problem.
    """
    resources = json.loads(template.read_text())["Resources"].values()
    subnets = [each["Properties"] for each in resources if each["Type"] == "AWS::EC2::Subnet"]
    if not subnets:
        return
    found = account.make_client("ec2").describe_availability_zones(
        Filters=[
            {"Name": "zone-type", "Values": ["availability-zone"]},
            {"Name": "state", "Values": ["available"]},
        ]
    )["AvailabilityZones"]
    known = sorted(each["ZoneId"] for each in found)
    wanted = {each["AvailabilityZoneId"] for each in subnets if "AvailabilityZoneId" in each}
    if lacking := sorted(wanted - set(known)):
        yield (
            f"The account has no availability zones {', '.join(lacking)} in {account.region}, which"
            f" has {', '.join(known)}: set aurora_zone_ids to zones of the region."
        )
    places = [int(each["AvailabilityZone"]["Fn::Select"][0]) for each in subnets if not wanted]
    if max(places, default=0) >= len(known):
        yield (
            f"The network needs {max(places) + 1} availability zones, and the account has"
            f" {len(known)} in {account.region}: deploy the stage in another region."
        )


def changed_database_kind_problems(
    stage: StageSettings, outputs: Mapping[str, str]
) -> Iterator[str]:
    """Yield a sentence if the stage is deployed with one kind of database and the settings name the
    other kind: "aurora" or "external".

    outputs: outputs of the deployed stateful stack, by name. Empty: the stack is not deployed yet.
    """
    deployed = "aurora" if "DatabaseArn" in outputs else "external"
    if outputs and deployed != stage.database:
        yield (
            f'The deployed stage has the database "{deployed}". Its mail would stay there: deploy'
            f" a stage of another name, or set database to it."
        )


def _concurrency_limit(account: AwsAccount) -> int:
    settings = account.make_client("lambda").get_account_settings()
    return int(settings["AccountLimit"]["ConcurrentExecutions"])


def _quota_problems(account: AwsAccount, stage: StageSettings) -> Iterator[str]:
    reserved = sum(stage.reserved_concurrency.values())
    needed = reserved + MIN_UNRESERVED_CONCURRENCY
    limit = _concurrency_limit(account)
    if reserved and limit < needed:
        yield (
            f"reserved_concurrency reserves {reserved} of the account's {limit} concurrent Lambda"
            f" executions, and AWS requires that {MIN_UNRESERVED_CONCURRENCY} remain: request a"
            f' quota of at least {needed} ("Concurrent executions" of Lambda), or remove the'
            " setting."
        )


def _topic_problems(account: AwsAccount, stage: StageSettings) -> Iterator[str]:
    arn = stage.alarm_topic_arn
    if arn and arn.split(":")[3] != account.region:
        yield (
            f"alarm_topic_arn is a topic in {arn.split(':')[3]}, and alarms in {account.region} can"
            " notify only a topic of their region: name one there."
        )


def _certificate_problems(account: AwsAccount, stage: StageSettings) -> Iterator[str]:
    arn = stage.certificate_arn
    if arn is None:
        return
    if arn.split(":")[3] != account.region:
        yield (
            f"certificate_arn is a certificate in {arn.split(':')[3]}, and the stage is in"
            f" {account.region}: request one in the region of the stage."
        )
        return
    try:
        found = account.make_client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        yield f"AWS does not show the certificate of certificate_arn: {error}."
        return
    if found["Status"] != _ISSUED:
        yield (
            f"The certificate of certificate_arn has the status {found['Status']}: validate it in"
            f" AWS Certificate Manager until its status is {_ISSUED}."
        )
    names = {found["DomainName"], *found.get("SubjectAlternativeNames", ())}
    domain = stage.domain_name or ""
    if not names & {domain, f"*.{domain.partition('.')[2]}"}:
        yield (
            f"The certificate of certificate_arn is for {', '.join(sorted(names))}, not for the"
            f" domain_name {domain}: request one for it."
        )
