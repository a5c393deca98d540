"""What must survive: the token key and the secrets. Deployed first, deleted never."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from infra.settings_secret import MigrationSecret, SettingsSecret
from infra.token_key import TokenKey


class StatefulStack(cdk.Stack):
    def __init__(self, scope: Construct, construct_id: str, **props: Any) -> None:
        super().__init__(scope, construct_id, termination_protection=True, **props)
        self.token_key = TokenKey(self, "TokenKey")
        self.settings_secret = SettingsSecret(self, "Settings")
        self.migration_secret = MigrationSecret(self, "Migration")
        cdk.CfnOutput(
            self,
            "SettingsSecretArn",
            description="Fill it before deploying the other stack",
            value=self.settings_secret.arn,
        )
        cdk.CfnOutput(
            self,
            "MigrationSecretArn",
            description="For the login of the schema's owner, if the functions have another",
            value=self.migration_secret.arn,
        )
