"""Many who ask at once, each in a process of its own as in Lambda."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext

import boto3
import pytest

from tests.api import other_process
from tests.api.conftest import Ask, Connect

ASKING = 20


KEY = {"idempotency-key": "order-1"}


@pytest.mark.parametrize(
    ("headers", "running"),
    [({}, False), (KEY, False), (KEY, True)],
    ids=["no key", "a key that starts", "a key that joins"],
)
def test_twenty_simultaneous_requests_share_one_run(
    *,
    environment: pytest.MonkeyPatch,
    connect_account: Connect,
    ask: Ask,
    headers: dict[str, str],
    running: bool,
) -> None:
    account_id = connect_account()
    if running:
        ask("POST /api/email/sync", body={"accountId": account_id})
    processes = forkserver(environment)
    ready, answers = processes.Barrier(ASKING), processes.SimpleQueue()
    said = (dict(os.environ), account_id, headers, ready, answers)
    callers = [processes.Process(target=other_process.start_sync, args=said) for _ in range(ASKING)]

    for each in callers:
        each.start()
    for each in callers:
        each.join(timeout=60)
        each.kill()

    assert {each.exitcode for each in callers} == {0}
    ((status, run_id),) = {answers.get() for _ in callers}
    assert status == 202
    started = boto3.client("stepfunctions").list_executions(
        stateMachineArn=os.environ["MAILBOX_SYNC_ARN"]
    )["executions"]
    assert [each["name"] for each in started] == [run_id]


def forkserver(environment: pytest.MonkeyPatch) -> ForkServerContext:
    """Of a server that has loaded the handler and, unlike this process, has no threads."""
    environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.api.other_process", "boto3"])
    return processes
