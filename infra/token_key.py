"""Build TokenKey: a KMS key. It encrypts the data keys with which Mailsync encrypts stored
tokens."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.sync_functions import LambdaFunctionConstruct

# The encryption context of every call of the vault; the key rejects calls with any other.
_MAIL_TOKENS_ONLY = {"StringEquals": {"kms:EncryptionContext:purpose": "mail-token"}}


class TokenKey(Construct):
    """The KMS key that protects stored tokens. The key is retained when its stack is deleted.

    Without the key no stored token can be decrypted, and every mailbox must be connected again.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._key = kms.Key(
            self,
            "Key",
            description="Wraps the data keys of stored mail tokens",
            enable_key_rotation=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )

    def allow_decryption(self, function: LambdaFunctionConstruct) -> None:
        """Let the function decrypt data keys with the KMS key, to decrypt stored tokens."""
        self._allow(function, "kms:Decrypt")

    def allow_encryption(self, function: LambdaFunctionConstruct) -> None:
        """Let the function generate data keys with the KMS key, to encrypt tokens."""
        self._allow(function, "kms:GenerateDataKey")

    def _allow(self, function: LambdaFunctionConstruct, action: str) -> None:
        function.function.add_environment("TOKEN_KEY_ARN", self._key.key_arn)
        function.role.add_to_principal_policy(
            iam.PolicyStatement(
                actions=[action], resources=[self._key.key_arn], conditions=_MAIL_TOKENS_ONLY
            )
        )
