"""Check the deployed stacks of a stage: whether they are in the AWS account and region of the
present deployment, and whether CloudFormation would accept an update."""

import json
from collections.abc import Iterator
from pathlib import Path

from infra.deploy.aws_account import AwsAccount
from infra.deploy.failure import DeploymentFailed

FAILED_CREATION_STACK_STATUSES = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""Statuses of a stack whose creation failed; the CDK deletes such a stack and creates it again."""
_UNREVIEWED = "REVIEW_IN_PROGRESS"
"""The status of a stack that has only a change set. The CDK can deploy such a stack."""


def stack_problems(account: AwsAccount, stack: str) -> Iterator[str]:
    """Yield a sentence if CloudFormation would reject an update of the stack."""
    found = account.describe_stack(stack)
    status = found["StackStatus"] if found else _UNREVIEWED
    if status.endswith("_IN_PROGRESS") and status != _UNREVIEWED:
        yield (
            f"The stack {stack} is changing ({status}): another deployment is running, or an"
            " interrupted one goes on in AWS. Wait until it ends, then run the command again."
        )
    elif status == "UPDATE_ROLLBACK_FAILED":
        yield (
            f"The stack {stack} could not return to its earlier state ({status}). Its events have"
            " the cause: correct it, run `aws cloudformation continue-update-rollback --stack-name"
            f" {stack}`, then run the command again."
        )
    elif status == "DELETE_FAILED":
        yield (
            f"The stack {stack} is half deleted ({status}): delete what its events name, then the"
            " stack, then run the command again."
        )


def unprotect_stack_of_failed_creation(account: AwsAccount, stack: str) -> bool:
    """Turn off the termination protection of a stack whose creation failed, so that the CDK can
    delete the stack and create it again.

    Return whether the creation had failed. The CDK turns the protection on before it creates the
    resources, so a stack whose creation failed is protected too.
    """
    found = account.describe_stack(stack)
    if not found or found["StackStatus"] not in FAILED_CREATION_STACK_STATUSES:
        return False
    account.make_client("cloudformation").update_termination_protection(
        StackName=stack, EnableTerminationProtection=False
    )
    return True


def changed_account_or_region_problems(account: AwsAccount, outputs_file: Path) -> Iterator[str]:
    """Yield a sentence if the last deployment of the stage went to another AWS account or region
    than `account`.

    outputs_file: file in which the last deployment from this folder wrote the outputs of the
        stacks. The account and region are read from the ARNs in the file. There is no problem if
        the file does not exist.

    Raises:
        DeploymentFailed: the file cannot be read or was not written by a deployment.
    """
    try:
        outputs = json.loads(outputs_file.read_text())
        arns = [each.split(":") for each in outputs.values() if each.startswith("arn:")]
        places = {(each[4], each[3]) for each in arns}
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError, IndexError):
        raise DeploymentFailed(
            f"{outputs_file} is not what a deployment wrote: remove it, then run the command again."
        ) from None
    for account_id, region in sorted(places - {(account.account_id, account.region)}):
        yield (
            f"{outputs_file.name} says that the stage is deployed in the account {account_id} in"
            f" {region}, and the credentials are those of {account.account_id} in {account.region}:"
            " set AWS_PROFILE and AWS_REGION. To deploy another stage, give it another name; if the"
            f" stage is no longer there, remove {outputs_file}."
        )
