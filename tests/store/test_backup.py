"""The backup of docs/operations.md on a server that has never had the schema."""

import json
import subprocess
from pathlib import Path

from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.migrate import apply_migrations
from tests.store.cluster import Cluster
from tests.store.two_mailboxes import fill
from tests.support.backup_commands import BackupCommands, programs

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'mailsync' ORDER BY 1"
# What the step "prepare" changes.
LEASES = ("lease_owner", "lease_until", "lease_epoch", "sync_status", "next_sync_at")
EPOCHS = "SELECT lease_epoch, lease_owner, next_sync_at <= now() FROM mailsync.email_accounts"


def schema(url: str) -> list[str]:
    """Everything but rows, owners and the token that pg_dump makes anew each time."""
    command = [str(programs() / "pg_dump"), url, "--schema-only", "--no-owner", "--schema=mailsync"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line for line in text.splitlines() if not line.startswith("\\")]


def rows_of(database: Database) -> dict[str, list[str]]:
    """The rows of each table, without the columns that a restore sets."""
    found = {}
    with database.transaction() as tx:
        for (name,) in tx._connection.run(TABLES):
            rows = tx._connection.run(f"SELECT to_jsonb(r) FROM mailsync.{name} r")
            kept = (
                {k: v for k, v in row.items() if k not in (*LEASES, "due_at")} for (row,) in rows
            )
            found[name] = sorted(json.dumps(each, sort_keys=True) for each in kept)
    return found


def test_a_backup_brings_schema_rights_and_rows_to_a_new_server(
    database: Database, database_url: str, cluster: Cluster, owner_url: str, tmp_path: Path
) -> None:
    fill(database)
    BackupCommands(tmp_path, database_url).run("back up")
    apply_migrations(Settings({"DATABASE_URL": owner_url}))
    cluster.run("CREATE ROLE mailsync_functions LOGIN IN ROLE mailsync_writer", login="me")
    there = BackupCommands(tmp_path, owner_url)

    for name in ("lock out", "replace"):
        there.run(name)
    assert schema(owner_url) == schema(database_url)
    there.run("prepare", DISCONNECTED="", PURGED="")
    there.run("let in")
    there.run("delete the former")

    functions = cluster._server.socket_url_for_login("mailsync_functions").replace(
        "/mail?", "/mine?"
    )
    restored = Database(Settings({"DATABASE_URL": functions}))
    assert rows_of(restored) == rows_of(database)
    found = cluster.run(EPOCHS, database="mine")
    assert found == [[1_000_000_001, None, True]] * 2
    restored.close()
