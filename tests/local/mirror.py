"""A running stack with a connected mailbox, and what tests do to its parts."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import httpx
import jwt

from infra.catalog import ROUTES
from localdev.demo_account import DemoAccount, connect, simulator
from localdev.engine.aws_resources import make_aws_client
from localdev.simulators.service import SharedSimulatorState
from localdev.stack import Stack
from mailsync.settings import Settings
from mailsync.store.connection import connect as connect_database
from tests.support.comparison import divergences

LIMIT_S = 120
POLL_INTERVAL_S = 0.15  # a status is answered by two functions: polling costs what it measures
OF_A_SIGN_IN = {each.function_name for each in ROUTES} | {"get-access-token", "renew-subscriptions"}
T = TypeVar("T")


def when(condition: Callable[[], T | None]) -> T:
    """Return what the condition returns once it is true; AssertionError after two minutes."""
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"Still {found!r} after {LIMIT_S} s."
        time.sleep(POLL_INTERVAL_S)
    return found


@dataclass(frozen=True)
class Mirror:
    stack: Stack
    account: DemoAccount

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Connect the stack's first mailbox and wait for the end of its first sync."""
        mirror = cls(stack, connect(stack.api_url, stack.provider, stack.token()))
        mirror.finished()
        return mirror

    def finished(self) -> dict[str, Any]:
        """Return the status once no run is open."""

        def idle() -> dict[str, Any] | None:
            status = self.account.status()
            return status if status["runId"] is None else None

        return when(idle)

    def synced(self) -> dict[str, Any]:
        """Start a sync and wait for its end; return its run."""
        run_id = self.account.sync()["runId"]
        self.finished()
        names = "id, status, requests, error"
        found = self.rows(f"SELECT {names} FROM mailsync.sync_runs WHERE id = '{run_id}'")[0]
        return dict(zip(names.split(", "), found, strict=True))

    def rows(self, sql: str, **parameters: Any) -> list[list[Any]]:
        with closing(connect_database(Settings({"DATABASE_URL": self.stack.database_url}))) as line:
            return line.run(sql, **parameters) or []

    def divergences(self) -> list[str]:
        """Return one line for each thing in which the tables and the simulated mailbox differ."""
        settings = Settings({"DATABASE_URL": self.stack.database_url})
        service = SharedSimulatorState(self.stack.data / "simulators")
        with closing(service.database), closing(connect_database(settings)) as tables:
            mailbox = service.find_mailbox(self.account.address)
            return divergences(tables, self.account.id, mailbox)

    def headers_of(self, user: str, **claims: Any) -> dict[str, str]:
        """Return what a request of this user carries."""
        secret = self.stack.lambdas.settings["JWT_SECRET"]
        payload = {"sub": user, "exp": int(time.time()) + 3600, **claims}
        return {"Authorization": f"Bearer {jwt.encode(payload, secret, algorithm='HS256')}"}

    def connect_other(self, address: str, user: str) -> DemoAccount:
        """Connect a new simulated mailbox as that user's."""
        self.control("POST", "mailboxes", address=address, display_name=user)
        token = self.headers_of(user)["Authorization"].removeprefix("Bearer ")
        return connect(self.stack.api_url, self.stack.provider, token, address)

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Send a request of the demo user to the API."""
        headers = {"Authorization": f"Bearer {self.stack.token()}"}
        url = f"{self.stack.api_url}{path}"
        return httpx.request(method, url, headers=headers, timeout=60, **arguments)

    def invoke(self, function: str) -> Any:
        """Invoke a function that succeeds, with an empty event; return its result."""
        result = self.stack.lambdas.invoke(function, b"{}")
        assert not result.failed, result.payload
        return httpx.Response(200, content=result.payload).json()

    def reload(self, **settings: str | None) -> None:
        """Change settings of a sign-in, None to remove one, and end the functions that know the old
        ones."""
        for name, value in settings.items():
            if value is None:
                self.stack.lambdas.settings.pop(name, None)
            else:
                self.stack.lambdas.settings[name] = value
        self.stack.lambdas.retire_function_execution_environments(OF_A_SIGN_IN)

    def control(self, method: str, action: str, **fields: Any) -> Any:
        """Call an action of the simulators' back door."""
        return simulator(self.stack.provider, method, action, **fields)

    def simulate(self, action: str, **fields: Any) -> Any:
        """Do something in the simulated mailbox."""
        return self.control("POST", action, mailbox=self.account.address, **fields)

    def latency(self, fixed_s: float = 0) -> None:
        """Let every request to the provider take this long."""
        self.control("POST", "latency", fixed_s=fixed_s)

    def followed_links(self) -> list[tuple[str, str]]:
        """Return path and query of each request for a page behind a folder's first one."""
        requests = self.control("GET", "requests")
        return [(each["path"], each["query"]) for each in requests if each["link"] == "next"]

    def is_within_inbox(self) -> bool:
        """Return whether a sync has got behind the first page of an inbox."""
        inboxes = self.rows("SELECT remote_id FROM mailsync.email_folders WHERE role = 'inbox'")
        return any(inbox in path for path, _ in self.followed_links() for (inbox,) in inboxes)

    def pages_requested_again(self) -> dict[str, set[str]]:
        """Return the pages that were requested more than once, by the path of their folder."""
        again: dict[str, set[str]] = defaultdict(set)
        for (path, page), times in Counter(self.followed_links()).items():
            if times > 1:
                again[path].add(page)
        return again

    @property
    def _machine(self) -> str:
        return self.stack.lambdas.settings["MAILBOX_SYNC_ARN"]

    def executions(self) -> list[str]:
        """Return the names of all executions that the engine knows."""
        client = make_aws_client("stepfunctions", self.stack.aws_url)
        found = client.list_executions(stateMachineArn=self._machine)["executions"]
        return [each["name"] for each in found]

    def execution_arn(self, run_id: str) -> str:
        return f"{self._machine.replace(':stateMachine:', ':execution:')}:{run_id}"

    def history(self, run_id: str) -> list[dict[str, Any]]:
        """Return the execution's history, as plain boto3 reads it."""
        client = make_aws_client("stepfunctions", self.stack.aws_url)
        found: list[dict[str, Any]] = client.get_execution_history(
            executionArn=self.execution_arn(run_id), maxResults=1000, includeExecutionData=True
        )["events"]
        return found

    def failed_tasks(self, run_id: str) -> list[dict[str, Any]]:
        """Return the details of each task of the run that has failed."""
        key = "taskFailedEventDetails"
        return [event[key] for event in self.history(run_id) if key in event]
