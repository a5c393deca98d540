"""Settings come from the environment first, then from the secrets that it names."""

import json
from collections.abc import Iterator
from itertools import product
from uuid import uuid4

import boto3
import pytest

from mailsync.api.signing_keys import build_verification_keys
from mailsync.credentials.identity.entra_settings import AUTHORITY_URL_SETTING, EntraSettings
from mailsync.errors import SettingMissing
from mailsync.registry import GRAPH_URL_SETTING
from mailsync.settings import Settings, load_settings

OWNER, FUNCTIONS = "postgresql://owner@db/mail", "postgresql://functions@db/mail"


@pytest.fixture(autouse=True)
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


def load_with(monkeypatch: pytest.MonkeyPatch, **secrets: str) -> Settings:
    """Load the settings of a function whose environment names these secrets."""
    client = boto3.client("secretsmanager")
    for setting, text in secrets.items():
        made = client.create_secret(Name=f"{setting}-{uuid4()}", SecretString=text)
        monkeypatch.setenv(f"{setting}_SECRET_ARN", made["ARN"])
    return load_settings()


@pytest.mark.parametrize(("own", "migrates_as"), [(OWNER, OWNER), (" ", FUNCTIONS)])
def test_the_migration_reads_the_owners_login_from_a_secret_of_its_own(
    monkeypatch: pytest.MonkeyPatch, own: str, migrates_as: str
) -> None:
    """It is empty after the first deployment, and if the operator uses one login."""
    settings = load_with(
        monkeypatch,
        SETTINGS=json.dumps({"DATABASE_URL": FUNCTIONS}),
        MIGRATION=json.dumps({"MIGRATION_DATABASE_URL": own}),
    )

    assert settings.database_url == FUNCTIONS
    assert settings.migration_database_url == migrates_as
    assert settings.database_url_setting_name(as_owner=False) == "DATABASE_URL"


def test_the_single_secret_of_the_previous_release_is_still_read_and_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The key that a deployment generates must not replace the one that the application has."""
    key = {name: name * 40 for name in ("o", "n")}
    new = {"DATABASE": {"DATABASE_URL": ""}, "APPLICATION_KEY": {"JWT_SECRET": key["n"]}}
    before = {"DATABASE_URL": FUNCTIONS, "JWT_SECRET": key["o"]}
    settings = load_with(
        monkeypatch,
        **{name: json.dumps(each) for name, each in new.items()},
        SETTINGS=json.dumps(before),
    )

    assert (settings.database_url, settings.jwt_secret) == (FUNCTIONS, key["o"])


def test_each_of_the_three_secrets_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {
        "DATABASE": {"DATABASE_URL": FUNCTIONS},
        "PROVIDER_LOGINS": {"MICROSOFT_CLIENT_SECRET": "shh"},
        "APPLICATION_KEY": {"JWT_SECRET": "n" * 40},
    }
    settings = load_with(monkeypatch, **{name: json.dumps(each) for name, each in held.items()})

    assert settings.read_settings_section(EntraSettings).client_secret == "shh"
    assert (settings.database_url, settings.jwt_secret) == (FUNCTIONS, "n" * 40)


def test_a_secret_that_is_no_json_object_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingMissing, match="behind SETTINGS_SECRET_ARN"):
        load_with(monkeypatch, SETTINGS="postgresql://db/mail")


def url_of(name: str, url: str) -> str:
    """Return the setting as the product reads it, if its value is `url`."""
    settings = Settings({name: url})
    of_servers = {each.name: each for each in (GRAPH_URL_SETTING, AUTHORITY_URL_SETTING)}
    if name in of_servers:
        return settings.read_url_setting(of_servers[name])
    return str(getattr(settings, name.lower()))


@pytest.mark.parametrize("name", ["GRAPH_URL", "MICROSOFT_AUTHORITY"])
@pytest.mark.parametrize(
    "url", ["http://graph.example.com/v1.0", "//graph.example.com", "http://127.0.0.1.evil.example"]
)
def test_where_tokens_are_sent_is_named_with_https(name: str, url: str) -> None:
    """Plain http is for the simulators of this machine."""
    with pytest.raises(SettingMissing, match=f"{name} must be an https:// URL"):
        url_of(name, url)
    assert url_of(name, "http://127.0.0.1:9/v1.0") == "http://127.0.0.1:9/v1.0"


WEB_URLS = ["GRAPH_URL", "MICROSOFT_AUTHORITY", "JWT_JWKS_URL", "PUBLIC_URL", "APP_INBOX_URL"]
MALFORMED = [
    "https://ann:hunter2@[hunter2/v1.0",
    "https://hunter2]/v1.0",
    "https://hunter2\u2100example.com/v1.0",
    "https://[hunter2]:443",
    "hunter2",
]
"""Python's own error would quote them."""
STUMBLED_OVER = [
    "https://ann:hunter2@example.com",
    "https://example.com:hunter2/",
    "https://example.com:65536/",
    "https://example..com/",
    "https://hunter2 .example.com/",
    f"https://{'a' * 64}.example.com/",
    "https://example.com/#hunter2",
]
"""By the libraries that request them; APP_INBOX_URL is only sent to a browser."""


