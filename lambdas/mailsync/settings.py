"""Read the settings once per process. `mailsync.aws` and `mailsync.log` read some variables too.

A setting comes from the environment, or else from the JSON secrets whose ARNs the variables of
SECRET_ARN_VARIABLE_NAMES hold. Each function has the settings that it needs. SettingMissing is
raised when a missing or malformed setting is first needed.

    DATABASE_URL             postgresql://user:password@host:port/name, or ?host=/folder of a
                             socket; parsed as libpq does (`store/database_url.py`)
    MIGRATION_DATABASE_URL   database URL with the schema owner's login, not through a pooler
                             (default: DATABASE_URL)
    DATABASE_AUTH            password: that of the URL; iam: a token per connection, signed
                             with the AWS credentials (default: password)
    DATABASE_CA_BUNDLE       PEM of the authority that signed the database's certificate, or the
                             name of a PEM file (default: the system's authorities)
    FUNCTIONS_LOGIN_SECRET_ARN   JSON secret with the username and password of the login that
                             migrations create for the functions (default: none is created)
    GRAPH_URL                Microsoft Graph with its version (default: the global cloud, v1.0)
    MICROSOFT_AUTHORITY      identity platform and tenant (default: the global cloud, common)
    MICROSOFT_CLIENT_ID      the app registration; without it, no mailbox of Microsoft 365 is
                             connected or synced
    MICROSOFT_CLIENT_SECRET  secret of the app registration; not needed with a certificate
    MICROSOFT_CLIENT_CERTIFICATE   PEM of the app's certificate and private key (default: none)
    MICROSOFT_TENANTS        ids of organisations whose mailboxes administrators may connect,
                             separated by commas (default: none)
    GMAIL_URL, GOOGLE_IDENTITY_URL   a simulator's Gmail API and identity host (default: Google's)
    GOOGLE_CLIENT_ID         the OAuth client; without it, no Gmail mailbox is connected or synced
    GOOGLE_CLIENT_SECRET     secret of the OAuth client
    GOOGLE_PUBSUB_TOPIC      projects/PROJECT/topics/TOPIC to which Gmail publishes changes
    GOOGLE_PUSH_SERVICE_ACCOUNT, GOOGLE_PUSH_AUDIENCE   `email` and `aud` claims of the topic's
                             pushes; if one of these three is missing, there are no notifications
    IMAP_SERVERS             mail servers whose mailboxes are connected by password, separated by
                             commas: host:port, or `public` for every server with a public address;
                             without it, no mailbox is connected or synced over IMAP
    GMAIL_UNITS_PER_MINUTE   units of quota that one mailbox may use in a minute (default: 6000;
                             Google Cloud projects from before May 2026 have 15000)
    GMAIL_PROJECT_UNITS_PER_MINUTE   units that all mailboxes may use together (default: 1200000)
    CA_BUNDLE                PEM of the providers' certificate authorities (default: the system's)
    TOKEN_KEY_ARN            KMS key that encrypts the data key of stored tokens
    MAILBOX_SYNC_ARN         state machine of a sync
    TEST_SYNC_ARN            state machine of the self-test
    SYNC_ACCOUNTS_ARN        the function that checks due mailboxes
    EVENT_BUS_NAME           the bus on which events are published
    JWT_JWKS_URL             key set of the issuer of the application's JWT; or else:
    JWT_SECRET               the HS256 key that the application signs with, at least 32 bytes
    JWT_AUDIENCE             accepted `aud` claims, separated by commas; required with
                             JWT_JWKS_URL, where * accepts every client of that issuer (default
                             with JWT_SECRET: not checked)
    JWT_ISSUER               required `iss` claim (default: not checked)
    CONFIRM_CONNECTIONS      true: a signed-in mailbox is connected when its user confirms it
                             with the JWT (default: false, at once)
    LOG_SOURCE_IP            false: audit records contain no IP address (default: true)
    PUBLIC_URL               the API's URL, if not its own host name; without it, providers send
                             no notifications
    API_LIMITS               calls per hour and user that start work or write rows, by kind, as
                             in "sync=120" (default: `DEFAULT_MAX_API_CALLS_PER_HOUR_BY_KIND`)
    APP_INBOX_URL            where the browser goes after connecting a mailbox
    AWS_ENDPOINT_URL, AWS_CA_BUNDLE, region and credentials   read by `mailsync.aws`
"""

import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

