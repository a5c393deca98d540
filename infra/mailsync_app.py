"""Build MailsyncApp: the two stacks of one stage, checked by the AWS Solutions rules of cdk-nag."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
from aws_cdk import Validations

from infra.settings import StageSettings
from infra.stateful_stack import StatefulStack
from infra.sync_stack import SyncStack

CDK_JSON_FILE = Path(__file__).resolve().parent.parent / "cdk.json"


class MailsyncApp(cdk.App):
    """The CDK app of one stage, with its two stacks.

    `synth` raises an error if a cdk-nag rule is violated and no construct acknowledges the
    violation.

    context: values that replace those in the context of cdk.json. The option `-c` of the CDK's
        command line replaces values of both.
    account, region: AWS account and region of the deployment. None: the template fits any.
    """

    def __init__(
        self,
        *,
        outdir: str,
        context: Mapping[str, Any] | None = None,
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        # Read here as well as by the CLI: `python app.py` needs neither the CLI nor an account.
        committed = json.loads(CDK_JSON_FILE.read_text())["context"]
        super().__init__(outdir=outdir, context={**committed, **(context or {})})
        stage = StageSettings.from_raw_stages(
            self.node.get_context("stage"), self.node.get_context("stages")
        )
        for warning in stage.warnings_about_risky_settings:
            print(f"Warning: {warning}", file=sys.stderr)
        env = cdk.Environment(account=account, region=region)
        self.stateful = StatefulStack(self, f"Mailsync-{stage.name}-Stateful", env=env, stage=stage)
        self.sync = SyncStack(
            self, f"Mailsync-{stage.name}-Sync", env=env, stage=stage, stateful=self.stateful
        )
        Validations.of(self).add_plugins(cdk_nag.AwsSolutionsChecks(self, verbose=True))
