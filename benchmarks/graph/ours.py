"""Sync a mailbox by the workflow of Mailsync, with its functions in processes, as the local engine
runs them.

The states run as `statemachine/mailbox_sync.asl.json` defines them, up to four items of the Map at
a time. Each function runs in the processes of the local engine. Step Functions is replaced by an
interpreter without waits between retries, so the run reports how many invocations failed.
"""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from benchmarks.graph.mail import MailboxShape
from benchmarks.graph.simulator import SimulatedMailbox
from infra.catalog import FUNCTIONS, MAILBOX_SYNC_WORKFLOW
from localdev.engine.aws_resources import make_aws_client
from localdev.engine.lambda_host import LambdaHost
from localdev.engine.report import read_invocation_reports
from localdev.stack import LAMBDA_SOURCE_CODE_FOLDER
from mailsync.credentials.token_set import TokenSet
from mailsync.credentials.vault import Vault
from mailsync.model import AccessToken, AccountId, ProviderName, SyncType
from mailsync.registry import MICROSOFT
from mailsync.settings import Settings
from mailsync.store.connection import Connection, Database, connect
from mailsync.store.credential_store import CredentialStore
from tests.support.execution import Execution, StateFailed

RUNTIME = Path(__file__).with_name("runtime.py")
POLL_S = 0.02
_FUNCTION_BY_PLACEHOLDER = {
    f"${{{each.arn_placeholder_name_in_asl}}}": each.name for each in FUNCTIONS
}
_CPU = re.compile(r"^CPU s: ([\d.]+)$", re.MULTILINE)
_PROGRESS = """
SELECT count(*), (SELECT status FROM mailsync.sync_runs WHERE account_id = :id)
  FROM mailsync.emails WHERE account_id = :id AND removed_at IS NULL"""
_NEWEST = """
SELECT count(*) FROM mailsync.email_placements p
  JOIN mailsync.email_folders f ON f.account_id = p.account_id AND f.id = p.folder_id
 WHERE p.account_id = :id AND f.role = 'inbox' AND p.received_at >= :since"""


@dataclass(slots=True)
class Sync:
    """One sync: its times in seconds since 1970.

    invocations: function, beginning and end of each invocation.
    newest_at: when the newest messages of the inbox could be queried. None: they never could.
    """

    began_at: float = 0.0
    ended_at: float = 0.0
    newest_at: float | None = None
    failed: int = 0
    invocations: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def folders_began_at(self) -> float:
        """Return when the state `sync-folders` began."""
        return next(began for name, began, _ in self.invocations if name == "sync-folders")


class Workflow:
    """The functions, which reach the simulated Graph, a database and a simulated KMS.

    logs: folder for the functions' logs.
    settings: settings of the functions.
    owner_url: URL of the database for the owner of its tables.
    """

    def __init__(self, logs: Path, settings: dict[str, str], owner_url: str) -> None:
        self._logs = logs
        self._settings = settings
        self._owner_url = owner_url
        self.host = LambdaHost(
            FUNCTIONS,
            code_root=LAMBDA_SOURCE_CODE_FOLDER,
            logs=logs,
            settings=settings,
            runtime=RUNTIME,
        )

    def sync(self, mailbox: SimulatedMailbox, shape: MailboxShape) -> Sync:
        """Connect the mailbox as a new account, sync it and verify the result. All other accounts
        are deleted before."""
        with closing(connect(Settings({"DATABASE_URL": self._owner_url}))) as owner:
            owner.run("TRUNCATE mailsync.email_accounts CASCADE")
            account_id = self.connect_account(mailbox)
            sync = Sync()
            with self._watching(sync, account_id, shape):
                self.run(sync, account_id)
            [[messages, status]] = owner.run(_PROGRESS, id=account_id)
        if (messages, status) != (shape.messages, "completed"):
            raise AssertionError(f"{messages} of {shape.messages} messages are stored, {status}")
        return sync

    def cpu_s(self) -> float:
        """Return the CPU of all invocations so far."""
        logs = [log.read_text(errors="replace") for log in self._logs.glob("*.log")]
        return sum(float(each) for text in logs for each in _CPU.findall(text))

    def peak_memory_mb(self, function: str) -> int:
        """Return the most memory that a process of the function has used."""
        reports = read_invocation_reports(self._logs / f"{function}.log")
        return max(report.peak_memory_mb for report in reports)

    def connect_account(self, mailbox: SimulatedMailbox) -> AccountId:
        expires_at = datetime.now(UTC) + timedelta(days=30)
        tokens = TokenSet(AccessToken(mailbox.token, expires_at), renewal_grant="unused")
        with closing(Database(Settings({"DATABASE_URL": self._owner_url}))) as database:
            store = CredentialStore(database)
            kms = make_aws_client("kms", self._settings["AWS_ENDPOINT_URL"])
            key = Vault(
                self._settings["TOKEN_KEY_ARN"], store, kms
            ).find_or_make_newest_sealing_key()
            return store.connect_account(
                user_id="ann",
                provider=ProviderName(MICROSOFT),
                provider_account_id=mailbox.user_id,
                email_address=mailbox.address,
                seal=lambda account_id: tokens.seal_tokens_for_account(account_id, key),
            )

    def run(self, sync: Sync, account_id: AccountId) -> None:
        def invoke(placeholder: str, event: Any) -> Any:
            name, began = _FUNCTION_BY_PLACEHOLDER[placeholder], time.time()
            result = self.host.invoke(name, json.dumps(event).encode())
            sync.invocations.append((name, began, time.time()))
            payload = json.loads(result.payload)
            if result.failed:
                sync.failed += 1
                raise StateFailed(payload["errorType"], payload["errorMessage"])
            return payload

        name = f"run-{token_hex(8)}"
        execution = Execution(name, name, invoke, list, at_once=True, waited=time.sleep)
        state = {"accountId": account_id, "syncType": SyncType.INITIAL, "trigger": "benchmark"}
        sync.began_at = time.time()
        execution.run(MAILBOX_SYNC_WORKFLOW.asl_text, state)
        sync.ended_at = time.time()

    @contextmanager
    def _watching(self, sync: Sync, account_id: AccountId, shape: MailboxShape) -> Iterator[None]:
        """Look every 20 ms whether the newest messages of the inbox can be queried."""
        ended = threading.Event()

        def watch(reader: Connection) -> None:
            while sync.newest_at is None and not ended.wait(POLL_S):
                since = shape.newest_since()
                [[found]] = reader.run(_NEWEST, id=account_id, since=since)
                if found >= shape.newest_count():
                    sync.newest_at = time.time()

        with closing(connect(Settings({"DATABASE_URL": self._owner_url}))) as reader:
            watcher = threading.Thread(target=watch, args=(reader,), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                ended.set()
                watcher.join()


@contextmanager
def open_workflow(logs: Path, settings: dict[str, str], owner_url: str) -> Iterator[Workflow]:
    """Run the functions' processes for the `with` block; see `Workflow`."""
    workflow = Workflow(logs, settings, owner_url)
    try:
        yield workflow
    finally:
        workflow.host.stop()