from mailsync.aws.client import SECRETS_MANAGER_SERVICE, AwsClient
from mailsync.aws.errors import AwsRejected
from mailsync.errors import SettingMissing
from mailsync.model import ProviderName
from mailsync.registry import RegisteredProvider, UrlSetting, find_provider, implemented_providers

DEFAULT_MAX_API_CALLS_PER_HOUR_BY_KIND: Mapping[str, int] = {
    "sync": 300,
    "full-sync": 12,
    "control": 120,
    "connect": 30,
    "organisation": 600,
    "self-test": 12,
    "self-tests": 60,
}
"""The default rate limits: API calls per hour and user by kind of call; for `self-tests`, of all
users together. docs/api.md lists the calls of each kind."""
SECRET_ARN_VARIABLE_NAMES = (
    "DATABASE_SECRET_ARN",
    "PROVIDER_LOGINS_SECRET_ARN",
    "APPLICATION_KEY_SECRET_ARN",
    "SETTINGS_SECRET_ARN",
    "MIGRATION_SECRET_ARN",
)
"""Environment variables with the ARN of a secret. If secrets share a setting, the last one applies.
SETTINGS_SECRET_ARN: the previous release's secret, with what the first three secrets hold now."""
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LIMIT = re.compile(r"[1-9][0-9]{0,4}|100000")
HOST_NAME_PATTERN = rf"{_LABEL}(?:\.{_LABEL})*\.?"
"""A regular expression for host names that both DNS and Python's own encoding of names accept (RFC
1035; at most 63 characters between dots)."""
_WEB_URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{HOST_NAME_PATTERN}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?:[/?][!\"$-~]*)?"
)
"""An http or https URL without user, password and fragment, because these could be secret, and
libraries quote a URL that they cannot parse."""
ANY_JWT_AUDIENCE = "*"
MIN_HS256_KEY_BYTES = 32
"""The minimum length of an HS256 key in bytes: the output length of the hash (RFC 7518, 3.2)."""


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """A user name and a password with which the database is used."""

    user: str
    password: str = field(repr=False)