@pytest.mark.parametrize(
    ("name", "url"), [*product(WEB_URLS, MALFORMED), *product(WEB_URLS[:-1], STUMBLED_OVER)]
)
def test_a_url_that_is_rejected_is_named_by_its_setting_and_not_repeated(
    name: str, url: str
) -> None:
    with pytest.raises(SettingMissing, match=f"{name} must be") as rejected:
        url_of(name, url)

    assert "hunter2" not in str(rejected.value)


@pytest.mark.parametrize("name", WEB_URLS)
@pytest.mark.parametrize("url", ["https://example.com:8443/a/b?p=1", "http://[::1]:9", "https://a"])
def test_a_url_is_taken_as_it_is(name: str, url: str) -> None:
    assert url_of(name, url) == url


def test_the_application_may_have_a_scheme_of_its_own() -> None:
    assert Settings({"APP_INBOX_URL": "myapp://inbox"}).app_inbox_url == "myapp://inbox"


JWKS = {"JWT_JWKS_URL": "https://issuer.example.org/jwks.json"}


@pytest.mark.parametrize("audience", [{}, {"JWT_AUDIENCE": ""}, {"JWT_AUDIENCE": " , "}])
def test_an_issuers_keys_alone_let_nobody_in(audience: dict[str, str]) -> None:
    """They sign for every client of that issuer; the authorizer ends with this before a request."""
    settings = Settings({**JWKS, **audience})

    with pytest.raises(SettingMissing, match="JWT_AUDIENCE is missing"):
        _ = settings.jwt_audiences
    with pytest.raises(SettingMissing, match="JWT_AUDIENCE is missing"):
        build_verification_keys(settings)


def test_every_audience_is_let_in_by_its_own_word_alone() -> None:
    assert Settings({**JWKS, "JWT_AUDIENCE": "*"}).jwt_audiences == ()
    assert Settings({**JWKS, "JWT_AUDIENCE": "inbox, admin"}).jwt_audiences == ("inbox", "admin")
    assert Settings({"JWT_SECRET": "s" * 32}).jwt_audiences == ()
    with pytest.raises(SettingMissing, match=r"\* alone"):
        _ = Settings({**JWKS, "JWT_AUDIENCE": "*, inbox"}).jwt_audiences


def test_a_switch_is_true_or_false() -> None:
    assert Settings({}).must_user_confirm_connection is False
    assert Settings({"CONFIRM_CONNECTIONS": "True"}).must_user_confirm_connection is True
    assert Settings({"LOG_SOURCE_IP": ""}).is_source_ip_logged is True
    with pytest.raises(SettingMissing, match="CONFIRM_CONNECTIONS"):
        _ = Settings({"CONFIRM_CONNECTIONS": "yes"}).must_user_confirm_connection
