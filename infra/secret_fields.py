"""List the secrets of a stage and the fields of each secret."""

from infra.settings import StageSettings

JWT_KEY_FIELD = "JWT_SECRET"
FIELD_NAMES_BY_SECRET = {
    "Database": ("DATABASE_URL", "DATABASE_CA_BUNDLE"),
    "ProviderLogins": (
        "MICROSOFT_CLIENT_SECRET",
        "MICROSOFT_CLIENT_CERTIFICATE",
        "GOOGLE_CLIENT_SECRET",
    ),
    "ApplicationKey": (JWT_KEY_FIELD,),
    "Migration": ("MIGRATION_DATABASE_URL",),
}
"""The names of the fields of each secret, by the secret's name. The stateful stack has an output
`{name}SecretArn` for each secret."""
FIELDS_NOT_IN_STACK_TEMPLATE = frozenset({"GOOGLE_CLIENT_SECRET"})
"""Fields that were added after the first deployment of a secret; `make deploy` writes them. In the
template they would change the secret's properties, and CloudFormation would then write all fields
of the secret anew, without values."""
LEGACY_SINGLE_SECRET_NAME = "Settings"  # noqa: S105
"""The name of the single secret of the previous release."""
LEGACY_SINGLE_SECRET_FIELD_NAMES = (
    "DATABASE_URL",
    "MICROSOFT_CLIENT_ID",
    "MICROSOFT_CLIENT_SECRET",
)
"""The fields with which the previous release created the single secret, besides a JWT_SECRET."""


def names_of_stage_secrets(stage: StageSettings) -> tuple[str, ...]:
    """Return the names of the secrets that the stage uses, such as "Database". The single secret of
    the previous release is not among them."""
    is_used = {
        "Database": stage.database == "external",
        "Migration": stage.database == "external",
        "ApplicationKey": stage.jwt_jwks_url is None,
    }
    return tuple(each for each in FIELD_NAMES_BY_SECRET if is_used.get(each, True))