class SettingsSection:
    """Base class of the settings of one part of the product. Reading a property raises
    SettingMissing if the setting is missing or malformed."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def _switch(self, name: str, *, default: bool) -> bool:
        value = self._values.get(name, "").strip().lower() or str(default).lower()
        if value not in ("true", "false"):
            raise SettingMissing(f"The setting {name} must be 'true' or 'false'.")
        return value == "true"

    def _required(self, name: str) -> str:
        value = self._values.get(name, "").strip()
        if not value:
            raise SettingMissing(
                f"The setting {name} is missing: set it in the environment or in the secret."
            )
        return value

    def _https(self, name: str, *, default: str) -> str:
        value = (self._values.get(name) or default).strip()
        url = _WEB_URL.fullmatch(value)
        if url is None or int(url["port"] or 0) > 65535 or not _is_private(url):
            raise SettingMissing(
                f"The setting {name} must be an https:// URL, without user, password or fragment."
            )
        return value


AnySettingsSection = TypeVar("AnySettingsSection", bound=SettingsSection)


class Settings(SettingsSection):
    """The settings of one Lambda function. The settings of single providers and identity platforms
    are in sections of their own."""

    @property
    def database_url(self) -> str:
        return self._required("DATABASE_URL")

    @property
    def migration_database_url(self) -> str:
        return self._required(self.database_url_setting_name(as_owner=True))

    def database_url_setting_name(self, *, as_owner: bool) -> str:
        """Return the name of the setting that contains the database URL.

        as_owner: whether the caller connects as the owner of the schema, as migrations do.
        """
        has_own = as_owner and self._values.get("MIGRATION_DATABASE_URL", "").strip()
        return "MIGRATION_DATABASE_URL" if has_own else "DATABASE_URL"

    @property
    def database_auth(self) -> str:
        """Return how the Lambda functions authenticate to the database: `password` or `iam`."""
        auth = self._values.get("DATABASE_AUTH") or "password"
        if auth not in ("password", "iam"):
            raise SettingMissing("DATABASE_AUTH must be 'password' or 'iam'.")
        return auth

    @property
    def database_login_to_create(self) -> DatabaseLogin | None:
        """Return the database login that migrations create for the Lambda functions.

        None: migrations create no login; the operator creates it.
        """
        arn = self._values.get("FUNCTIONS_LOGIN_SECRET_ARN")
        if not arn:
            return None
        secret = _read_secret("FUNCTIONS_LOGIN_SECRET_ARN", arn, AwsClient(SECRETS_MANAGER_SERVICE))
        if not {"username", "password"} <= secret.keys():
            raise SettingMissing("The secret behind FUNCTIONS_LOGIN_SECRET_ARN names no login.")
        return DatabaseLogin(secret["username"], secret["password"])

    @property
    def database_ca_bundle_pem_or_path(self) -> str | None:
        return self._values.get("DATABASE_CA_BUNDLE") or None

    def read_settings_section(self, section: type[AnySettingsSection]) -> AnySettingsSection:
        """Return the settings of one provider or identity platform, as an object of the class
        `section`."""
        return section(self._values)

    def read_url_setting(self, setting: UrlSetting) -> str:
        """Return the base URL of a server from the given setting, without a slash at its end."""
        return self._https(setting.name, default=setting.default).rstrip("/")

    def enabled_providers(self) -> tuple[RegisteredProvider, ...]:
        """Return the providers whose mailboxes this stage syncs: those for which the stage has all
        required settings."""
        return tuple(each for each in implemented_providers() if not self._missing_of(each))

    def require_provider_is_enabled(self, provider: ProviderName) -> None:
        """Raise SettingMissing if this stage lacks a setting that the provider needs."""
        registration = find_provider(provider)
        if registration and (missing := self._missing_of(registration)):
            raise SettingMissing(
                f"This stage syncs no mailboxes of {registration.display_name}, because the setting"
                f" {' and '.join(missing)} is missing. Stored mail stays readable; set it to sync"
                " them."
            )

    def _missing_of(self, provider: RegisteredProvider) -> list[str]:
        names = provider.required_setting_names
        return [each for each in names if not self._values.get(each, "").strip()]

    @property
    def provider_ca_bundle_path(self) -> str | None:
        path = self._values.get("CA_BUNDLE") or None
        if path and not os.path.exists(path):
            raise SettingMissing("CA_BUNDLE names a file that does not exist.")
        return path

    def provider_tls_context(self) -> ssl.SSLContext:
        """Return the TLS context for connections to providers. It trusts the certificates in
        CA_BUNDLE, or else the system's authorities."""
        return ssl.create_default_context(cafile=self.provider_ca_bundle_path)

    @property
    def token_key_arn(self) -> str:
        return self._required("TOKEN_KEY_ARN")

    @property
    def mailbox_sync_state_machine_arn(self) -> str:
        return self._required("MAILBOX_SYNC_ARN")

    @property
    def self_test_state_machine_arn(self) -> str:
        return self._required("TEST_SYNC_ARN")

    @property
    def sync_accounts_function_arn(self) -> str:
        return self._required("SYNC_ACCOUNTS_ARN")

    @property
    def event_bus_name(self) -> str:
        return self._required("EVENT_BUS_NAME")

    @property
    def jwt_jwks_url(self) -> str | None:
        """Return the URL of the key set that verifies the application's JWT. None: the secret
        `jwt_secret` verifies the JWT."""
        has_url, has_secret = (
            bool(self._values.get(name, "").strip()) for name in ("JWT_JWKS_URL", "JWT_SECRET")
        )
        if has_url and has_secret:
            raise SettingMissing(
                "Both JWT_JWKS_URL and JWT_SECRET are set: remove the one that the application"
                " does not sign with."
            )
        if not has_url and not has_secret:
            raise SettingMissing(
                "Neither JWT_JWKS_URL nor JWT_SECRET is set: set the one that the application"
                " signs with."
            )
        return self._https("JWT_JWKS_URL", default="") if has_url else None

    @property
    def jwt_secret(self) -> str:
        secret = self._required("JWT_SECRET")
        if len(secret.encode()) < MIN_HS256_KEY_BYTES:
            raise SettingMissing(
                f"JWT_SECRET is too short: HS256 needs {MIN_HS256_KEY_BYTES} bytes."
            )
        return secret

    @property
    def jwt_audiences(self) -> tuple[str, ...]:
        """Return the accepted `aud` claims; a token must have one of them. Empty: the claim is not
        checked.

        With JWT_JWKS_URL, an audience or ANY_JWT_AUDIENCE must be set, because an issuer signs the
        tokens for all its clients with the same keys.
        """
        named = [each.strip() for each in self._values.get("JWT_AUDIENCE", "").split(",")]
        audiences = tuple(each for each in named if each)
        if not audiences and self.jwt_jwks_url is not None:
            raise SettingMissing(
                "JWT_AUDIENCE is missing: with JWT_JWKS_URL a token of any client of that issuer"
                " would be let in. Set it to your application's audience, or to * if that is meant."
            )
        if ANY_JWT_AUDIENCE in audiences and len(audiences) > 1:
            raise SettingMissing("JWT_AUDIENCE must be * alone, or audiences without it.")
        return () if audiences == (ANY_JWT_AUDIENCE,) else audiences

    @property
    def jwt_issuer(self) -> str | None:
        return self._values.get("JWT_ISSUER") or None

    @property
    def must_user_confirm_connection(self) -> bool:
        return self._switch("CONFIRM_CONNECTIONS", default=False)

    @property
    def is_source_ip_logged(self) -> bool:
        return self._switch("LOG_SOURCE_IP", default=True)

    @property
    def public_url(self) -> str | None:
        if not self._values.get("PUBLIC_URL", "").strip():
            return None
        return self._https("PUBLIC_URL", default="").rstrip("/")

    @property
    def max_api_calls_per_hour_by_kind(self) -> Mapping[str, int]:
        """Return the calls per hour for each kind of call, from API_LIMITS or the defaults."""
        named = (each.partition("=") for each in self._values.get("API_LIMITS", "").split(","))
        limits = {kind.strip(): number.strip() for kind, _, number in named if kind.strip()}
        if not limits.keys() <= DEFAULT_MAX_API_CALLS_PER_HOUR_BY_KIND.keys() or not all(
            _LIMIT.fullmatch(each) for each in limits.values()
        ):
            raise SettingMissing(
                "API_LIMITS must be of the form 'sync=120,connect=30': kinds and whole numbers from"
                f" 1 to 100000. The kinds are {', '.join(DEFAULT_MAX_API_CALLS_PER_HOUR_BY_KIND)}."
            )
        chosen = {kind: int(number) for kind, number in limits.items()}
        return {**DEFAULT_MAX_API_CALLS_PER_HOUR_BY_KIND, **chosen}

    @property
    def app_inbox_url(self) -> str:
        """Return the URL of the application's inbox. A sign-in ends with a redirect of the browser
        to this URL.

        The URL of a mobile application may have a scheme of its own.
        """
        url = self._required("APP_INBOX_URL")
        try:
            has_scheme = bool(urlsplit(url).scheme)
        except ValueError:  # the error's text quotes the URL
            has_scheme = False
        if not has_scheme:
            raise SettingMissing("The setting APP_INBOX_URL must be a URL, such as https://....")
        return url


