"""What `make deploy` does about stacks in each status, and about a stage that is elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.cloudformation.models import cloudformation_backends

from infra.deploy.aws_account import AwsAccount, read_current_aws_account
from infra.deploy.deployed_stacks import (
    changed_account_or_region_problems,
    stack_problems,
    unprotect_stack_of_failed_creation,
)
from infra.deploy.failure import DeploymentFailed
from infra.deploy.stage_secrets import read_deployed_secret_values
from tests.deploy.aws_double import REGION, AwsDouble, aws_double

STACK = "Mailsync-prod-Stateful"
EMPTY_TEMPLATE = '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}'


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsDouble]:
    with aws_double(monkeypatch) as double:
        yield double


@pytest.fixture
def account(aws: AwsDouble) -> AwsAccount:
    aws.client("cloudformation").create_stack(StackName=STACK, TemplateBody=EMPTY_TEMPLATE)
    return read_current_aws_account()


def problem(account: AwsAccount, status: str) -> str:
    _set_status(status)
    return "".join(stack_problems(account, STACK))


def _set_status(status: str) -> None:
    (stack,) = cloudformation_backends["123456789012"][REGION].stacks.values()
    stack.status = status


@pytest.mark.parametrize(
    "status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"]
)
def test_a_stack_that_can_be_updated_is_no_problem(account: AwsAccount, status: str) -> None:
    assert problem(account, status) == ""
    assert not list(stack_problems(account, "Mailsync-prod-Sync"))
    assert not unprotect_stack_of_failed_creation(account, STACK)


def test_a_stack_that_cannot_be_updated_is_named(account: AwsAccount) -> None:
    for status in ("CREATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"):
        assert f"{STACK} is changing ({status})" in problem(account, status)
    assert "continue-update-rollback" in problem(account, "UPDATE_ROLLBACK_FAILED")
    assert "half deleted" in problem(account, "DELETE_FAILED")


def test_a_stack_whose_creation_failed_can_be_deleted(account: AwsAccount) -> None:
    """The CDK deletes it before it creates it anew, and had protected it from deletion."""
    client = account.make_client("cloudformation")
    client.update_termination_protection(StackName=STACK, EnableTerminationProtection=True)

    assert problem(account, "ROLLBACK_COMPLETE") == ""
    assert unprotect_stack_of_failed_creation(account, STACK)
    (stack,) = cloudformation_backends["123456789012"][REGION].stacks.values()
    assert not stack.enable_termination_protection


def test_a_stage_that_was_deployed_elsewhere_is_not_deployed_twice(
    account: AwsAccount, tmp_path: Path
) -> None:
    file = tmp_path / "outputs.prod.json"

    def problems(region: str) -> str:
        arn = f"arn:aws:states:{region}:123456789012:stateMachine:machine"
        file.write_text(json.dumps({"ApiUrl": "https://api.test", "TestSyncArn": arn}))
        return "".join(changed_account_or_region_problems(account, file))

    assert not list(changed_account_or_region_problems(account, file))
    assert problems(REGION) == ""
    assert "deployed in the account 123456789012 in us-east-1" in problems("us-east-1")
    file.write_text("[]")
    with pytest.raises(DeploymentFailed, match="is not what a deployment wrote"):
        list(changed_account_or_region_problems(account, file))


def test_a_secret_that_a_person_broke_is_named_and_not_quoted(
    aws: AwsDouble, account: AwsAccount
) -> None:
    secrets = aws.client("secretsmanager")
    arn = secrets.create_secret(Name="a", SecretString='{"DATABASE_URL": "x", "B": null}')["ARN"]

    assert read_deployed_secret_values(account, {"DatabaseSecretArn": arn}) == {
        "Database": {"DATABASE_URL": "x", "B": ""}
    }
    for text in ('DATABASE_URL="secret"', '["secret"]'):
        secrets.put_secret_value(SecretId=arn, SecretString=text)
        with pytest.raises(DeploymentFailed, match="is no JSON object any more") as failed:
            read_deployed_secret_values(account, {"DatabaseSecretArn": arn})
        assert '"secret"' not in str(failed.value)
