"""Sync a mailbox by the workflow of Mailsync, in this process, and print the measurements as JSON.

`python -m benchmarks.imap.ours DATABASE_URL PORT CA_FILE`. The states run as
`statemachine/mailbox_sync.asl.json` defines them, with the functions' own code. Only Step Functions
and KMS are replaced.
"""

import json
import ssl
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from secrets import token_bytes
from types import ModuleType
from typing import Any

from benchmarks.imap.shares import Shares
from infra.catalog import MAILBOX_SYNC_WORKFLOW
from mailsync.credentials import UnrenewableAccessToken
from mailsync.credentials.vault import Vault
from mailsync.model import AccessToken, Account, AccountId, Provider, RunId, SyncType
from mailsync.providers.imap import connection as imap_connection
from mailsync.providers.imap import messages as imap_messages
from mailsync.providers.imap.address import MailboxAddress
from mailsync.runs import trigger
from mailsync.settings import Settings
from mailsync.store import connection as store_connection
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.sync import mailbox
from tests.support.dovecot import PASSWORD
from tests.support.execution import Execution, StartedExecutions
from tests.support.functions import lambda_context, load_functions

NETWORK, IMAP, MIME, DATABASE = "network", "IMAP", "MIME", "database"
USER = "ann"
_PROGRESS = """
SELECT count(*), (SELECT status FROM mailsync.sync_runs WHERE account_id = :id),
       (SELECT sum(requests) FROM mailsync.sync_runs WHERE account_id = :id)
  FROM mailsync.emails WHERE account_id = :id AND removed_at IS NULL"""


class _KeyService:
    """Wraps a data key by doing nothing to it."""

    def generate_data_key(self, **_: Any) -> dict[str, bytes]:
        key = token_bytes(32)
        return {"CiphertextBlob": key, "Plaintext": key}

    def decrypt(self, *, CiphertextBlob: bytes, **_: Any) -> dict[str, bytes]:  # noqa: N803
        return {"Plaintext": CiphertextBlob}


def sync(database_url: str, port: int, ca_file: str) -> dict[str, Any]:
    """Connect the mailbox as a new account, sync it, and return the measurements."""
    settings = Settings(
        {
            "DATABASE_URL": database_url,
            "IMAP_SERVERS": f"localhost:{port}",
            "CA_BUNDLE": ca_file,
        }
    )
    shares = Shares()
    with closing(Database(settings)) as database:
        account_id = CredentialStore(database).connect_account(
            user_id=USER,
            provider=Provider("imap"),
            provider_account_id=MailboxAddress("localhost", port, USER).to_remote_id(),
            email_address="ann@example.com",
        )
        functions = load_functions()
        executions = _install(settings, database, functions)
        _measure_parts(shares)
        began, cpu_began = time.perf_counter(), time.process_time()
        _run(account_id, functions, executions)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        with database.transaction() as tx:
            [[messages, status, requests]] = tx._connection.run(_PROGRESS, id=account_id)
    assert status == "completed", status
    return {
        "messages": messages,
        "requests": requests,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "wall_s_by_part": {**shares.wall_s, "other": wall_s - sum(shares.wall_s.values())},
        "cpu_s_by_part": {**shares.cpu_s, "other": cpu_s - sum(shares.cpu_s.values())},
        "calls_by_part": shares.calls,
    }


def _run(
    account_id: AccountId, functions: dict[str, ModuleType], executions: StartedExecutions
) -> None:
    def invoke(placeholder: str, event: Any) -> Any:
        result = functions[placeholder].handler(json.loads(json.dumps(event)), lambda_context())
        return json.loads(json.dumps(result))

    state = {"accountId": account_id, "syncType": SyncType.INITIAL, "trigger": "benchmark"}
    executions.start("", RunId(f"run-{token_bytes(8).hex()}"), state)
    for name, started in executions:
        Execution(name, name, invoke, list).run(MAILBOX_SYNC_WORKFLOW.asl_text, started)


def _install(
    settings: Settings, database: Database, functions: dict[str, ModuleType]
) -> StartedExecutions:
    """Let the functions of this process use this database, password and mail server."""
    executions = StartedExecutions()
    vault = Vault("key", CredentialStore(database), _KeyService())
    access = UnrenewableAccessToken(AccessToken(PASSWORD, datetime.max.replace(tzinfo=UTC)))

    def open_access(account: Account, *_: object) -> UnrenewableAccessToken:
        return access

    for module in (mailbox, trigger, *functions.values()):
        if hasattr(module, "open_database"):
            module.open_database = lambda: database  # type: ignore[attr-defined]
    trigger.StepFunctions = lambda: executions  # type: ignore[assignment,misc]
    mailbox.load_settings = lambda: settings  # type: ignore[assignment]
    mailbox.open_vault = lambda: vault  # type: ignore[assignment]
    mailbox.open_stored_access_token = open_access  # type: ignore[assignment]
    return executions


def _measure_parts(shares: Shares) -> None:
    for name in ("recv_into", "read", "send", "sendall", "do_handshake"):
        shares.measure(ssl.SSLSocket, name, NETWORK)
    for name, member in vars(imap_connection.ImapConnection).copy().items():
        if callable(member) and not name.startswith("_"):
            shares.measure(imap_connection.ImapConnection, name, IMAP)
    shares.measure(imap_connection.ImapConnection, "__init__", IMAP)
    shares.measure(imap_messages, "parse_message", MIME)
    shares.measure(store_connection.Connection, "run", DATABASE)


if __name__ == "__main__":
    print(json.dumps(sync(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
