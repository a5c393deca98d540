"""Read the settings of the developer's own mail provider and database, which replace the simulators
and the stack's Postgres server.

The URLs of the servers are command-line options. All other settings are environment variables with
the names that deployed functions use. The module checks all settings before the stack starts
anything. Relative paths refer to the folder in which the command was started, although functions
run in another folder.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import certifi

from localdev.engine.simulator_process import CONTROL_SECRET, ProviderSettings
from mailsync.credentials.identity.entra_settings import EntraSettings
from mailsync.errors import SettingMissing
from mailsync.providers.imap.servers import ImapSettings
from mailsync.registry import GRAPH_URL_SETTING
from mailsync.settings import Settings

ENVIRONMENT_VARIABLES_HELP = """\
environment, where the servers are your own (relative paths: of the folder you are in):
  GRAPH_URL                     as --graph-url
  MICROSOFT_AUTHORITY           as --authority
  MICROSOFT_CLIENT_ID           the app registration; needed with the two above, and so is
  MICROSOFT_CLIENT_SECRET       its secret, or else
  MICROSOFT_CLIENT_CERTIFICATE  the PEM of its certificate and private key, or the file's name
  MICROSOFT_TENANTS             organisations whose mailboxes administrators may connect
  SIMULATOR_SECRET              of simulators elsewhere: the controlSecret that they print
  CA_BUNDLE                     PEM file of the authority that vouches for these servers, if it is
                                no public one
  DATABASE_URL                  as --database-url
  MIGRATION_DATABASE_URL        the same database as the owner of the schema (default: that one)
  DATABASE_CA_BUNDLE            PEM file of the authority that vouches for the database
  IMAP_SERVERS                  your mail servers, beside the simulated one: public, or HOST:PORT,
                                or several with commas
  APP_INBOX_URL                 where a person lands after a sign-in (default: the dashboard)
environment, of the API with any servers:
  API_LIMITS                    calls of a user in an hour, such as sync=1000,connect=1000
  CONFIRM_CONNECTIONS           true: the application confirms each new mailbox
  JWT_SECRET                    the key with which the application signs its tokens (default: the
                                stack makes one)
"""
IMAP_SERVERS_SETTING_NAME = "IMAP_SERVERS"
API_SETTING_NAMES_FROM_ENVIRONMENT = "API_LIMITS", "CONFIRM_CONNECTIONS"
_CREDENTIALS = "MICROSOFT_CLIENT_SECRET", "MICROSOFT_CLIENT_CERTIFICATE"


class UnusableOptionError(Exception):
    """An option or setting has a value that cannot work. The message names the option and says what
    to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalDatabase:
    """How to reach the developer's own Postgres database.

    url: URL for the functions, the value of DATABASE_URL.
    migration_url: URL with the role that owns the schema. Empty: migrations use `url`.
    ca_bundle_path_or_pem: path or PEM text of the CA certificates of the server. Empty: not set.
    """

    url: str
    migration_url: str = ""
    ca_bundle_path_or_pem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalMailServers:
    """The developer's own IMAP servers.

    imap_servers_setting_value: value of the setting IMAP_SERVERS.
    ca_bundle_pem: PEM text of the CA certificates with which the servers are verified.
    """

    imap_servers_setting_value: str
    ca_bundle_pem: str


def read_external_mail_servers(environment: Mapping[str, str]) -> ExternalMailServers | None:
    """Return the developer's own IMAP servers. Return None if IMAP_SERVERS is not set.

    Raises:
        UnusableOptionError: IMAP_SERVERS is malformed, or CA_BUNDLE is not a file of certificates.
    """
    servers = environment.get(IMAP_SERVERS_SETTING_NAME, "").strip()
    if not servers:
        return None
    try:
        _ = Settings(environment).read_settings_section(ImapSettings).allowed_servers
    except SettingMissing as wrong:
        raise UnusableOptionError(str(wrong)) from None
    given = _ca_bundle(environment, "CA_BUNDLE")
    file = given or ssl.get_default_verify_paths().cafile or certifi.where()
    is_text = file.startswith("-----BEGIN")
    return ExternalMailServers(
        imap_servers_setting_value=servers,
        ca_bundle_pem=file if is_text else Path(file).read_text(),
    )


