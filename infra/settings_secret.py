"""Build the two secrets whose values the operator fills in: the settings, and the database login of
the schema's owner."""

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.sync_functions import SyncFunction

OPERATOR_FILLED_SETTINGS = ("DATABASE_URL", "MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET")


class _ManualSecret(Construct):
    """A secret whose values the operator fills in. It is retained when its stack is deleted.

    variable: environment variable that contains the ARN of the secret in functions.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, variable: str, **properties: Any
    ) -> None:
        super().__init__(scope, construct_id)
        self._variable = variable
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
        function.function.add_environment(self._variable, self._secret.secret_arn)
        self._secret.grant_read(function.role)


class SettingsSecret(_ManualSecret):
    """A secret with the settings as JSON, with empty values that the operator fills in before
    deploying the functions.

    JWT_SECRET is generated. Replace it if the application already signs with HS256. Remove it if
    the stage sets `jwt_jwks_url`.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            variable="SETTINGS_SECRET_ARN",
            description="Database URL, app registration and JWT key of Mailsync",
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps(dict.fromkeys(OPERATOR_FILLED_SETTINGS, "")),
                generate_string_key="JWT_SECRET",
                password_length=64,
                exclude_punctuation=True,
            ),
        )


class SchemaOwnerLoginSecret(_ManualSecret):
    """A secret for the database login of the schema's owner, to whom row-level security does not
    apply.

    The secret is created empty. It can stay empty if the functions' login owns the schema, or if
    the operator migrates the database without the function `migrate-database`.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            variable="MIGRATION_SECRET_ARN",
            description="Database URL of the owner of Mailsync's schema",
            secret_object_value={"MIGRATION_DATABASE_URL": cdk.SecretValue.unsafe_plain_text("")},
        )
