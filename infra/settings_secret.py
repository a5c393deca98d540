"""Build the secrets of a stage: the database's URL, the credentials of the app at the mail
providers, the key of the application's JWT, and the database login of the schema's owner."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import aws_cdk as cdk
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.catalog import Capability
from infra.secret_fields import (
    FIELD_NAMES_BY_SECRET,
    FIELDS_NOT_IN_STACK_TEMPLATE,
    JWT_KEY_FIELD,
    LEGACY_SINGLE_SECRET_FIELD_NAMES,
    LEGACY_SINGLE_SECRET_NAME,
    names_of_stage_secrets,
)
from infra.settings import StageSettings
from infra.sync_functions import LambdaFunctionConstruct

_SERVED_BY_SINGLE_SECRET = (
    Capability.USE_DATABASE,
    Capability.USE_APP_CREDENTIALS_AT_PROVIDER,
    Capability.KNOW_ENABLED_PROVIDERS,
    Capability.VERIFY_APPLICATION_JWT,
)


class RetainedSecret(Construct):
    """A secret whose values the operator provides. The secret is retained when its stack is
    deleted.

    variable: name of the functions' environment variable that contains the secret's ARN.
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

    def allow_reading(self, function: LambdaFunctionConstruct) -> None:
        function.function.add_environment(self._variable, self._secret.secret_arn)
        self._secret.grant_read(function.role)


class StageSecrets:
    """The secrets of a stage. Each secret is readable for the functions that have the secret's
    capability.

    A stage has only the secrets that it uses. A stage with an Aurora database has no secrets for a
    database URL. A stage with the setting `jwt_jwks_url` has no secret for the JWT's key. A stage
    with the setting `single_secret` also has the single secret of the previous release, whose
    values replace the values of the other secrets.
    """

    def __init__(self, stack: cdk.Stack, stage: StageSettings) -> None:
        self._stack = stack
        self._by_capability = {
            capability: add(self, name, variable, description)
            for name, (capability, add, variable, description) in _SECRETS.items()
            if name in names_of_stage_secrets(stage)
        }
        self._single = (
            self.add_generated_secret(
                LEGACY_SINGLE_SECRET_NAME,
                "SETTINGS_SECRET_ARN",
                "Database URL, app registration and JWT key of Mailsync",
                *LEGACY_SINGLE_SECRET_FIELD_NAMES,
            )
            if stage.single_secret
            else None
        )

    @property
    def secret_access_granters_by_capability(
        self,
    ) -> dict[Capability, Callable[[LambdaFunctionConstruct], None]]:
        """Return, by capability, the method that lets a function read the secrets of the
        capability.

        The capability KNOW_ENABLED_PROVIDERS has a secret only in a stage with the single secret,
        which contains a client id. Elsewhere client ids are settings of the stage, because they are
        public.
        """
        served = (*self._by_capability, *_SERVED_BY_SINGLE_SECRET)
        return {each: partial(self._allow, each) for each in served}

    def _allow(self, capability: Capability, function: LambdaFunctionConstruct) -> None:
        if secret := self._by_capability.get(capability):
            secret.allow_reading(function)
        if self._single and capability in _SERVED_BY_SINGLE_SECRET:
            self._single.allow_reading(function)

    def add_empty_secret(self, name: str, variable: str, description: str) -> RetainedSecret:
        """Add a secret whose fields are empty. The operator fills the fields in; later deployments
        do not overwrite them."""
        empty = cdk.SecretValue.unsafe_plain_text("")
        fields = [
            each for each in FIELD_NAMES_BY_SECRET[name] if each not in FIELDS_NOT_IN_STACK_TEMPLATE
        ]
        values = dict.fromkeys(fields, empty)
        return self._add(name, variable, description, secret_object_value=values)

    def add_generated_secret(
        self, name: str, variable: str, description: str, *empty_fields: str
    ) -> RetainedSecret:
        """Add a secret whose field JWT_SECRET gets a generated key; the other fields are empty.

        An operator whose application already signs JWTs with HS256 replaces the generated key with
        the application's key. Do not change the properties that this method's code gives to the
        secret: after a change AWS would generate another key in every stage.
        """
        generator = secretsmanager.SecretStringGenerator(
            secret_string_template=json.dumps(dict.fromkeys(empty_fields, "")),
            generate_string_key=JWT_KEY_FIELD,
            password_length=64,
            exclude_punctuation=True,
        )
        return self._add(name, variable, description, generate_secret_string=generator)

    def _add(self, name: str, variable: str, description: str, **properties: Any) -> RetainedSecret:
        secret = RetainedSecret(
            self._stack, name, variable=variable, description=description, **properties
        )
        cdk.CfnOutput(self._stack, f"{name}SecretArn", description=description, value=secret.arn)
        return secret


_SECRETS = {
    "Database": (
        Capability.USE_DATABASE,
        StageSecrets.add_empty_secret,
        "DATABASE_SECRET_ARN",
        "URL of the database, for the functions",
    ),
    "ProviderLogins": (
        Capability.USE_APP_CREDENTIALS_AT_PROVIDER,
        StageSecrets.add_empty_secret,
        "PROVIDER_LOGINS_SECRET_ARN",
        "The app's logins at mail providers",
    ),
    "ApplicationKey": (
        Capability.VERIFY_APPLICATION_JWT,
        StageSecrets.add_generated_secret,
        "APPLICATION_KEY_SECRET_ARN",
        "Key with which the application signs its JWT",
    ),
    "Migration": (
        Capability.USE_SCHEMA_OWNER_LOGIN,
        StageSecrets.add_empty_secret,
        "MIGRATION_SECRET_ARN",
        "Database URL of the owner of Mailsync's schema",
    ),
}
