"""A sync that is stopped in the middle, on the whole stack: what is stored stays."""

from typing import Any

import httpx

from localdev.demo_account import simulator
from localdev.engine.aws_resources import aws_client
from tests.local.stack.comparison import in_mailbox, stored
from tests.local.stack.conftest import Mirror
from tests.local.stack.test_outages import a_long_sync
from tests.local.stack.waiting import when

API = "/api/email"


def ask(mirror: Mirror, method: str, path: str, **parameters: str) -> Any:
    answer = httpx.request(
        method,
        f"{mirror.stack.api_url}{API}/{path}",
        params=parameters,
        headers={"Authorization": f"Bearer {mirror.stack.token()}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_stopped_sync_ends_at_once_and_the_next_completes_exactly(mirror: Mirror) -> None:
    account_id = mirror.account.id
    run_id = a_long_sync(mirror)
    when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))
    when(lambda: ask(mirror, "GET", f"runs/{run_id}")["steps"])

    stopped = ask(mirror, "DELETE", "sync", accountId=account_id)
    simulator(mirror.stack.provider, "POST", "latency", model="none")

    assert stopped["runId"] == run_id
    assert ask(mirror, "GET", f"runs/{run_id}")["status"] == "cancelled"
    when(lambda: has_ended(mirror, run_id))
    assert ask(mirror, "GET", f"runs/{run_id}")["status"] == "cancelled"
    assert mirror.synced()["status"] == "completed"
    assert stored(mirror) == in_mailbox(mirror)
    assert ask(mirror, "GET", f"runs/{run_id}")["error"]["name"] == "ExecutionStopped"
    newest = ask(mirror, "GET", "runs", accountId=account_id)["runs"][:2]
    assert [each["status"] for each in newest] == ["completed", "cancelled"]


def has_ended(mirror: Mirror, run_id: str) -> bool:
    """The engine lets functions that are under way finish first, and then may call an execution
    that was stopped within a Map failed; `tests/api/test_stop_sync.py` sees one aborted."""
    client = aws_client("stepfunctions", mirror.stack.aws_url)
    machine = mirror.stack.lambdas.settings["MAILBOX_SYNC_ARN"]
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{run_id}"
    return str(client.describe_execution(executionArn=arn)["status"]) != "RUNNING"
