"""The settings of deployed functions, for a local stack: secrets by their ARN only."""

import json
from collections.abc import Mapping

from localdev.engine.aws_resources import aws_client
from localdev.stack import Stack

_SECRET = ("MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET", "JWT_SECRET")


def deployed_settings(stack: Stack, *, database_url: str, owner_url: str) -> dict[str, str]:
    """Return a value for every variable of the template; the two secrets are made on the endpoint.

    database_url, owner_url: of the functions' login and of the migration's.
    """
    values = stack.lambdas.settings
    secrets = aws_client("secretsmanager", stack.aws_url)

    def kept(name: str, content: dict[str, str]) -> str:
        return str(secrets.create_secret(Name=name, SecretString=json.dumps(content))["ARN"])

    settings = {"DATABASE_URL": database_url, **{name: values[name] for name in _SECRET}}
    return {
        **values,
        "SETTINGS_SECRET_ARN": kept("settings", settings),
        "MIGRATION_SECRET_ARN": kept("migration", {"MIGRATION_DATABASE_URL": owner_url}),
    }


def fill_variables(variables: Mapping[str, object], values: Mapping[str, str]) -> dict[str, str]:
    """A function's variables as the template has them, with these values where there are any.

    Raises KeyError for a reference, to a resource of AWS, that no value stands in for.
    """
    return {
        name: value if isinstance(value, str) and name not in values else values[name]
        for name, value in variables.items()
    }
