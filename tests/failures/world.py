"""A simulated mailbox, a database, and the workflow between them, in this process.

The states run as `statemachine/mailbox_sync.asl.json` routes them: which error is asked again
and where it leads is read from that file. Only its waits are left out.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from secrets import token_bytes
from typing import Any, TypeVar

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from localdev.simulators.mailbox import Mailbox as RemoteMailbox
from mailsync.access.vault import Vault
from mailsync.errors import MailsyncError
from mailsync.model import Access, AccountId, FolderId, RunId, RunRef, SyncType
from mailsync.providers.graph import GraphMailbox
from mailsync.providers.patience import Patience
from mailsync.settings import Settings
from mailsync.steps.check import Checked, Desk, check_account
from mailsync.steps.folder_pages import sync_folder
from mailsync.steps.folder_tree import sync_folders
from mailsync.steps.mailbox import Mailbox
from mailsync.steps.proof import recalculate_counts, repair_folder
from mailsync.store.check_store import Check
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.mail_store import MailStore
from mailsync.store.run_store import RunStore
from mailsync.sync.budget import CHECK_PATIENCE_S

T = TypeVar("T")
DEFINITION = Path(__file__).parents[2] / "statemachine/mailbox_sync.asl.json"
_LONGEST_RUN_STEPS = 500


class Stopped(Exception):
    """The run ends under this name."""

    def __init__(self, error: str, message: str = "") -> None:
        super().__init__(error, message)
        self.error, self.message = error, message


class Routed(Exception):
    """A state failed for good; `next` is where the definition leads."""

    def __init__(self, next_state: str, error: MailsyncError) -> None:
        super().__init__(next_state, str(error))
        self.next, self.error, self.message = next_state, type(error).__name__, str(error)


class Routes:
    """Who is asked again, and who is caught: the `Retry` and `Catch` of each Task."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, Any]] = {}
        self._add(json.loads(DEFINITION.read_text())["States"])

    def retries(self, state: str, error: str) -> int:
        blocks = self._states[state]["Retry"]
        fitting = (each["MaxAttempts"] for each in blocks if error in each["ErrorEquals"])
        return int(next(fitting, 0))

    def caught(self, state: str, error: str) -> str:
        names = {error, "States.ALL"}
        blocks = self._states[state]["Catch"]
        return str(next(each["Next"] for each in blocks if names & set(each["ErrorEquals"])))

    def _add(self, states: dict[str, dict[str, Any]]) -> None:
        for name, state in states.items():
            self._states[name] = state
            self._add(state.get("ItemProcessor", {}).get("States", {}))


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

    `at_once` is the concurrency of its Maps. `pauses` are the seconds that steps would have
    slept; they do sleep when several are at work, since then waiting is the point. `waits` are
    those that were left to the workflow.
    """

    simulators: Simulators
    remote: RemoteMailbox
    settings: Settings
    database: Database
    account_id: AccountId
    routes: Routes = field(default_factory=Routes)
    at_once: int = 1

    def __post_init__(self) -> None:
        self.access = SimulatedAccess(self.simulators, self.remote)
        self.pauses: list[float] = []
        self.waits: list[int] = []
        self._numbers = count(1)
        self._run: RunRef | None = None
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
        return self._execute(RunId(f"run-{next(self._numbers)}"), sync_type)

    def _execute(self, run_id: RunId, sync_type: SyncType) -> str:
        runs = RunStore(self.database)
        epoch = runs.begin(self.account_id, run_id, run_id, sync_type, "test")
        assert epoch is not None, "the run before has not ended"
        self._run = RunRef(self.account_id, run_id, epoch)
        try:
            self._work()
        except Stopped as stopped:
            runs.fail(self.account_id, run_id, run_id, stopped.error, stopped.message)
            return stopped.error
        runs.complete(self._run)
        return "completed"

    def check(self) -> Checked:
        """One look of `sync-accounts`; `started` keeps the runs that it leaves to an execution."""
        return check_account(self.desk, self.account_id)

    @property
    def desk(self) -> Desk:
        return Desk(self.database, self._opened, lambda _, run_id: self.started.append(run_id))

    def go_on(self, run_id: RunId) -> str:
        """The execution of that name, once its run has been left to it."""
        return self._execute(run_id, SyncType.AUTO)

    def rows(self, sql: str) -> list[list[Any]]:
        with self.database.transaction() as tx:
            return tx._connection.run(sql) or []

    def one(self, sql: str) -> list[Any]:
        return self.rows(sql)[0]

    def _work(self) -> None:
        folder_ids = self._state("sync-folders", sync_folders)
        self._map(self._sync_folder, folder_ids)
        while (proof := self._state("recalculate-counts", recalculate_counts)).folder_ids:
            self._map(self._repair_folder, proof.folder_ids)
        if proof.failed_folders:
            raise Stopped("FoldersFailed")

    def _map(self, work: Callable[[FolderId], None], folder_ids: tuple[FolderId, ...]) -> None:
        if self.at_once == 1:
            for folder_id in folder_ids:
                work(folder_id)
            return
        with ThreadPoolExecutor(self.at_once) as pool:
            list(pool.map(work, folder_ids))

    def _sync_folder(self, folder_id: FolderId) -> None:
        resets = 0
        for _ in range(_LONGEST_RUN_STEPS):
            try:
                done = self._state(
                    "sync-folder", lambda mailbox: sync_folder(mailbox, folder_id, lambda: 200.0)
                )
            except Routed as routed:
                if routed.next == "may-reset-folder?" and resets < 2:
                    resets += 1
                    MailStore(self.database).restart_walk(self._current, folder_id)
                    continue
                return self._fail_folder(folder_id, routed)
            if not done.has_more:
                return None
            self.waits += [done.wait_seconds] if done.wait_seconds else []
        raise AssertionError(f"folder {folder_id} never ends")

    def _repair_folder(self, folder_id: FolderId) -> None:
        try:
            self._state("repair-folder", lambda mailbox: repair_folder(mailbox, folder_id))
        except Routed as routed:
            if routed.next != "folder-repaired":
                raise Stopped(routed.error, routed.message) from routed

    def _fail_folder(self, folder_id: FolderId, routed: Routed) -> None:
        if routed.next in ("folder-failed", "may-reset-folder?"):
            runs = RunStore(self.database)
            runs.fail_folder(self._current, folder_id, routed.error, routed.message)
        elif routed.next != "folder-done":
            raise Stopped(routed.error, routed.message) from routed

    def _state(self, name: str, step: Callable[[Mailbox], T]) -> T:
        """Raises Stopped where the definition ends the run, Routed where a state follows."""
        attempts = 0
        while True:
            try:
                with self._mailbox() as mailbox:
                    return step(mailbox)
            except MailsyncError as error:
                attempts += 1
                if attempts <= self.routes.retries(name, type(error).__name__):
                    continue
                routed = Routed(self.routes.caught(name, type(error).__name__), error)
                if routed.next == "mark-failed":
                    raise Stopped(routed.error, routed.message) from error
                raise routed from error

    @contextmanager
    def _mailbox(self) -> Iterator[Mailbox]:
        """As a function opens it: a client of its own, and a connection if others are at work."""
        database = self.database if self.at_once == 1 else Database(self.settings)
        patience = Patience(self.pauses.append if self.at_once == 1 else None)
        mailbox = self._open(self._current, database, patience)
        try:
            mailbox.runs.renew_lease(self._current)
            yield mailbox
        finally:
            mailbox.provider.close()
            if database is not self.database:
                database.close()

    @contextmanager
    def _opened(self, check: Check) -> Iterator[Mailbox]:
        patience = Patience(self.pauses.append, total_s=CHECK_PATIENCE_S)
        mailbox = self._open(check.run, self.database, patience)
        try:
            yield mailbox
        finally:
            mailbox.provider.close()

    def _open(self, run: RunRef, database: Database, patience: Patience) -> Mailbox:
        provider = GraphMailbox(
            base_url=self.simulators.graph_url,
            access=self.access,
            ca_bundle=str(self.simulators.ca_bundle),
            patience=patience,
        )
        vault = self._vault
        if database is not self.database:
            vault = Vault("key", CredentialStore(database), KeyService())
        mail, runs = MailStore(database), RunStore(database)
        return Mailbox(run, self.access, provider, mail, runs, vault)

    @property
    def _current(self) -> RunRef:
        assert self._run is not None
        return self._run
