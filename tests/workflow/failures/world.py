"""A simulated mailbox, a database, and the workflow between them, in this process.

The states run as `statemachine/mailbox_sync.asl.json` defines them. Only its waits are left out.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from secrets import token_bytes
from types import MappingProxyType
from typing import Any

from pydantic.alias_generators import to_snake

from infra.catalog import MAILBOX_SYNC
from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from localdev.simulators.mailbox import Mailbox as RemoteMailbox
from mailsync.credentials.vault import Vault
from mailsync.decisions.budget import CHECK_RETRY_S
from mailsync.errors import MailsyncError
from mailsync.model import Access, AccountId, FolderId, RunId, RunRef, SyncType
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.providers.retry_budget import RetryBudget
from mailsync.runs.failure import read_failure
from mailsync.settings import Settings
from mailsync.store.account_store import AccountStore
from mailsync.store.check_store import Check
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.run_store import RunStore
from mailsync.sync.check import Checked, Worker, check_account
from mailsync.sync.folder_pages import sync_folder
from mailsync.sync.folder_tree import sync_folders
from mailsync.sync.mailbox import Mailbox, require_unthrottled, used
from mailsync.sync.repair import repair_folder
from mailsync.sync.verification import Verification, recalculate_counts
from mailsync.sync.waiting import or_wait
from tests.support import comparison
from tests.support.clock import let_time_pass
from tests.support.comparison import Things
from tests.support.execution import Execution, StateFailed


class KeyService:
    """Wraps a data key by doing nothing to it."""

    def generate_data_key(self, **_: Any) -> dict[str, bytes]:
        key = token_bytes(32)
        return {"CiphertextBlob": key, "Plaintext": key}

    def decrypt(self, *, CiphertextBlob: bytes, **_: Any) -> dict[str, bytes]:  # noqa: N803
        return {"Plaintext": CiphertextBlob}


class SimulatedAccess:
    """An access source that asks the simulator for tokens; `revoke` makes it refuse."""

    def __init__(self, simulators: Simulators, remote: RemoteMailbox) -> None:
        self._simulators, self._remote = simulators, remote
        self.renewed = 0
        self.refusal: MailsyncError | None = None
        self._access = self._issue(lifetime_s=3600)

    def current(self) -> Access:
        if self.refusal:
            raise self.refusal
        return self._access

    def renew(self, refused: Access) -> Access:
        self.renewed += 1
        self._access = self._issue(lifetime_s=3600)
        return self.current()

    def expire(self) -> None:
        self._access = self._issue(lifetime_s=-60)

    def _issue(self, *, lifetime_s: int) -> Access:
        token = self._simulators.access_token(self._remote, lifetime_s=lifetime_s)
        return Access(token, datetime.now(UTC) + timedelta(seconds=lifetime_s))


@dataclass
class World:
    """`sync` is one execution of the workflow; everything else looks at what came of it.

    `at_once`: its Maps work on several folders at a time. `definition` may be that of an earlier
    release. `pauses` are the seconds that steps would have slept; they do sleep when several are at
    work, since then waiting is the point. `waits` are those that were left to the workflow,
    `asked_before_waits` how many requests came before.
    """

    simulators: Simulators
    remote: RemoteMailbox
    settings: Settings
    database: Database
    account_id: AccountId
    at_once: bool = False
    definition: str = MAILBOX_SYNC.definition

    def __post_init__(self) -> None:
        self.access = SimulatedAccess(self.simulators, self.remote)
        self.pauses: list[float] = []
        self.waits: list[float] = []
        self.asked_before_waits: list[int] = []
        self._numbers = count(1)
        self.started: list[RunId] = []
        self.forget_keys()

    def forget_keys(self) -> None:
        """As a function that has just been started knows none."""
        self._vault = Vault("key", CredentialStore(self.database), KeyService())

    def strike(
        self, path: str = "", *, times: int | None = 1, rate: float = 1, **fault: Any
    ) -> Rule:
        """From now on, requests whose path and query match are answered with this fault."""
        rule = Rule(fault=Fault(**fault), path=path, times=times, rate=rate)
        self.simulators.service.faults.add(rule)
        return rule

    def calm(self) -> None:
        self.simulators.service.faults.clear()

    def switch(self, **switches: Any) -> None:
        self.simulators.service.set_switches(**switches)

    def sync(self, sync_type: SyncType = SyncType.AUTO) -> str:
        """Runs the workflow once; `completed`, or the name under which it failed."""
        return self.go_on(RunId(f"run-{next(self._numbers)}"), sync_type)

    def go_on(self, run_id: RunId, sync_type: SyncType = SyncType.AUTO) -> str:
        """The execution of that name, as `sync`; its run may have been left to it."""
        execution = Execution(run_id, run_id, self._invoke, list, self.at_once, self._wait)
        state = {"accountId": self.account_id, "syncType": sync_type, "trigger": "test"}
        with suppress(StateFailed):
            execution.run(self.definition, state)
        status, error = self.one(
            f"SELECT status, error FROM mailsync.sync_runs WHERE id = '{run_id}'"
        )
        assert status in ("completed", "failed"), f"the run has no outcome: {status}"
        return "completed" if status == "completed" else str(error)

    def check(self) -> Checked:
        """One check of `sync-accounts`; `started` keeps the runs that it leaves to an execution."""
        return check_account(self.worker, self.account_id, lambda: 150.0)

    @property
    def worker(self) -> Worker:
        return Worker(self.database, self._opened, lambda _, run_id: self.started.append(run_id))

    def let_time_pass(self, hours: float) -> None:
        """As if all that is stored had happened so many hours earlier."""
        let_time_pass(self.rows, hours)

    def _wait(self, seconds: float) -> None:
        """A pause of the workflow, which passes at once."""
        self.waits.append(seconds)
        self.asked_before_waits.append(len(self.simulators.service.log.records()))
        self.rows(
            "UPDATE mailsync.email_accounts SET throttled_until ="
            f" throttled_until - make_interval(secs => {seconds}) RETURNING 1"
        )

    def stored(self) -> Things:
        """The messages that readers see."""
        return comparison.stored(self.rows, self.account_id)

    def in_mailbox(self) -> Things:
        """What `stored` returns when all of the mailbox is stored."""
        return comparison.in_mailbox(self.remote)

    def is_mirrored(self) -> bool:
        """Shows the difference when it is asserted."""
        assert self.stored() == self.in_mailbox()
        return True

    def rows(self, sql: str) -> list[list[Any]]:
        with self.database.transaction() as tx:
            return tx._connection.run(sql) or []

    def one(self, sql: str) -> list[Any]:
        return self.rows(sql)[0]

    def _invoke(self, placeholder: str, event: Any) -> Any:
        """The handlers' work, on this world's mailbox."""
        name = placeholder.removeprefix("${").removesuffix("FunctionArn}")
        work: Callable[[Any], Any] = getattr(self, f"_{to_snake(name)}")
        try:
            return json.loads(json.dumps(work(json.loads(json.dumps(event)))))
        except MailsyncError as error:
            cause = json.dumps({"errorMessage": str(error)})
            raise StateFailed(type(error).__name__, cause) from error

    def _validate_account(self, event: Any) -> Any:
        return {"provider": AccountStore(self.database).active_account(self.account_id).provider}

    def _mark_syncing(self, event: Any) -> Any:
        run_id, arn, asked = RunId(event["runId"]), event["executionArn"], event["input"]
        sync_type = SyncType(asked["syncType"])
        epoch = LeaseStore(self.database).begin(
            self.account_id, run_id, arn, sync_type, asked["trigger"]
        )
        assert epoch is not None, "the run before has not ended"
        return {"acquired": True, "epoch": epoch}

    def _get_access_token(self, event: Any) -> Any:
        return self._in_mailbox(event, lambda mailbox: {"expires": mailbox.access.current() and 1})

    def _sync_folders(self, event: Any) -> Any:
        nothing: dict[str, Any] = {"folderIds": []}
        return self._in_mailbox(
            event, lambda mailbox: {"folderIds": sync_folders(mailbox)}, nothing
        )

    def _sync_folder(self, event: Any) -> Any:
        def work(mailbox: Mailbox) -> dict[str, Any]:
            done = sync_folder(mailbox, FolderId(event["folderId"]), lambda: 200.0)
            return {"hasMore": done.has_more, "waitSeconds": done.wait_seconds}

        return self._in_mailbox(event, work, {"hasMore": True})

    def _reset_folder(self, event: Any) -> Any:
        FolderStore(self.database).restart_full_sync(RunRef.from_state(event), event["folderId"])
        return {"resets": event["resets"] + 1}

    def _folder_failed(self, event: Any) -> Any:
        error, message = read_failure(event["error"])
        folders = RunFolderStore(self.database)
        folders.fail(RunRef.from_state(event), event["folderId"], error, message)

    def _recalculate_counts(self, event: Any) -> Any:
        def work(mailbox: Mailbox) -> dict[str, Any]:
            return recalculate_counts(mailbox, lambda: 200.0).to_state()

        return self._in_mailbox(event, work, Verification().to_state())

    def _repair_folder(self, event: Any) -> Any:
        def work(mailbox: Mailbox) -> dict[str, Any]:
            repair_folder(mailbox, FolderId(event["folderId"]), lambda: 200.0)
            return {}

        return self._in_mailbox(event, work)

    def _mark_complete(self, event: Any) -> Any:
        return {"proven": self._runs.complete(RunRef.from_state(event))}

    def _mark_failed(self, event: Any) -> Any:
        error, message = read_failure(event["error"])
        run_id, arn = RunId(event["runId"]), event["executionArn"]
        self._runs.fail(self.account_id, run_id, arn, error, message)

    def _in_mailbox(
        self,
        event: Any,
        work: Callable[[Mailbox], dict[str, Any]],
        nothing: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[str, Any]:
        def step() -> dict[str, Any]:
            with self._mailbox(RunRef.from_state(event), event.get("atOnce")) as mailbox:
                return {**work(mailbox), "atOnce": mailbox.provider.max_in_flight}

        can_wait = event.get("canWait", "hasMore" in nothing)
        return or_wait(step, {**nothing, "atOnce": 1}, can_wait=can_wait)

    @property
    def _runs(self) -> RunStore:
        return RunStore(self.database)

    @contextmanager
    def _mailbox(self, run: RunRef, at_once: int | None) -> Iterator[Mailbox]:
        """As a function opens it: a client of its own, and a connection if others are at work."""
        database = Database(self.settings) if self.at_once else self.database
        budget = RetryBudget(None if self.at_once else self.pauses.append)
        try:
            account = AccountStore(database).active_account(self.account_id)
            LeaseStore(database).renew(run)
            require_unthrottled(account)
            mailbox = self._open(run, database, budget, at_once or account.max_in_flight)
            with closing(mailbox.provider), used(mailbox):
                yield mailbox
            LeaseStore(database).renew(run, requests=mailbox.provider.requests)
        finally:
            if database is not self.database:
                database.close()

    @contextmanager
    def _opened(self, check: Check) -> Iterator[Mailbox]:
        budget = RetryBudget(self.pauses.append, total_s=CHECK_RETRY_S)
        mailbox = self._open(check.run, self.database, budget, check.account.max_in_flight)
        with closing(mailbox.provider):
            yield mailbox

    def _open(
        self, run: RunRef, database: Database, budget: RetryBudget, in_flight: int | None
    ) -> Mailbox:
        provider = GraphMailbox(
            base_url=self.simulators.graph_url,
            access=self.access,
            ca_bundle=str(self.simulators.ca_bundle),
            budget=budget,
            max_in_flight=in_flight,
        )
        vault = self._vault
        if database is not self.database:
            vault = Vault("key", CredentialStore(database), KeyService())
        return Mailbox(run, self.access, provider, database, vault, provider.max_in_flight)
