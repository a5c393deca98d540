"""Read and write the secrets of a stage in AWS Secrets Manager.

The part `secrets` of the settings file contains values by field name, such as DATABASE_URL. A field
that the file does not contain keeps its deployed value. So the operator can remove the part from
the file after a deployment.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.deploy.aws_account import AwsAccount
from infra.deploy.failure import DeploymentFailed
from infra.secret_fields import (
    FIELD_NAMES_BY_SECRET,
    JWT_KEY_FIELD,
    LEGACY_SINGLE_SECRET_NAME,
    names_of_stage_secrets,
)
from infra.setting_formats import PLACEHOLDER_VALUE_PATTERN
from infra.settings import StageSettings, read_settings_file
from mailsync.errors import SettingMissing
from mailsync.settings import MIN_HS256_KEY_BYTES, Settings

ValuesByFieldName = Mapping[str, str]
_FILE = "file://"
_CLIENT_ID_FIELD = "MICROSOFT_CLIENT_ID"
_MICROSOFT_LOGINS = ("MICROSOFT_CLIENT_SECRET", "MICROSOFT_CLIENT_CERTIFICATE")
_GOOGLE_LOGIN = "GOOGLE_CLIENT_SECRET"
_EVERY_FIELD = tuple(field for each in FIELD_NAMES_BY_SECRET.values() for field in each)
_SERVED_BY_SINGLE_SECRET = ("Database", "ProviderLogins", "ApplicationKey")


def read_secrets_of_settings_file(path: Path) -> dict[str, str]:
    """Return the values in the part `secrets` of the settings file, by field name.

    A value `file://NAME` is replaced by the text of the file NAME in the folder of the settings
    file.

    Raises:
        ValueError: a value is not a text, or a file is missing or empty.
    """
    part = read_settings_file(path).get("secrets", {})
    if not isinstance(part, dict) or not all(isinstance(each, str) for each in part.values()):
        raise ValueError(f'The part "secrets" of {path} must be an object of texts.')
    return {name: _text(name, value, path.parent) for name, value in part.items()}


def _text(name: str, value: str, folder: Path) -> str:
    if not value.startswith(_FILE):
        return value.strip()
    file = folder / value.removeprefix(_FILE)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise ValueError(f"{name} names a file that cannot be read: {file}.") from None
    if not text.strip():
        raise ValueError(f"{name} names a file that is empty: {file}.")
    return text


@dataclass(frozen=True, slots=True)
class StageSecretValues:
    """The values of a stage's secrets, from the settings file and from the deployed secrets.

    settings_file_secrets_by_field: values in the settings file, by field name.
    deployed_values_by_secret: for each deployed secret, by the secret's name, the values by field
        name.
    """

    stage_settings: StageSettings
    settings_file_secrets_by_field: ValuesByFieldName
    deployed_values_by_secret: Mapping[str, ValuesByFieldName]

    def merge_file_and_deployed_values_of_secret(self, name: str) -> dict[str, str]:
        """Return the values that the secret `name` gets by this deployment, by field name.

        A value in the settings file replaces the deployed value. If the stage still has the single
        secret of the previous release, a deployed value of the single secret replaces the deployed
        value of the secret `name`, because functions also prefer the single secret.
        """
        stored = self.deployed_values_by_secret.get(name, {})
        is_copied = self.stage_settings.single_secret and name in _SERVED_BY_SINGLE_SECRET
        single = (
            self.deployed_values_by_secret.get(LEGACY_SINGLE_SECRET_NAME, {}) if is_copied else {}
        )
        known = {**stored, **_filled(single), **self.settings_file_secrets_by_field}
        return {**stored, **{each: known[each] for each in _fields(name) if each in known}}

    def merge_values_of_all_secrets(self) -> dict[str, str]:
        """Return the values that all secrets get by this deployment, by field name, without empty
        values."""
        found: dict[str, str] = {}
        for name in names_of_stage_secrets(self.stage_settings):
            found |= _filled(self.merge_file_and_deployed_values_of_secret(name))
        return found

    def find_problems(self) -> Iterator[str]:
        """Yield a sentence for each field that is unknown, unused or missing, and for each value
        that is an example or invalid. Also yield a sentence if the deployment would lose values of
        the previous release's single secret."""
        expected = _fields_of_stage(self.stage_settings)
        for field, value in self.settings_file_secrets_by_field.items():
            if field not in _EVERY_FIELD:
                yield f"secrets has the unknown field {field}: the fields are {_listed()}."
            elif field not in expected:
                yield f"secrets has {field}, which the stage does not use: {_reason(field)}."
            elif _is_placeholder(value):
                yield f"{field} still has an example value: write your own."
        yield from list(self._lost_with_single_secret()) or self._missing()

    def _missing(self) -> Iterator[str]:
        values = self.merge_values_of_all_secrets()
        if self.stage_settings.database == "external" and "DATABASE_URL" not in values:
            yield "DATABASE_URL is missing: write it into the part secrets."
        if self.stage_settings.microsoft_client_id and values.keys().isdisjoint(_MICROSOFT_LOGINS):
            yield (
                "The stage names an app registration and has no login for it: write"
                f" {' or '.join(_MICROSOFT_LOGINS)} into the part secrets."
            )
        if self.stage_settings.google_client_id and _GOOGLE_LOGIN not in values:
            yield (
                "The stage names an OAuth client of Google and has no secret for it: write"
                f" {_GOOGLE_LOGIN} into the part secrets."
            )
        yield from _certificate_problems(values)
        has_key_secret = (
            "ApplicationKey" in self.deployed_values_by_secret
            or JWT_KEY_FIELD in self.settings_file_secrets_by_field
        )
        if (
            has_key_secret
            and self.stage_settings.jwt_jwks_url is None
            and JWT_KEY_FIELD not in values
        ):
            yield (
                f"{JWT_KEY_FIELD} is empty, so the API would accept no token: write the key of your"
                " application. AWS generates one only for a new stage whose file has no such field."
            )
        elif 0 < len(values.get(JWT_KEY_FIELD, "").encode()) < MIN_HS256_KEY_BYTES:
            yield f"{JWT_KEY_FIELD} is too short: HS256 needs {MIN_HS256_KEY_BYTES} bytes."

    def _lost_with_single_secret(self) -> Iterator[str]:
        """Yield a sentence if the stage is about to lose values that only the single secret of the
        previous release has."""
        single = _filled(self.deployed_values_by_secret.get(LEGACY_SINGLE_SECRET_NAME, {}))
        if single.get(_CLIENT_ID_FIELD) and not self.stage_settings.microsoft_client_id:
            yield (
                "The stage's single secret has the app registration: write the value of its"
                f" {_CLIENT_ID_FIELD} into microsoft_client_id."
            )
        if self.stage_settings.single_secret:
            return
        kept, used = (
            self.merge_values_of_all_secrets(),
            _fields_of_stage(self.stage_settings) - self.settings_file_secrets_by_field.keys(),
        )
        if any(kept.get(field) != value for field, value in single.items() if field in used):
            yield (
                "The stage still has the single secret of the previous release. Set single_secret"
                " to true for one deployment, which copies its values; then remove the setting."
            )


