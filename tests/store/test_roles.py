"""The roles of migration 0004 in clusters that are not ours: shared, managed, or without rights."""

import pytest

from mailsync.errors import SchemaOutdated, SettingMissing
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.migrate import Migration, apply_migrations, plan_migrations, read_migrations
from tests.store.cluster import PASSWORD, Cluster
from tests.store.reader import Reader
from tests.store.rows import one, rows
from tests.store.two_mailboxes import fill

EVERY = tuple(each.version for each in read_migrations())
THEIR_EMAILS = (
    "CREATE TABLE public.emails (id int, subject text)",
    "INSERT INTO emails VALUES (1, 'theirs')",
)
SUPABASE = (
    "CREATE ROLE anon NOLOGIN",
    "CREATE ROLE authenticated NOLOGIN",
    "CREATE ROLE service_role NOLOGIN BYPASSRLS",
    "CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD 'x'",
    "GRANT anon, authenticated, service_role TO authenticator",
)


def settings_of(url: str) -> Settings:
    return Settings({"DATABASE_URL": url})


def test_who_may_not_create_roles_is_told_what_to_ask_for(cluster: Cluster) -> None:
    settings = settings_of(cluster.create("mine", owner="me"))

    with pytest.raises(SchemaOutdated, match="this login may not create roles") as refused:
        apply_migrations(settings)
    asked_for = str(refused.value).split('"')[1]
    cluster.run(*asked_for.split("; "))

    assert apply_migrations(settings) == EVERY[EVERY.index("0004") :]


def test_a_second_database_of_the_cluster_shares_the_roles(cluster: Cluster) -> None:
    first = cluster.create("first", owner="one", attributes="CREATEROLE")
    second = cluster.create("second", owner="other")

    assert apply_migrations(settings_of(first)) == EVERY
    assert apply_migrations(settings_of(second)) == EVERY
    assert apply_migrations(settings_of(second)) == ()


def test_who_does_not_own_an_up_to_date_database_need_not_migrate_it(
    cluster: Cluster, owner_url: str
) -> None:
    apply_migrations(settings_of(owner_url))
    cluster.run(
        f"CREATE ROLE functions LOGIN PASSWORD '{PASSWORD}' IN ROLE mailsync_writer",
        f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'",
    )
    functions = settings_of(cluster.url("functions", "mine"))
    newer = Migration("9000", "CREATE TABLE mailsync.newer (a int)", "1")

    assert apply_migrations(functions) == ()
    with pytest.raises(SettingMissing, match="needs a login that may do more"):
        apply_migrations(functions, [newer])
    with pytest.raises(SettingMissing, match="needs a login that may do more"):
        plan_migrations(settings_of(cluster.url("guest", "mine")))


def test_on_supabase_only_signed_in_users_read_and_the_apps_own_emails_stay(
    cluster: Cluster,
) -> None:
    cluster.run(*SUPABASE)
    owner = cluster.create("app", owner="supabase", attributes="CREATEROLE BYPASSRLS")
    cluster.run(*THEIR_EMAILS, login="supabase", database="app")

    apply_migrations(settings_of(owner))
    database = Database(settings_of(owner))
    fill(database)

    for anonymous in ("anon", "public"):
        may = f"SELECT has_schema_privilege('{anonymous}', 'mailsync', 'USAGE')"
        assert cluster.run(may, database="app") == [[False]]
    reader = Reader(cluster.url("supabase", "app"))
    ann = {"sub": "ann", "role": "authenticated"}
    cluster.run("GRANT authenticated, anon TO supabase", database="app")
    signed_in = "SET LOCAL ROLE authenticated; SELECT DISTINCT subject FROM mailsync.emails"
    assert reader.rows(signed_in, claims=ann) == [["ann"]]
    assert one(database, "SELECT subject FROM public.emails") == ["theirs"]
    assert rows(database, "SELECT 1 FROM pg_policies WHERE schemaname = 'public'") == []
    reader.close()
    database.close()
