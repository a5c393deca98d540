"""Migrations are applied once, whole, in order, and by whoever comes first."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mailsync.errors import SchemaOutdated
from mailsync.settings import Settings
from mailsync.store import migrate as runner
from mailsync.store.connection import Database, connect
from mailsync.store.migrate import (
    Migration,
    apply_migrations,
    plan_migrations,
    read_migrations,
    require_writable_migrated_database,
)
from tests.store.rows import rows


def test_several_runners_at_once_apply_each_migration_once(empty_settings: Settings) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: apply_migrations(empty_settings), range(4)))

    assert sorted(applied)[-1] == tuple(each.version for each in read_migrations())
    assert sorted(applied)[:3] == [(), (), ()]


def test_a_migration_that_fails_leaves_nothing_behind(
    settings: Settings, database: Database
) -> None:
    broken = Migration("9000", "CREATE TABLE mailsync.half (a int); SELECT nonsense", "1")

    with pytest.raises(SchemaOutdated, match="9000"):
        apply_migrations(settings, [broken])
    assert rows(database, "SELECT to_regclass('mailsync.half')") == [[None]]


def test_a_migration_that_was_changed_afterwards_is_refused(settings: Settings) -> None:
    apply_migrations(settings, [Migration("9001", "SELECT 1", "1")])

    with pytest.raises(SchemaOutdated, match="changed"):
        apply_migrations(settings, [Migration("9001", "SELECT 2", "2")])


def test_a_database_that_dbmate_has_migrated_goes_on_from_there(empty_settings: Settings) -> None:
    """Its own table of versions has no checksums."""
    with closing(Database(empty_settings)) as database:
        rows(
            database,
            "CREATE SCHEMA mailsync;"
            " CREATE TABLE mailsync.schema_migrations (version varchar(128) PRIMARY KEY);"
            " INSERT INTO mailsync.schema_migrations VALUES ('9000')",
        )
    wanted = [Migration("9000", "SELECT nonsense", "1"), Migration("9001", "SELECT 1", "1")]

    assert plan_migrations(empty_settings, wanted) == ("9001",)
    assert apply_migrations(empty_settings, wanted) == ("9001",)
    assert plan_migrations(empty_settings, wanted) == ()


def test_the_version_before_works_on_a_newer_database_and_leaves_it_alone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a deployment that is taken back: nothing is ever migrated down."""
    before = read_migrations()[:-1]

    assert apply_migrations(settings, before) == ()
    monkeypatch.setattr("mailsync.store.migrate.read_migrations", lambda: before)
    with closing(Database(settings)) as database:
        require_writable_migrated_database(database)


def test_the_lock_is_free_although_the_servers_session_lives_on(
    empty_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a proxy that keeps the sessions of clients who have left, and after a failure."""
    kept = [connect(empty_settings, as_owner=True) for _ in range(3)]
    left = iter(kept)
    with monkeypatch.context() as patch:
        for each in kept:
            patch.setattr(each, "close", lambda: None)
        patch.setattr(runner, "connect", lambda *_, **__: next(left))
        patch.setattr(runner, "_LOCK_PATIENCE_S", 0)

        with pytest.raises(SchemaOutdated):
            apply_migrations(empty_settings, [Migration("0001", "SELECT 1 / 0", "1")])
        apply_migrations(empty_settings, [Migration("0001", "SELECT 1", "1")])

        assert apply_migrations(empty_settings, [Migration("0001", "SELECT 1", "1")]) == ()
    for each in kept:
        each.close()
