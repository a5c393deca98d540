"""TokenKey: the key that wraps the data keys of stored tokens and passwords."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.sync_functions import SyncFunction

# What the product's vault says with every call; a key that is asked for anything else refuses.
_MAIL_TOKENS_ONLY = {"StringEquals": {"kms:EncryptionContext:purpose": "mail-token"}}


class TokenKey(Construct):
    """Kept when its stack is deleted: without it every mailbox must be connected again."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._key = kms.Key(
            self,
            "Key",
            description="Wraps the data keys of stored mail tokens",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def allow_open(self, function: SyncFunction) -> None:
        self._allow(function, "kms:Decrypt")

    def allow_seal(self, function: SyncFunction) -> None:
        self._allow(function, "kms:GenerateDataKey")

    def _allow(self, function: SyncFunction, action: str) -> None:
        function.function.add_environment("TOKEN_KEY_ARN", self._key.key_arn)
        function.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=[action],
                resources=[self._key.key_arn],
                conditions=_MAIL_TOKENS_ONLY,
            )
        )