def _is_private(url: re.Match[str]) -> bool:
    """Return whether requests to this URL are encrypted or stay on this machine."""
    return url["scheme"] == "https" or url["host"].strip("[]") in LOOPBACK_HOSTS


def is_https_or_loopback_url(url: str) -> bool:
    """Return whether the URL is well-formed and uses https or the host of this machine."""
    found = _WEB_URL.fullmatch(url)
    return found is not None and _is_private(found)


@cache
def load_settings() -> Settings:
    """Return the settings of this process. The first call reads them; later calls return the same
    object.

    Raises:
        SettingMissing: a secret that the environment names cannot be read or is not a JSON object.
    """
    values: dict[str, str] = {}
    client = AwsClient(SECRETS_MANAGER_SERVICE)  # one connection for all secrets
    for name in SECRET_ARN_VARIABLE_NAMES:
        if os.environ.get(name):
            values |= _read_secret(name, os.environ[name], client)
    return Settings({**values, **os.environ})


def _read_secret(name: str, arn: str, client: AwsClient) -> dict[str, str]:
    """Return the settings in a JSON secret, without those whose value is empty."""
    try:
        text = client.call_operation("GetSecretValue", SecretId=arn)["SecretString"]
    except AwsRejected as error:
        raise SettingMissing(
            f"The secret of {name} cannot be read ({error.code});"
            " check the ARN and what the function's role may do."
        ) from None
    try:
        secret = json.loads(text)
    except json.JSONDecodeError:
        secret = None
    if not isinstance(secret, dict):
        raise SettingMissing(f"The secret behind {name} must hold a JSON object.")
    return {str(key): str(value) for key, value in secret.items() if value}
