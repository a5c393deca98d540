"""What must survive: the token key and the settings secret. Deployed first, deleted never."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.settings_secret import SettingsSecret
from infra.token_key import TokenKey


class StatefulStack(cdk.Stack):
    def __init__(self, scope: Construct, construct_id: str, **props: Any) -> None:
        super().__init__(scope, construct_id, termination_protection=True, **props)
        self.token_key = TokenKey(self, "TokenKey")
        self.settings_secret = SettingsSecret(self, "Settings")
        cdk.CfnOutput(
            self,
            "SettingsSecretArn",
            description="Fill it before deploying the other stack",
            value=self.settings_secret.arn,
        )
