"""A sync that is stopped in the middle, on the whole stack: what is stored stays."""

from typing import Any

from localdev.engine.aws_resources import make_aws_client
from tests.local.mirror import Mirror, when
from tests.local.stack.test_outages import a_long_sync


def ask(mirror: Mirror, method: str, path: str, **parameters: str) -> Any:
    response = mirror.request(method, f"/api/email/{path}", params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_stopped_sync_ends_at_once_and_the_next_completes_exactly(mirror: Mirror) -> None:
    account_id = mirror.account.id
    run_id = a_long_sync(mirror)
    when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))
    when(lambda: ask(mirror, "GET", f"runs/{run_id}")["steps"])

    stopped = ask(mirror, "DELETE", "sync", accountId=account_id)
    mirror.latency()

    assert stopped["runId"] == run_id
    assert ask(mirror, "GET", f"runs/{run_id}")["status"] == "cancelled"
    when(lambda: has_ended(mirror, run_id))
    assert ask(mirror, "GET", f"runs/{run_id}")["status"] == "cancelled"
    assert mirror.synced()["status"] == "completed"
    assert mirror.divergences() == []
    assert ask(mirror, "GET", f"runs/{run_id}")["error"]["name"] == "ExecutionStopped"
    newest = ask(mirror, "GET", "runs", accountId=account_id)["runs"][:2]
    assert [each["status"] for each in newest] == ["completed", "cancelled"]


def has_ended(mirror: Mirror, run_id: str) -> bool:
    """The engine lets functions that are under way finish first, and then may call an execution
    that was stopped within a Map failed; `tests/api/test_stop_sync.py` sees one aborted."""
    client = make_aws_client("stepfunctions", mirror.stack.aws_url)
    arn = mirror.execution_arn(run_id)
    return str(client.describe_execution(executionArn=arn)["status"]) != "RUNNING"
