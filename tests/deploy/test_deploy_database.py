"""What `make deploy` finds about the operator's database before it deploys anything."""

import socket
from pathlib import Path

import pytest

from infra.deploy import stage_database
from infra.deploy.failure import DeploymentFailed
from infra.deploy.stage_database import database_problems, migrate_database_and_create_login
from localdev.simulators.entra.certificates import open_server_tls_context
from tests.store.cluster import Cluster
from tests.store.servers import a_server_that_says

A_MAILBOX = """
WITH account AS (
  INSERT INTO mailsync.email_accounts (user_id, email_address, provider, provider_account_id)
  VALUES ('ann', 'ann@mailsync.test', 'microsoft', 'a') RETURNING id),
key AS (INSERT INTO mailsync.data_keys (wrapped) VALUES ('') RETURNING id)
INSERT INTO mailsync.email_credentials (account_id, grant_key_id, grant_sealed)
SELECT account.id, key.id, '' FROM account, key"""


@pytest.fixture
def cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """AWS could reach it."""
    monkeypatch.setattr(stage_database, "LOOPBACK_HOSTS", ())
    return cluster


def problems(url: str, owner_url: str | None = None, **more: str) -> str:
    owner = {"MIGRATION_DATABASE_URL": owner_url} if owner_url else {}
    return "\n".join(database_problems({"DATABASE_URL": url, **owner, **more}))


def test_a_database_that_aws_cannot_reach_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("postgresql://me@localhost/mail", "postgresql://me@/mail?host=/tmp"):
        assert "DATABASE_URL is a database on this machine" in problems(url)

    only_ipv6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 5432, 0, 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [only_ipv6])
    assert "an IPv6 address only" in problems("postgresql://me@db.mailsync.test/mail")


def test_a_certificate_without_its_authority_is_refused(tmp_path: Path) -> None:
    tls, _ = open_server_tls_context(tmp_path)
    with a_server_that_says(b"S", tls) as port:
        found = problems(f"postgresql://me:secret@0.0.0.0:{port}/mine")

    assert "DATABASE_URL: The certificate of the database is not trusted" in found


def test_a_login_that_the_database_rejects_is_named(cluster: Cluster) -> None:
    owner = cluster.create("mine", owner="me", attributes="CREATEROLE")
    cluster.run("CREATE ROLE functions LOGIN PASSWORD 'another'")
    functions = cluster.url("functions", "mine")

    assert "MIGRATION_DATABASE_URL: The database rejects the login" in problems(
        functions, cluster.url("me", "mine", password="wrong")
    )
    assert problems(functions, owner).startswith("DATABASE_URL: The database")
    assert "does not respond" in problems("postgresql://me:p@127.0.0.1:1/mine")


def test_a_login_that_may_not_migrate_is_told_what_it_lacks(cluster: Cluster) -> None:
    roleless = cluster.create("first", owner="weak")
    cluster.create("second", owner="strong")
    cluster.run("CREATE ROLE guest LOGIN CREATEROLE PASSWORD 'secret of the test'")

    assert "may not create roles" in problems(roleless)
    assert "may not create a schema" in problems(cluster.url("guest", "second"))
    cluster.run(
        "CREATE SCHEMA mailsync", "GRANT USAGE ON SCHEMA mailsync TO strong", database="second"
    )
    assert "may not change the schema mailsync" in problems(cluster.url("strong", "second"))


def test_an_old_server_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_database, "MIN_POSTGRES_VERSION_NUMBER", 990000)

    assert "Mailsync needs 99 or newer" in problems(cluster.create("mine", owner="me"))


def test_the_login_of_the_functions_is_created_once(cluster: Cluster) -> None:
    owner = cluster.create("mine", owner="me", attributes="CREATEROLE")
    url = cluster.url("functions2", "mine", password="p$$'d")
    values = {"DATABASE_URL": url, "MIGRATION_DATABASE_URL": owner}

    assert problems(url, owner) == ""
    assert migrate_database_and_create_login(values)
    for known in (values, {"DATABASE_URL": url}):  # nothing is missing, so the owner is not needed
        assert migrate_database_and_create_login(known) == ()
        assert problems(url, known.get("MIGRATION_DATABASE_URL")) == ""
    cluster.run("DROP ROLE functions2", "CREATE ROLE functions2 LOGIN PASSWORD 'p$$''d'")
    assert "no member of the role mailsync_writer" in problems(url, owner)


def test_an_owner_who_may_not_create_the_login_is_told_so(cluster: Cluster) -> None:
    """The roles and the schema can be there already."""
    owner = cluster.create("mine", owner="me", attributes="CREATEROLE")
    migrate_database_and_create_login(
        {"DATABASE_URL": cluster.url("functions", "mine"), "MIGRATION_DATABASE_URL": owner}
    )
    cluster.run("ALTER ROLE me NOCREATEROLE")

    assert "may not create it" in problems(cluster.url("another", "mine"), owner)
    assert problems(cluster.url("functions", "mine"), owner) == ""


def test_a_login_that_postgres_cannot_have_is_refused(cluster: Cluster) -> None:
    owner = cluster.create("mine", owner="me", attributes="CREATEROLE")

    def problem(login: str, password: str) -> str:
        return problems(cluster.url(login, "mine", password=password), owner)

    assert "name of the functions' login would need quoting" in problem("Functions", "p")
    assert "does not accept, such as a newline" in problem("functions", "a\nb")
    assert "has no password" in problem("functions", "")


def test_a_database_without_its_owner_is_not_prepared(cluster: Cluster) -> None:
    cluster.create("mine", owner="me")
    cluster.run("CREATE ROLE functions LOGIN PASSWORD 'secret of the test'")

    with pytest.raises(DeploymentFailed, match="The database was not prepared"):
        migrate_database_and_create_login({"DATABASE_URL": cluster.url("functions", "mine")})


def test_urls_of_two_databases_are_named(cluster: Cluster) -> None:
    owner = cluster.create("mine", owner="me", attributes="CREATEROLE")
    cluster.create("another", owner="them")

    with pytest.raises(DeploymentFailed, match="must name the same database"):
        migrate_database_and_create_login(
            {"DATABASE_URL": cluster.url("functions", "another"), "MIGRATION_DATABASE_URL": owner}
        )


def test_a_database_that_accepts_no_writes_is_refused(cluster: Cluster) -> None:
    owner = cluster.create("mine", owner="me", attributes="CREATEROLE")
    cluster.run("CREATE ROLE functions LOGIN PASSWORD 'secret of the test'")
    read_only = "SET default_transaction_read_only = on"

    cluster.run(f"ALTER ROLE functions {read_only}")
    assert "DATABASE_URL is a database that accepts no writes" in problems(
        cluster.url("functions", "mine"), owner
    )
    cluster.run(f"ALTER ROLE me {read_only}")
    assert "MIGRATION_DATABASE_URL is a database that accepts no writes" in problems(
        cluster.url("functions", "mine"), owner
    )


def test_the_mailboxes_of_another_stage_are_not_taken_over(cluster: Cluster) -> None:
    """A new stage, or one in the wrong account or region, could not decrypt their tokens."""
    owner = cluster.create("mine", owner="me", attributes="CREATEROLE")
    values = {"DATABASE_URL": cluster.url("functions", "mine"), "MIGRATION_DATABASE_URL": owner}
    migrate_database_and_create_login(values)
    assert not list(database_problems(values, is_new_stage=True))

    cluster.run(A_MAILBOX, database="mine")
    (found,) = database_problems(values, is_new_stage=True)
    assert "has 1 connected mailboxes of another stage" in found
    assert not list(database_problems(values))
