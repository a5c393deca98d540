"""The whole product, started as `make dev` starts it, on free ports and in a folder of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from localdev.demo_account import DemoAccount, connect, simulator
from localdev.engine.aws_resources import aws_client
from localdev.simulators.service import TENANT_ID
from localdev.stack import Stack
from mailsync.settings import Settings
from mailsync.store.connection import connect as connect_database
from tests.local.stack.waiting import when
from tests.support.app_certificate import app_certificate
from tests.support.small_stack import small_stack


@dataclass(frozen=True)
class Mirror:
    """A running stack with a connected account."""

    stack: Stack
    account: DemoAccount

    def finished(self) -> dict[str, Any]:
        """The status once no run is open."""

        def idle() -> dict[str, Any] | None:
            status = self.account.status()
            return status if status["runId"] is None else None

        return when(idle)

    def synced(self) -> dict[str, Any]:
        """Asks for a sync and waits for its end; returns its run."""
        run_id = self.account.sync()["runId"]
        self.finished()
        names = "id, status, requests, error"
        found = self.rows(f"SELECT {names} FROM mailsync.sync_runs WHERE id = '{run_id}'")[0]
        return dict(zip(names.split(", "), found, strict=True))

    def rows(self, sql: str) -> list[list[Any]]:
        connection = connect_database(Settings({"DATABASE_URL": self.stack.database_url}))
        try:
            return connection.run(sql) or []
        finally:
            connection.close()

    def answer(self, method: str, path: str) -> int:
        """The status of a request about the account."""
        account = {"accountId": self.account.id}
        body = account if method == "POST" else None
        token = {"Authorization": f"Bearer {self.stack.token()}"}
        url = f"{self.stack.api_url}{path}"
        return httpx.request(method, url, json=body, headers=token, timeout=60).status_code

    def simulate(self, action: str, **fields: Any) -> Any:
        """Something happens in the simulated mailbox."""
        provider = self.stack.provider
        return simulator(provider, "POST", action, mailbox=self.account.address, **fields)

    @property
    def _machine(self) -> str:
        return self.stack.lambdas.settings["MAILBOX_SYNC_ARN"]

    def executions(self) -> list[str]:
        """The names of all that the engine knows."""
        client = aws_client("stepfunctions", self.stack.aws_url)
        found = client.list_executions(stateMachineArn=self._machine)["executions"]
        return [each["name"] for each in found]

    def history(self, run_id: str) -> list[dict[str, Any]]:
        """The execution's history, as plain boto3 reads it."""
        client = aws_client("stepfunctions", self.stack.aws_url)
        arn = f"{self._machine.replace(':stateMachine:', ':execution:')}:{run_id}"
        found: list[dict[str, Any]] = client.get_execution_history(
            executionArn=arn, maxResults=1000, includeExecutionData=True
        )["events"]
        return found


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """Connected by an app that has a certificate, and its first sync finished; administrators may
    connect mailboxes of the simulated organisation."""
    with small_stack(tmp_path_factory.mktemp("stack")) as stack:
        certificate = app_certificate()
        simulator(stack.provider, "POST", "app-certificates", pem=certificate)
        stack.lambdas.settings["MICROSOFT_CLIENT_CERTIFICATE"] = certificate
        stack.lambdas.settings["MICROSOFT_TENANTS"] = TENANT_ID
        opened = Mirror(stack, connect(stack.api_url, stack.provider, stack.token()))
        opened.finished()
        yield opened
