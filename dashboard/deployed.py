"""Find a deployed stage for the dashboard through its CloudFormation stacks, with plain boto3.

The AWS user of the process needs permission to describe the stage's two stacks and to read
executions.

The environment variable DASHBOARD_DATABASE_URL contains a read-only database login. Without this
variable the dashboard uses the database login of the stage's functions, which the database secret
contains; the AWS user then needs permission to read the secret. A stage with an Aurora database has
no such secret; without DASHBOARD_DATABASE_URL the dashboard then uses the environment variable
DATABASE_URL. The dashboard writes only through the product's API.
"""

import getpass
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from dashboard.sources import DashboardSources
from infra.catalog import MAILBOX_SYNC_WORKFLOW, SELF_TEST_WORKFLOW
from localdev.engine.failure import StartFailed
from mailsync.settings import Settings

_OF_DATABASE = ("DATABASE_URL", "DATABASE_CA_BUNDLE")


def find_data_sources_of_deployed_stage(
    stage: str, *, show_bodies: bool = False
) -> DashboardSources:
    """Find a deployed stage in the AWS account and region of the environment; return the resources
    that a dashboard reads and calls there.

    show_bodies: whether the dashboard may show the text of mail. It then reports each shown message
        on stderr.

    Raises:
        StartFailed: the stage does not exist, or AWS denies access to the stage. Or no database
            login is known: the stage has an Aurora database, whose secrets contain no URL, and
            neither DASHBOARD_DATABASE_URL nor DATABASE_URL is set.
    """
    try:
        outputs = {**_outputs(f"Mailsync-{stage}-Stateful"), **_outputs(f"Mailsync-{stage}-Sync")}
        given = os.environ.get("DASHBOARD_DATABASE_URL")
        secret = {} if given else _database_secret(outputs)
    except (BotoCoreError, ClientError) as refused:
        raise StartFailed(f"Stage {stage} cannot be read: {str(refused).rstrip('.')}.") from refused
    bundle = os.environ.get("DATABASE_CA_BUNDLE") or secret.get("DATABASE_CA_BUNDLE", "")
    url = given or secret.get("DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        raise StartFailed(
            f"Stage {stage} has a database of its own: set DASHBOARD_DATABASE_URL, with a login"
            " that may read (docs/database.md), on a machine within its VPC."
        )
    return DashboardSources(
        stage_name=stage,
        mailsync_settings=Settings({**secret, "DATABASE_URL": url, "DATABASE_CA_BUNDLE": bundle}),
        state_machine_arns={
            MAILBOX_SYNC_WORKFLOW.name: outputs["MailboxSyncArn"],
            SELF_TEST_WORKFLOW.name: outputs["TestSyncArn"],
        },
        make_aws_client=boto3.client,
        api_url=outputs["ApiUrl"],
        get_user_token_or_none=lambda: os.environ.get("MAILSYNC_TOKEN") or None,
        shows_message_bodies=show_bodies,
        on_message_body_shown=_report_opening,
    )


def _report_opening(account_id: str, message_id: int) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = f"{at} {getpass.getuser()} opened message {message_id} of account {account_id}"
    print(line, file=sys.stderr, flush=True)


def _outputs(stack: str) -> dict[str, str]:
    found = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}


def _database_secret(outputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the non-empty fields DATABASE_URL and DATABASE_CA_BUNDLE of the stage's secrets; empty
    for a stage with an Aurora database. If the stage still has the single secret of the previous
    release ("SettingsSecretArn"), its values replace the database secret's values, as in
    `load_settings`."""
    found: dict[str, Any] = {}
    for name in ("DatabaseSecretArn", "SettingsSecretArn"):
        secret = _secret(outputs[name]) if name in outputs else {}
        found |= {field: secret[field] for field in _OF_DATABASE if secret.get(field)}
    return found


def _secret(arn: str) -> dict[str, Any]:
    text = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    secret: dict[str, Any] = json.loads(text)
    return secret
