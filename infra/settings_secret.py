"""What only a person can know: the settings in one JSON secret, the owner's login in another."""

import json

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.sync_functions import SyncFunction

FILLED_BY_HAND = ("DATABASE_URL", "MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET")


class SettingsSecret(Construct):
    """Created with empty values, to be filled once, before the functions are deployed.

    JWT_SECRET is generated; put the application's own there if it signs with HS256 already, and
    leave it out if the stage names the keys of an issuer (`jwt_jwks_url`).
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._secret = secretsmanager.Secret(
            self,
            "Secret",
            description="Database URL, app registration and JWT key of Mailsync",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps(dict.fromkeys(FILLED_BY_HAND, "")),
                generate_string_key="JWT_SECRET",
                password_length=64,
                exclude_punctuation=True,
            ),
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        _acknowledge_rotation(self._secret)

    @property
    def arn(self) -> str:
        return self._secret.secret_arn

    def allow_read(self, function: SyncFunction) -> None:
        function.function.add_environment("SETTINGS_SECRET_ARN", self._secret.secret_arn)
        self._secret.grant_read(function.role)


class MigrationSecret(Construct):
    """The login of the schema's owner, to whom row-level security does not apply.

    Created empty; it may stay so where the functions own the schema or somebody else migrates.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        empty = cdk.SecretValue.unsafe_plain_text("")
        self._secret = secretsmanager.Secret(
            self,
            "Secret",
            description="Database URL of the owner of Mailsync's schema",
            secret_object_value={"MIGRATION_DATABASE_URL": empty},
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        _acknowledge_rotation(self._secret)

    @property
    def arn(self) -> str:
        return self._secret.secret_arn

    def allow_read(self, function: SyncFunction) -> None:
        function.function.add_environment("MIGRATION_SECRET_ARN", self._secret.secret_arn)
        self._secret.grant_read(function.role)


def _acknowledge_rotation(secret: secretsmanager.Secret) -> None:
    Validations.of(secret).acknowledge(
        Acknowledgment(
            id="AwsSolutions-SMG4",
            reason="Its values are issued outside AWS (database host, Microsoft Entra) and "
            "have to be renewed there.",
        )
    )
