"""Make the environment variables with which deployed functions run against a local stack. The
functions get secrets only as ARNs."""

import json
from collections.abc import Mapping

from localdev.engine.aws_resources import make_aws_client
from localdev.stack import Stack


def make_local_environment_values(
    stack: Stack, *, database_url: str, owner_url: str
) -> dict[str, str]:
    """Return values of the functions' environment variables for the local stack, by variable name.

    As a side effect, store the functions' secrets at the local AWS endpoint. The returned values
    also include the secrets themselves. `replace_template_environment_values` leaves them out,
    because the template has no variables for them.

    database_url: database URL with the functions' login.
    owner_url: database URL with the login of the schema's owner.
    """
    values = stack.lambdas.settings
    secrets = make_aws_client("secretsmanager", stack.aws_url)

    def kept(name: str, content: dict[str, str]) -> str:
        return str(secrets.create_secret(Name=name, SecretString=json.dumps(content))["ARN"])

    own = ("MICROSOFT_CLIENT_SECRET", "JWT_SECRET")
    login, key = ({name: values[name]} for name in own)
    database, client_id = {"DATABASE_URL": database_url}, values["MICROSOFT_CLIENT_ID"]
    single = {**database, **login, **key, "MICROSOFT_CLIENT_ID": client_id}
    return {
        **values,
        "DATABASE_SECRET_ARN": kept("database", database),
        "PROVIDER_LOGINS_SECRET_ARN": kept("provider logins", login),
        "APPLICATION_KEY_SECRET_ARN": kept("application key", key),
        "SETTINGS_SECRET_ARN": kept("settings", single),
        "MIGRATION_SECRET_ARN": kept("migration", {"MIGRATION_DATABASE_URL": owner_url}),
    }


def replace_template_environment_values(
    variables: Mapping[str, object], values: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment variables `variables`, which the template gives to a function, with
    the local `values` in place of the template's values.

    Raises:
        KeyError: a variable refers to an AWS resource and `values` does not replace it.
    """
    return {
        name: value if isinstance(value, str) and name not in values else values[name]
        for name, value in variables.items()
    }
