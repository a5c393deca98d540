"""Sync a mailbox by the workflow of Mailsync, in this process, and print the measurements as JSON.

`python -m benchmarks.imap.ours DATABASE_URL PORT CA_FILE [parts]`. With `parts`, the time of each
part is measured as well, which itself takes an eighth of the CPU. The states run as
`statemachine/mailbox_sync.asl.json` defines them, with the functions' own code. Only Step Functions
and KMS are replaced.
"""

import json
import resource
import ssl
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any

from benchmarks.imap.shares import OTHER, Shares
from infra.catalog import MAILBOX_SYNC_WORKFLOW
from mailsync.credentials import FixedAccessTokenSource
from mailsync.credentials.vault import Vault
from mailsync.model import AccessToken, AccountId, ProviderName, RunId, SyncType
from mailsync.providers.imap import connection as imap_connection
from mailsync.providers.imap import messages as imap_messages
from mailsync.providers.imap import pipeline, wire
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.runs import trigger
from mailsync.settings import Settings
from mailsync.store import connection as store_connection
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.sync import batch, mailbox
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


def settings_of(database_url: str, port: int, ca_file: str) -> Settings:
    return Settings(
        {"DATABASE_URL": database_url, "IMAP_SERVERS": f"localhost:{port}", "CA_BUNDLE": ca_file}
    )


def connect_account(database: Database, port: int) -> AccountId:
    """Store an account for the mailbox, as the API does after its login."""
    return CredentialStore(database).connect_account(
        user_id=USER,
        provider=ProviderName("imap"),
        provider_account_id=ImapMailboxLocation("localhost", port, USER).to_remote_id(),
        email_address="ann@example.com",
    )


def sync(database_url: str, port: int, ca_file: str, *, parts: bool = True) -> dict[str, Any]:
    """Connect the mailbox as a new account, sync it, and return the measurements.

    parts: whether to measure the time of each part as well.
    """
    settings = settings_of(database_url, port, ca_file)
    shares = Shares()
    with closing(Database(settings)) as database:
        account_id = connect_account(database, port)
        workflow = Workflow(settings, database)
        if parts:
            measure_parts(shares)
        began, cpu_began = time.perf_counter(), time.process_time()
        workflow.run(account_id)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
        with database.transaction() as tx:
            [[messages, status, requests]] = tx._connection.run(_PROGRESS, id=account_id)
    assert status == "completed", status
    return {
        "messages": messages,
        "requests": requests,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "wall_s_by_part": {**shares.wall_s, OTHER: wall_s - sum(shares.wall_s.values())},
        "cpu_s_by_part": {**shares.cpu_s, OTHER: cpu_s - sum(shares.cpu_s.values())},
        "calls_by_part": shares.calls,
    }


class Workflow:
    """The workflow, whose functions use this database, password and mail server."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._functions = load_functions()
        self._executions = StartedExecutions()
        self.vault = Vault("key", CredentialStore(database), _KeyService())
        self._install(settings, database)

    def run(self, account_id: AccountId) -> None:
        """Run the first sync of an account."""
        state = {"accountId": account_id, "syncType": SyncType.INITIAL, "trigger": "benchmark"}
        self._executions.start_execution("", RunId(f"run-{token_bytes(8).hex()}"), state)
        for name, started in self._executions:
            Execution(name, name, self._invoke, list).run(MAILBOX_SYNC_WORKFLOW.asl_text, started)

    def _invoke(self, placeholder: str, event: Any) -> Any:
        handler = self._functions[placeholder].handler
        return json.loads(json.dumps(handler(json.loads(json.dumps(event)), lambda_context())))

    def _install(self, settings: Settings, database: Database) -> None:
        access = FixedAccessTokenSource(AccessToken(PASSWORD, datetime.max.replace(tzinfo=UTC)))
        users = (mailbox, trigger, *self._functions.values())
        replaced = [
            *((each, "open_database", lambda: database) for each in users),
            (trigger, "StepFunctions", lambda: self._executions),
            (mailbox, "load_settings", lambda: settings),
            (mailbox, "open_encryption_vault", lambda: self.vault),
            (mailbox, "make_access_token_source", lambda *_: access),
            (batch, "make_access_token_source", lambda *_: access),
        ]
        for module, name, value in replaced:
            if hasattr(module, name):
                setattr(module, name, value)


def measure_parts(shares: Shares) -> None:
    for name in ("recv_into", "send", "sendall", "do_handshake"):
        shares.measure(ssl.SSLSocket, name, NETWORK)
    shares.measure(imap_connection.ImapConnection, "__init__", IMAP)
    shares.measure(wire.SizeLimitedImap, "_get_response", IMAP)
    shares.measure(pipeline, "parse_fetch", IMAP)
    shares.measure(imap_messages, "parse_message", MIME)
    shares.measure(store_connection.Connection, "run", DATABASE)


if __name__ == "__main__":
    url, port, ca_file, *more = sys.argv[1:]
    print(json.dumps(sync(url, int(port), ca_file, parts="parts" in more)))
