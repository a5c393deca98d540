"""What only a person can know: the settings in one JSON secret, the owner's login in another."""

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.sync_functions import SyncFunction

FILLED_BY_HAND = ("DATABASE_URL", "MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET")


class _FilledByHand(Construct):
    """A secret, kept whatever becomes of its stack; functions find it by the variable `told_by`."""

    def __init__(
        self, scope: Construct, construct_id: str, *, told_by: str, **properties: Any
    ) -> None:
        super().__init__(scope, construct_id)
        self._told_by = told_by
        self._secret = secretsmanager.Secret(
            self, "Secret", removal_policy=cdk.RemovalPolicy.RETAIN, **properties
        )
        Validations.of(self._secret).acknowledge(
            Acknowledgment(
                id="AwsSolutions-SMG4",
                reason="Its values are issued outside AWS (database host, Microsoft Entra) and "
                "have to be renewed there.",
            )
        )

    @property
    def arn(self) -> str:
        return self._secret.secret_arn

    def allow_read(self, function: SyncFunction) -> None:
        function.function.add_environment(self._told_by, self._secret.secret_arn)
        self._secret.grant_read(function.role)


class SettingsSecret(_FilledByHand):
    """Created with empty values, to be filled once, before the functions are deployed.

    JWT_SECRET is generated; put the application's own there if it signs with HS256 already, and
    leave it out if the stage names the keys of an issuer (`jwt_jwks_url`).
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            told_by="SETTINGS_SECRET_ARN",
            description="Database URL, app registration and JWT key of Mailsync",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps(dict.fromkeys(FILLED_BY_HAND, "")),
                generate_string_key="JWT_SECRET",
                password_length=64,
                exclude_punctuation=True,
            ),
        )


class MigrationSecret(_FilledByHand):
    """The login of the schema's owner, to whom row-level security does not apply.

    Created empty; it may stay so where the functions own the schema or somebody else migrates.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            told_by="MIGRATION_SECRET_ARN",
            description="Database URL of the owner of Mailsync's schema",
            secret_object_value={"MIGRATION_DATABASE_URL": cdk.SecretValue.unsafe_plain_text("")},
        )
