"""Logins without a password in any setting: tokens of IAM, and the login that migrations make."""

import datetime
import json
from contextlib import closing
from types import SimpleNamespace
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import botocore.auth
import pytest

from mailsync.errors import SettingMissing
from mailsync.settings import DatabaseLogin, Settings
from mailsync.store import iam_token as iam_token_module
from mailsync.store.connection import Database
from mailsync.store.functions_login import build_lambda_login_creation_sql
from mailsync.store.iam_token import iam_token
from mailsync.store.migrate import apply_migrations
from tests.store.cluster import Cluster

END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'me'"
NOON = datetime.datetime(2026, 1, 1, 12, 0, 0, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")


def test_each_connection_shows_a_token_of_its_own(
    cluster: Cluster, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes one token only, then only the next: nothing else may be shown to it."""
    port = urlsplit(owner_url).port
    url = f"postgresql://me@127.0.0.1:{port}/mine"
    settings = Settings({"DATABASE_URL": url, "DATABASE_AUTH": "iam"})
    with closing(Database(settings, known={"who": "SELECT current_user"})) as database:
        for now in (NOON, NOON + datetime.timedelta(hours=1)):
            set_clock(monkeypatch, now)
            accept_token(cluster, port)
            cluster.run(END_SESSIONS)
            with database.transaction() as tx:
                assert tx.run("who") == [["me"]]


def set_clock(patch: pytest.MonkeyPatch, now: datetime.datetime) -> None:
    """What time it is for those who sign."""
    patch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now)
    patch.setattr(iam_token_module, "datetime", SimpleNamespace(now=lambda _: now))


def accept_token(cluster: Cluster, port: int | None) -> None:
    # A session of its own: that of boto3 has the credentials of whichever test came first.
    signer = boto3.session.Session().client("rds")
    token = signer.generate_db_auth_token(DBHostname="127.0.0.1", Port=port, DBUsername="me")
    cluster.run(f"ALTER ROLE me PASSWORD '{token}'")


def test_without_credentials_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(SettingMissing, match=r"NoRegion.*DATABASE_AUTH is 'iam'"):
        iam_token("proxy.example.com", 5432, "mailsync_functions")


def test_another_way_to_log_in_is_refused_in_words() -> None:
    with pytest.raises(SettingMissing, match="DATABASE_AUTH must be 'password' or 'iam'"):
        Settings({"DATABASE_AUTH": "kerberos"}).database_auth  # noqa: B018 - it raises


def a_login_secret(password: str, user: str = "mailsync_functions") -> str:
    text = json.dumps({"username": user, "password": password})
    made = boto3.client("secretsmanager").create_secret(Name=f"login-{uuid4()}", SecretString=text)
    return str(made["ARN"])


def owner_settings(url: str, secret_arn: str) -> Settings:
    return Settings({"DATABASE_URL": url, "FUNCTIONS_LOGIN_SECRET_ARN": secret_arn})


def test_each_migration_gives_the_login_of_the_functions_the_password_of_the_day(
    cluster: Cluster, owner_url: str
) -> None:
    """The proxy knows what the secret says, so the database must as well."""
    for password in ("first", "second"):
        with pytest.raises(SettingMissing, match="rejects the login"):
            writes(cluster, password)

        apply_migrations(owner_settings(owner_url, a_login_secret(password)))

        assert writes(cluster, password)


def test_no_statement_holds_the_password_itself() -> None:
    """A statement may come into a log of the server; the verifier there is no password."""
    login = DatabaseLogin("mailsync_functions", "a-password")

    assert "a-password" not in build_lambda_login_creation_sql(login)
    assert "a-password" not in repr(login)


@pytest.mark.parametrize("user", ["Robert'); DROP", "", "me me"])
def test_a_user_that_would_have_to_be_quoted_is_refused(owner_url: str, user: str) -> None:
    with pytest.raises(SettingMissing, match=r"would need quoting|names no login"):
        apply_migrations(owner_settings(owner_url, a_login_secret("first", user)))


def writes(cluster: Cluster, password: str) -> bool:
    """Whether that login may write rows and not change tables."""
    url = cluster.url("mailsync_functions", "mine", password=password)
    asked = (
        "SELECT has_table_privilege('mailsync.emails', 'INSERT'),"
        " has_schema_privilege('mailsync', 'CREATE')"
    )
    with (
        closing(Database(Settings({"DATABASE_URL": url}), known={"may": asked})) as database,
        database.transaction() as tx,
    ):
        return tx.run("may") == [[True, False]]
