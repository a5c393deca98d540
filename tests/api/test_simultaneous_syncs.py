"""Many callers at once, each in a process of its own as in Lambda."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext

import pytest

from mailsync.model import AccountId
from tests.api import sync_process
from tests.api.requests import Api
from tests.api.syncs import executions, start

CALLERS = 20
KEY = {"idempotency-key": "order-1"}


@pytest.mark.parametrize(
    ("headers", "running"),
    [({}, False), (KEY, False), (KEY, True)],
    ids=["no key", "a key that starts", "a key that joins"],
)
def test_twenty_simultaneous_requests_share_one_run(
    *,
    environment: pytest.MonkeyPatch,
    account_id: AccountId,
    api: Api,
    headers: dict[str, str],
    running: bool,
) -> None:
    if running:
        start(api, account_id)
    processes = forkserver(environment)
    ready, received = processes.Barrier(CALLERS), processes.SimpleQueue()
    arguments = (dict(os.environ), account_id, headers, ready, received)
    callers = [
        processes.Process(target=sync_process.start_sync, args=arguments) for _ in range(CALLERS)
    ]

    for each in callers:
        each.start()
    for each in callers:
        each.join(timeout=60)
        each.kill()

    assert {each.exitcode for each in callers} == {0}
    ((status, run_id),) = {received.get() for _ in callers}
    assert status == 202
    assert [*executions()] == [run_id]


def forkserver(environment: pytest.MonkeyPatch) -> ForkServerContext:
    """Of a server that has loaded the handler and, unlike this process, has no threads."""
    environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.api.sync_process", "boto3"])
    return processes