def read_external_provider(
    graph_url: str | None, authority: str | None, environment: Mapping[str, str]
) -> ProviderSettings | None:
    """Return how to reach the developer's own Graph and identity platform: the two URLs, and the
    app's credentials from `environment`. Return None if neither URL is given.

    Raises:
        UnusableOptionError: one of the two URLs or the credentials are missing, a setting is
            malformed, or the file that MICROSOFT_CLIENT_CERTIFICATE or CA_BUNDLE names cannot be
            used.
    """
    if not graph_url and not authority:
        return None
    if not graph_url or not authority:
        raise UnusableOptionError(
            "--graph-url (GRAPH_URL) and --authority (MICROSOFT_AUTHORITY) belong together: give"
            f" {'--graph-url' if authority else '--authority'} too, or neither for the simulators."
        )
    if not environment.get("MICROSOFT_CLIENT_ID"):
        raise UnusableOptionError(
            "--graph-url and --authority need an app registration: set MICROSOFT_CLIENT_ID, and"
            " MICROSOFT_CLIENT_SECRET or MICROSOFT_CLIENT_CERTIFICATE."
        )
    if not any(environment.get(each) for each in _CREDENTIALS):
        raise UnusableOptionError(
            "MICROSOFT_CLIENT_ID needs the secret or the certificate of that app registration: set"
            " MICROSOFT_CLIENT_SECRET or MICROSOFT_CLIENT_CERTIFICATE."
        )
    settings = Settings({**environment, "GRAPH_URL": graph_url, "MICROSOFT_AUTHORITY": authority})
    entra = settings.read_settings_section(EntraSettings)
    try:
        return ProviderSettings(
            graph_url=settings.read_url_setting(GRAPH_URL_SETTING),
            entra_authority_url=entra.authority_url,
            client_id=entra.client_id,
            client_secret=environment.get("MICROSOFT_CLIENT_SECRET", ""),
            client_certificate_pem=_certificate(environment),
            microsoft_tenants_setting_value=",".join(sorted(entra.allowed_tenant_ids)),
            ca_bundle=_ca_bundle(environment, "CA_BUNDLE") or None,
            control_secret=environment.get("SIMULATOR_SECRET", CONTROL_SECRET),
        )
    except SettingMissing as wrong:
        raise UnusableOptionError(str(wrong)) from None


def read_external_database_settings(
    url: str | None, environment: Mapping[str, str]
) -> ExternalDatabase | None:
    """Return how to reach the developer's own database. Return None if `url` is None or empty.

    Raises:
        UnusableOptionError: DATABASE_CA_BUNDLE is not a file of certificates.
    """
    if not url:
        return None
    return ExternalDatabase(
        url=url,
        migration_url=environment.get("MIGRATION_DATABASE_URL", ""),
        ca_bundle_path_or_pem=_ca_bundle(environment, "DATABASE_CA_BUNDLE"),
    )


def read_jwt_secret(environment: Mapping[str, str]) -> str | None:
    """Return JWT_SECRET, the key with which the developer's application signs the tokens of its
    users. Return None if JWT_SECRET is not set.

    Raises:
        UnusableOptionError: the key is too short.
    """
    if not environment.get("JWT_SECRET", "").strip():
        return None
    try:
        return Settings(environment).jwt_secret
    except SettingMissing as wrong:
        raise UnusableOptionError(str(wrong)) from None


def _ca_bundle(environment: Mapping[str, str], name: str) -> str:
    """Return the CA certificates that the setting `name` gives: the absolute path of a file, or PEM
    text. Return "" if the setting is not set. Raises UnusableOptionError."""
    value = environment.get(name, "").strip()
    if not value:
        return ""
    is_text = value.startswith("-----BEGIN")
    path = "" if is_text else str(_file(value, name))
    try:
        ssl.create_default_context(cafile=path or None, cadata=value if is_text else None)
    except (OSError, ValueError):
        raise UnusableOptionError(
            f"{name} must name a PEM file of certificates, and {path or 'its text'} is none."
        ) from None
    return path or value


def _certificate(environment: Mapping[str, str]) -> str:
    """Return the PEM text of the app's certificate and private key, or "" if
    MICROSOFT_CLIENT_CERTIFICATE is not set. Raises UnusableOptionError."""
    name = "MICROSOFT_CLIENT_CERTIFICATE"
    value = environment.get(name, "").strip()
    if value and not value.startswith("-----BEGIN"):
        value = _file(value, name).read_text(errors="replace")
    if value and not ("BEGIN CERTIFICATE" in value and "PRIVATE KEY-----" in value):
        raise UnusableOptionError(
            f"{name} must be the PEM of the app's certificate and its private key, or the name of"
            " its file."
        )
    return value


def _file(value: str, name: str) -> Path:
    """Return the absolute path of the file; raise UnusableOptionError if it cannot be read."""
    path = Path(value).expanduser().absolute()
    try:
        path.open("rb").close()
    except OSError as error:
        raise UnusableOptionError(
            f"{name} names {path}, which cannot be read ({error.strerror})."
        ) from None
    return path
