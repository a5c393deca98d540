"""No token, address or mail where it does not belong: state, history, errors, logs, events."""

import base64
from pathlib import Path

import pytest

from localdev.simulators.entra.face import CLIENT_SECRET
from mailsync.access.vault import Vault
from mailsync.model import AccountId, Sealed
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.stack.conftest import Mirror

SEALED = (
    "SELECT grant_key_id, grant_sealed, access_key_id, access_sealed"
    " FROM mailsync.email_credentials"
)


@pytest.fixture(scope="session")
def secrets(mirror: Mirror) -> set[str]:
    """What was secret in this session, found by opening it with the stack's own key."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in mirror.stack.lambdas.settings.items():
            environment.setenv(name, value)
        database = Database(Settings({"DATABASE_URL": mirror.stack.database_url}))
        vault = Vault(mirror.stack.lambdas.settings["TOKEN_KEY_ARN"], CredentialStore(database))
        grant_key, grant, access_key, access = mirror.rows(SEALED)[0]
        account_id = AccountId(mirror.account.id)
        opened = vault.open(account_id, Sealed(grant_key, grant))
        token = vault.open(account_id, Sealed(access_key, access))
        cursors = {
            vault.open(f"{account_id}/{folder_id}", Sealed(key_id, cursor))
            for folder_id, key_id, cursor in mirror.rows(CURSORS)
        }
        database.close()
    refresh_tokens = {each for each in opened.split('"') if len(each) > 40}
    words = {word for (text,) in mirror.rows(BODIES) for word in text.split() if len(word) > 14}
    return {token, mirror.account.address, CLIENT_SECRET, *refresh_tokens, *words, *cursors}


CURSORS = "SELECT folder_id, cursor_key_id, cursor_sealed FROM mailsync.folder_cursors"
BODIES = "SELECT coalesce(html, text) FROM mailsync.email_bodies LIMIT 50"


def test_the_scan_knows_what_to_look_for(secrets: set[str]) -> None:
    assert len(secrets) > 20
    assert any(each.startswith("eyJ") for each in secrets)


def test_no_secret_stands_in_any_execution(mirror: Mirror, secrets: set[str]) -> None:
    mirror.simulate("revoke")
    mirror.rows("UPDATE mailsync.email_credentials SET access_expires_at = now() RETURNING 1")
    failed = mirror.synced()
    assert failed["error"] == "AccessRevoked"

    runs = [each for (each,) in mirror.rows("SELECT id FROM mailsync.sync_runs")]
    text = "".join(str(mirror.history(each)) for each in runs)

    assert len(text) > 1000
    assert [each for each in secrets if each in text] == []


def test_no_secret_stands_in_any_log(mirror: Mirror, secrets: set[str]) -> None:
    logs: list[Path] = [
        each for each in (mirror.stack.data / "logs").iterdir() if each.name != "simulators.log"
    ]
    text = "".join(each.read_text() for each in logs)

    assert len(logs) > 5
    assert [each for each in secrets if each in text] == []


def test_no_secret_stands_in_runs_errors_and_events(mirror: Mirror, secrets: set[str]) -> None:
    tables = ("sync_runs", "sync_run_folders", "outbox", "email_quarantine", "sign_ins")
    text = "".join(str(mirror.rows(f"SELECT * FROM mailsync.{each}")) for each in tables)

    assert [each for each in secrets if each in text] == []


def test_tokens_are_stored_sealed_only(mirror: Mirror, secrets: set[str]) -> None:
    stored = b"".join(bytes(each) for each in mirror.rows(SEALED)[0] if isinstance(each, bytes))

    tokens = [each for each in secrets if len(each) > 40]
    assert not any(each.encode() in stored for each in tokens)
    assert not any(base64.b64encode(each.encode()) in stored for each in tokens)
