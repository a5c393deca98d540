"""Settings of deployed functions for a local stack; secrets appear only by their ARN."""

import json
from collections.abc import Mapping

from localdev.engine.aws_resources import make_aws_client
from localdev.stack import Stack

_SECRET = ("MICROSOFT_CLIENT_ID", "MICROSOFT_CLIENT_SECRET", "JWT_SECRET")


def template_variable_values(stack: Stack, *, database_url: str, owner_url: str) -> dict[str, str]:
    """Return a value for every environment variable of the functions in the template.

    The function also stores the two secrets at the local AWS endpoint.

    database_url: database URL with the functions' login.
    owner_url: database URL with the migration's login.
    """
    values = stack.lambdas.settings
    secrets = make_aws_client("secretsmanager", stack.aws_url)

    def kept(name: str, content: dict[str, str]) -> str:
        return str(secrets.create_secret(Name=name, SecretString=json.dumps(content))["ARN"])

    settings = {"DATABASE_URL": database_url, **{name: values[name] for name in _SECRET}}
    return {
        **values,
        "SETTINGS_SECRET_ARN": kept("settings", settings),
        "MIGRATION_SECRET_ARN": kept("migration", {"MIGRATION_DATABASE_URL": owner_url}),
    }


def fill_variables(variables: Mapping[str, object], values: Mapping[str, str]) -> dict[str, str]:
    """Return a function's environment variables; `values` replace the template's values.

    Raises KeyError for a reference to an AWS resource that `values` does not replace.
    """
    return {
        name: value if isinstance(value, str) and name not in values else values[name]
        for name, value in variables.items()
    }