def _certificate_problems(values: ValuesByFieldName) -> Iterator[str]:
    from mailsync.credentials.identity.entra import (
        read_client_credential_from_settings,  # loads msal
    )

    if "MICROSOFT_CLIENT_CERTIFICATE" in values:
        try:
            read_client_credential_from_settings(Settings(values))
        except SettingMissing as error:
            yield str(error)


def read_deployed_secret_values(
    account: AwsAccount, outputs: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Return, for each deployed secret by name, the secret's values by field name.

    outputs: outputs of the deployed stateful stack, by name. They contain the secrets' ARNs.

    Raises:
        DeploymentFailed: a secret is no JSON object, because a person edited the secret.
    """
    names = (*FIELD_NAMES_BY_SECRET, LEGACY_SINGLE_SECRET_NAME)
    arns = {name: outputs.get(f"{name}SecretArn") for name in names}
    return {name: _values(_read(account, arn), arn) for name, arn in arns.items() if arn}


def _values(secret: Mapping[str, Any], arn: str) -> dict[str, str]:
    try:
        values = json.loads(secret.get("SecretString", ""))
    except ValueError:  # the error's text quotes the secret
        values = None
    if not isinstance(values, dict):
        raise DeploymentFailed(
            f"The secret {arn} is no JSON object any more, so the functions cannot read it: correct"
            " it in AWS Secrets Manager, then run the command again."
        )
    return {name: str(value or "") for name, value in values.items()}


def write_changed_secrets_to_aws(
    account: AwsAccount, outputs: Mapping[str, str], values: StageSecretValues
) -> tuple[list[str], str]:
    """Write the secrets whose values changed. Return the names of the written secrets, and a
    fingerprint of the current versions of all secrets.

    The fingerprint changes with each change of a secret. The caller puts it into the functions'
    environment, so that the functions restart and read the new values.
    """
    written, versions = [], []
    for name in values.deployed_values_by_secret:
        arn, wanted = (
            outputs[f"{name}SecretArn"],
            values.merge_file_and_deployed_values_of_secret(name),
        )
        if wanted != values.deployed_values_by_secret[name]:
            account.make_client("secretsmanager").put_secret_value(
                SecretId=arn, SecretString=json.dumps(wanted)
            )
            written.append(name)
        versions.append(str(_read(account, arn)["VersionId"]))
    return written, hashlib.sha256(" ".join(versions).encode()).hexdigest()[:12]


def _fields_of_stage(stage: StageSettings) -> set[str]:
    return {
        field for each in names_of_stage_secrets(stage) for field in FIELD_NAMES_BY_SECRET[each]
    }


def _fields(name: str) -> tuple[str, ...]:
    if name != LEGACY_SINGLE_SECRET_NAME:
        return FIELD_NAMES_BY_SECRET[name]
    return tuple(
        field for each in _SERVED_BY_SINGLE_SECRET for field in FIELD_NAMES_BY_SECRET[each]
    )


def _read(account: AwsAccount, arn: str) -> Any:
    return account.make_client("secretsmanager").get_secret_value(SecretId=arn)


def _filled(values: ValuesByFieldName) -> dict[str, str]:
    return {name: value for name, value in values.items() if value.strip()}


def _is_placeholder(value: str) -> bool:
    """Return whether the value is still an example value. A URL with a login is an example if its
    user or host is, or if its password is "PASSWORD"; any other password may be real."""
    if "://" not in value:
        return PLACEHOLDER_VALUE_PATTERN.fullmatch(value) is not None
    before, _, after = value.rpartition("@")
    user, _, password = before.partition("://")[2].partition(":")
    return password == "PASSWORD" or any(  # noqa: S105
        PLACEHOLDER_VALUE_PATTERN.search(each)
        for each in (user, urlsplit(f"//{after}").hostname or "")
    )


def _reason(field: str) -> str:
    return (
        "its application signs with the keys of jwt_jwks_url"
        if field == JWT_KEY_FIELD
        else "it creates its database"
    )


def _listed() -> str:
    return ", ".join(_EVERY_FIELD)
