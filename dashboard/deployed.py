"""A deployed stage as the dashboard's sources: found by its stacks' outputs, with plain boto3.

Its user needs the rights to describe the two stacks and read executions, and a login of the
database that may read: DASHBOARD_DATABASE_URL. Without it the login of the functions is taken, by
the right to read the settings secret. Nothing is written but through the product's API.
"""

import getpass
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from dashboard.sources import Sources
from infra.catalog import MAILBOX_SYNC, TEST_SYNC
from localdev.engine.failure import StartFailed
from mailsync.settings import Settings


def deployed_sources(stage: str, *, show_bodies: bool = False) -> Sources:
    """Find the stage in the account and region of the environment.

    show_bodies: the text of mail may be opened, and each opening is reported on stderr.

    Raises:
        StartFailed: it is not there, AWS does not let us see it, or the URL of its own database
            is not given.
    """
    try:
        outputs = {**_outputs(f"Mailsync-{stage}-Stateful"), **_outputs(f"Mailsync-{stage}-Sync")}
        given = os.environ.get("DASHBOARD_DATABASE_URL")
        secret = {} if given else _secret(outputs["SettingsSecretArn"])
    except (BotoCoreError, ClientError) as refused:
        raise StartFailed(f"Stage {stage} cannot be read: {refused}.") from refused
    bundle = os.environ.get("DATABASE_CA_BUNDLE") or secret.get("DATABASE_CA_BUNDLE", "")
    url = given or secret.get("DATABASE_URL") or os.environ.get("DATABASE_URL")
    if not url:
        raise StartFailed(
            f"Stage {stage} has a database of its own: set DASHBOARD_DATABASE_URL, with a login"
            " that may read (docs/database.md), on a machine within its VPC."
        )
    return Sources(
        stage=stage,
        settings=Settings({**secret, "DATABASE_URL": url, "DATABASE_CA_BUNDLE": bundle}),
        state_machine_arns={
            MAILBOX_SYNC.name: outputs["MailboxSyncArn"],
            TEST_SYNC.name: outputs["TestSyncArn"],
        },
        client=boto3.client,
        api_url=outputs["ApiUrl"],
        token=lambda: os.environ.get("MAILSYNC_TOKEN") or None,
        shows_bodies=show_bodies,
        report_opening=_report_opening,
    )


def _report_opening(account_id: str, message_id: int) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = f"{at} {getpass.getuser()} opened message {message_id} of account {account_id}"
    print(line, file=sys.stderr, flush=True)


def _outputs(stack: str) -> dict[str, str]:
    found = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}


def _secret(arn: str) -> dict[str, Any]:
    text = boto3.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
    secret: dict[str, Any] = json.loads(text)
    return secret
