"""Check what is deployed of a stage: where, and whether CloudFormation accepts an update of it."""

import json
from collections.abc import Iterator
from pathlib import Path

from infra.deploy.aws_account import AwsAccount
from infra.deploy.failure import DeploymentFailed

NEVER_DEPLOYED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""Statuses of a stack whose creation failed; the CDK deletes such a stack and creates it again."""
_UNREVIEWED = "REVIEW_IN_PROGRESS"
"""The status of a stack that has only a change set; the CDK goes on from there."""


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


def unprotect_failed_stack(account: AwsAccount, stack: str) -> bool:
    """Let the CDK delete the stack if its creation failed; return whether it did.

    The CDK protects a stack from deletion before it creates the stack's resources.
    """
    found = account.describe_stack(stack)
    if not found or found["StackStatus"] not in NEVER_DEPLOYED:
        return False
    account.client("cloudformation").update_termination_protection(
        StackName=stack, EnableTerminationProtection=False
    )
    return True


def account_and_region_problems(account: AwsAccount, outputs_file: Path) -> Iterator[str]:
    """Yield a sentence if the stage was deployed from here to another account or region.

    outputs_file: outputs of the last deployment, which contain ARNs.
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
