"""No token, address or mail where it does not belong: state, history, errors, logs, events."""

import base64
import json
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from localdev.demo_account import connect
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
def of_sign_ins(mirror: Mirror) -> set[str]:
    """State, cookie and code of a sign-in, and what one that nobody finished leaves behind."""
    begin, trust = f"{mirror.account.api_url}/api/auth/microsoft", mirror.stack.provider.ca_bundle
    found = set()
    with httpx.Client(verify=ssl.create_default_context(cafile=trust), timeout=30) as browser:
        for _ in range(2):
            page = browser.get(begin, headers=mirror.account.headers).headers["location"]
            found |= {parse_qs(urlsplit(page).query)["state"][0], *browser.cookies.values()}
        callback = browser.post(page, data={"account": mirror.account.address}).headers["location"]
        assert browser.get(callback).status_code == httpx.codes.FOUND
    mirror.finished()
    return found | set(parse_qs(urlsplit(callback).query)["code"])


@pytest.fixture(scope="session")
def keys(mirror: Mirror, of_sign_ins: set[str]) -> set[str]:
    """What opens something, found by opening the rows with the stack's own key."""
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
    granted = {
        each["secret"]
        for kind in ("AccessToken", "RefreshToken", "IdToken")
        for each in json.loads(opened)[kind].values()
    }
    pem = mirror.stack.lambdas.settings["MICROSOFT_CLIENT_CERTIFICATE"]
    key = {each for each in pem.partition("PRIVATE KEY")[2].splitlines() if len(each) == 64}
    return {token, CLIENT_SECRET, *of_sign_ins, *granted, *key, *cursors}


@pytest.fixture(scope="session")
def secrets(mirror: Mirror, keys: set[str]) -> set[str]:
    """The same, and what is in the mail itself."""
    words = {word for (text,) in mirror.rows(BODIES) for word in text.split() if len(word) > 14}
    return {mirror.account.address, *keys, *words}


CURSORS = "SELECT folder_id, cursor_key_id, cursor_sealed FROM mailsync.folder_cursors"
BODIES = "SELECT coalesce(html, text) FROM mailsync.email_bodies LIMIT 50"


def test_the_scan_knows_what_to_look_for(
    secrets: set[str], keys: set[str], of_sign_ins: set[str]
) -> None:
    assert len(of_sign_ins) == 5
    assert len(secrets) > len(keys) > 20
    # An access token and, from the grant, an id token.
    assert len([each for each in keys if each.startswith("eyJ")]) > 1


def test_no_secret_stands_in_any_execution(mirror: Mirror, secrets: set[str]) -> None:
    mirror.simulate("revoke")
    mirror.rows("UPDATE mailsync.email_credentials SET access_expires_at = now() RETURNING 1")
    failed = mirror.synced()
    assert failed["error"] == "AccessRevoked"
    connect(mirror.stack.api_url, mirror.stack.provider, mirror.stack.token())
    mirror.finished()

    text = "".join(str(mirror.history(each)) for each in mirror.executions())

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


def test_no_key_to_anything_stands_in_any_table(mirror: Mirror, keys: set[str]) -> None:
    tables = mirror.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'mailsync'")
    rows = [row for (each,) in tables for row in mirror.rows(f"SELECT * FROM mailsync.{each}")]
    text = "".join(
        each.decode("latin-1") if isinstance(each, bytes) else str(each)
        for row in rows
        for each in row
    )

    assert mirror.rows("SELECT 1 FROM mailsync.sign_ins")
    assert [each for each in keys if each in text] == []


def test_tokens_are_stored_sealed_only(mirror: Mirror, secrets: set[str]) -> None:
    stored = b"".join(bytes(each) for each in mirror.rows(SEALED)[0] if isinstance(each, bytes))

    tokens = [each for each in secrets if len(each) > 40]
    assert not any(each.encode() in stored for each in tokens)
    assert not any(base64.b64encode(each.encode()) in stored for each in tokens)
