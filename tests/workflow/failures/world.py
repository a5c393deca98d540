"""A simulated mailbox, a database, and the workflow between them, in this process.

The states run as `statemachine/mailbox_sync.asl.json` defines them. Only its waits are left out.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from secrets import token_bytes
from typing import Any

import pytest

from infra.catalog import MAILBOX_SYNC_WORKFLOW
from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.folders import FolderNumberOrRole
from localdev.simulators.mailbox import Mailbox as RemoteMailbox
from mailsync.credentials.vault import Vault
from mailsync.decisions.budget import MAX_TOTAL_PAUSE_PER_CHECK_S
from mailsync.errors import MailsyncError
from mailsync.model import AccessToken, Account, AccountId, RunId, SyncType
from mailsync.providers import MailProvider
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.providers.retry_budget import RetryBudget
from mailsync.runs import trigger
from mailsync.settings import Settings
from mailsync.store.check_store import Check
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.sync import mailbox
from mailsync.sync.check import CheckOutcome, CheckOutcomeAndCost, CheckWorker, check_account
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.message_ids import wrap_provider_for_stable_message_ids
from tests.support import comparison
from tests.support.clock import let_time_pass
from tests.support.comparison import ProviderForm, Things
from tests.support.execution import Execution, StartedExecutions, StateFailed
from tests.support.functions import lambda_context, load_functions
from tests.support.outlook_form import OutlookForm

LIFETIME_S = 3600
_numbers = count(1)


class KeyService:
    """Wraps a data key by doing nothing to it."""

    def generate_data_key(self, **_: Any) -> dict[str, bytes]:
        key = token_bytes(32)
        return {"CiphertextBlob": key, "Plaintext": key}

    def decrypt(self, *, CiphertextBlob: bytes, **_: Any) -> dict[str, bytes]:  # noqa: N803
        return {"Plaintext": CiphertextBlob}


class SimulatedAccess:
    """An access source that requests tokens of the simulator.

    `meanwhile` happens once, during the next request for a token; `refusal` is then raised.
    """

    def __init__(self, simulators: Simulators, remote: RemoteMailbox) -> None:
        self._simulators, self._remote = simulators, remote
        self.refusal: MailsyncError | None = None
        self.meanwhile: Callable[[], object] = _nothing
        self._access = self._issue()

    def get_current_token(self) -> AccessToken:
        happens, self.meanwhile = self.meanwhile, _nothing
        happens()
        if self.refusal:
            raise self.refusal
        return self._access

    def get_token_after_refusal(self, refused: AccessToken) -> AccessToken:
        self._access = self._issue()
        return self.get_current_token()

    def _issue(self) -> AccessToken:
        token = self._simulators.issue_microsoft_access_token(self._remote, lifetime_s=LIFETIME_S)
        return AccessToken(token, datetime.now(UTC) + timedelta(seconds=LIFETIME_S))


def _nothing() -> None:
    pass


@dataclass
class World:
    """`sync` is one execution of the workflow; everything else looks at what came of it.

    `at_once`: its Maps work on several folders at a time. `definition` may be that of an earlier
    release. `before` is what happens before each call of a handler, by the handler's name. `pauses`
    are the seconds that functions would have slept; they do sleep when several are at work, since
    then waiting is the point. `waits` are those that were left to the workflow, `requests_before`
    how many requests came before each of them.
    """

    simulators: Simulators
    remote: RemoteMailbox
    settings: Settings
    database: Database
    account_id: AccountId
    at_once: bool = False
    definition: str = MAILBOX_SYNC_WORKFLOW.asl_text

    def __post_init__(self) -> None:
        self.form: ProviderForm = OutlookForm(self.remote)
        self.access = SimulatedAccess(self.simulators, self.remote)
        self.pauses: list[float] = []
        self.waits: list[float] = []
        self.requests_before: list[int] = []
        self.started: list[RunId] = []
        self.executions = StartedExecutions()
        self.before: dict[str, Callable[[], object]] = {}
        self._functions = load_functions()
        self._of_thread = threading.local()
        self.forget_keys()

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """The functions of this process work on this world."""
        for module in (mailbox, trigger, *self._functions.values()):
            patch.setattr(module, "open_database", self._open_database, raising=False)
        patch.setattr(trigger, "StepFunctions", lambda: self.executions)
        patch.setattr(mailbox, "load_settings", lambda: self.settings)
        patch.setattr(mailbox, "open_encryption_vault", self._open_vault)
        patch.setattr(mailbox, "make_access_token_source", lambda *_: self.access)
        patch.setattr(mailbox, "load_provider_kit", lambda _: self)

    def forget_keys(self) -> None:
        """As a function that has just been started knows none."""
        self._vault = Vault("key", CredentialStore(self.database), KeyService())

    def inject_fault(
        self, path: str = "", *, times: int | None = 1, rate: float = 1, **fault: Any
    ) -> FaultRule:
        """From now on, requests whose path and query match are answered with this fault."""
        rule = FaultRule(fault=Fault(**fault), path=path, times=times, rate=rate)
        self.simulators.service.faults.add_rules(rule)
        return rule

    def clear_faults(self) -> None:
        self.simulators.service.faults.remove_all_rules()

    def switch(self, **switches: Any) -> None:
        self.simulators.service.set_microsoft_behaviour_switches(**switches)

    def sync(self, sync_type: SyncType = SyncType.AUTOMATIC) -> str:
        """Runs the workflow once; `completed`, or the name under which it failed."""
        return self.resume(RunId(f"run-{next(_numbers):06}"), sync_type)

    def resume(self, run_id: RunId, sync_type: SyncType = SyncType.AUTOMATIC) -> str:
        """The execution of that name and its successors, as `sync`; its run may have been left to
        it."""
        state = {"accountId": self.account_id, "syncType": sync_type, "trigger": "test"}
        self.executions.start_execution("", run_id, state)
        for name, started in self.executions:
            execution = Execution(name, name, self.invoke, list, self.at_once, self._wait)
            with suppress(StateFailed):
                execution.run(self.definition, started)
        status, error = self.one(
            f"SELECT status, error FROM mailsync.sync_runs WHERE id = '{run_id}'"
        )
        assert status in ("completed", "failed"), f"the run has no outcome: {status}"
        return "completed" if status == "completed" else str(error)

    def mirrors(self, sync_type: SyncType = SyncType.AUTOMATIC) -> bool:
        """One sync completes, and the rows are what the mailbox holds."""
        assert self.sync(sync_type) == "completed"
        return self.is_mirrored()

    def check(self) -> CheckOutcomeAndCost:
        """One check of `sync-accounts`; `started` keeps the runs that it leaves to an execution."""
        return check_account(self.worker, self.account_id, lambda: 150.0)

    def check_during(self, happens: Callable[[], object]) -> CheckOutcome:
        """The outcome of a check during whose first request something else happens."""
        self.access.meanwhile = happens
        return self.check().outcome

    def hand_over(self) -> str:
        """One check, which leaves its run to an execution; how that ends."""
        assert self.check().outcome is CheckOutcome.HANDED_TO_EXECUTION
        return self.resume(self.started[-1])

    def check_to_the_end(self) -> CheckOutcomeAndCost:
        """Checks, and the executions that they ask for, until one asks for none."""
        while (checked := self.check()).outcome is CheckOutcome.HANDED_TO_EXECUTION:
            assert self.resume(self.started[-1]) == "completed"
        return checked

    @property
    def worker(self) -> CheckWorker:
        return CheckWorker(
            self.database, self._opened, lambda _, run_id: self.started.append(run_id)
        )

    def let_time_pass(self, hours: float) -> None:
        """As if all that is stored had happened so many hours earlier."""
        let_time_pass(self.rows, hours)

    def _wait(self, seconds: float) -> None:
        """A pause of the workflow, which passes at once."""
        self.waits.append(seconds)
        self.requests_before.append(len(self.simulators.service.log.records()))
        self.rows(
            "UPDATE mailsync.email_accounts SET throttled_until ="
            f" throttled_until - make_interval(secs => {seconds}) RETURNING 1"
        )

    def stored(self) -> Things:
        """The messages that readers see."""
        return comparison.stored(self.rows, self.account_id)

    def in_mailbox(self) -> Things:
        """What `stored` returns when all of the mailbox is stored."""
        return comparison.in_mailbox(self.remote, self.form)

    def is_mirrored(self) -> bool:
        """Shows the difference when it is asserted."""
        assert self.stored() == self.in_mailbox()
        return True

    def newest(self, folder: str = "inbox") -> int:
        """The number of its newest message in the mailbox."""
        return self.remote.list_messages_in_folders(folder)[0].message_number

    def id_of(self, message: int) -> str:
        """The provider's id of a message of the mailbox."""
        return self.form.message_id(message)

    def folder_id(self, folder: FolderNumberOrRole) -> str:
        """The provider's id of a folder of the mailbox."""
        return self.form.folder_id(folder)

    def stores(self, message: int) -> bool:
        """Whether readers see the message."""
        return self.id_of(message) in self.stored()

    def lose(self, message: int | None = None) -> None:
        """Delete its row, or that of any, behind the product's back."""
        any_id = "(SELECT min(message_id) FROM mailsync.emails)"
        lost = any_id if message is None else f"'{self.id_of(message)}'"
        self.rows(f"DELETE FROM mailsync.emails WHERE message_id = {lost}")

    def rows(self, sql: str) -> list[list[Any]]:
        with self.database.transaction() as tx:
            tx._connection.run("SET LOCAL mailsync.writes_placements = 'off'")
            return tx._connection.run(sql) or []

    def one(self, sql: str) -> list[Any]:
        return self.rows(sql)[0]

    def invoke(self, placeholder: str, event: Any) -> Any:
        function = self._functions[placeholder]
        if before := self.before.get(function.__name__.removeprefix("handlers.")):
            before()
        with ExitStack() as opened:
            if self.at_once:  # as a function has it, whatever others do
                self._of_thread.database = opened.enter_context(closing(Database(self.settings)))
            try:
                result = function.handler(json.loads(json.dumps(event)), lambda_context())
                return json.loads(json.dumps(result))
            except MailsyncError as error:
                cause = json.dumps({"errorMessage": str(error)})
                raise StateFailed(type(error).__name__, cause) from error

    def _open_database(self) -> Database:
        return self._of_thread.database if self.at_once else self.database

    def _open_vault(self) -> Vault:
        if self.at_once:
            return Vault("key", CredentialStore(self._open_database()), KeyService())
        return self._vault

    def open_mailbox(self, account: Account, *_: object, **__: object) -> MailProvider:
        """As the provider's kit does, with the pauses of this world."""
        budget = RetryBudget(None if self.at_once else self.pauses.append)
        return self.provider(budget, account.max_requests_in_flight)

    @contextmanager
    def _opened(self, check: Check) -> Iterator[Mailbox]:
        budget = RetryBudget(self.pauses.append, total_s=MAX_TOTAL_PAUSE_PER_CHECK_S)
        provider = wrap_provider_for_stable_message_ids(
            self.provider(budget, check.account.max_requests_in_flight),
            check.run_ref,
            self.database,
        )
        with closing(provider):
            yield Mailbox(
                check.run_ref,
                self.access,
                provider,
                self.database,
                self._vault,
                provider.max_requests_in_flight,
            )

    def provider(self, budget: RetryBudget, max_in_flight: int | None) -> MailProvider:
        return GraphMailbox(
            base_url=self.simulators.graph_url,
            access=self.access,
            ca_bundle=str(self.simulators.ca_bundle),
            budget=budget,
            max_in_flight=max_in_flight,
        )
