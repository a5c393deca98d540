"""Many callers at once, each in a process of its own as in Lambda."""

import multiprocessing
import os
import sys

import pytest

from tests.api import sync_process
from tests.api.conftest import Connect
from tests.api.requests import Api
from tests.api.syncs import executions, start

CALLERS = 20
KEY = {"idempotency-key": "order-1"}


def test_twenty_simultaneous_requests_share_one_run(
    api: Api, connect_account: Connect, environment: pytest.MonkeyPatch
) -> None:
    """Without a key, with one that starts the run, and with one that joins a run."""
    without, starting, joining = (connect_account(provider_account_id=each) for each in "abc")
    running = start(api, joining).json["runId"]
    headers = {without: {}, starting: KEY, joining: KEY}
    # The server has loaded the handler and, unlike this process, has no threads.
    environment.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.api.sync_process", "boto3"])
    ready, received = processes.Barrier(CALLERS), processes.SimpleQueue()
    arguments = (dict(os.environ), headers, ready, received)
    callers = [
        processes.Process(target=sync_process.start_syncs, args=arguments) for _ in range(CALLERS)
    ]

    for each in callers:
        each.start()
    for each in callers:
        each.join(timeout=60)
        each.kill()

    assert {each.exitcode for each in callers} == {0}
    responses = {received.get() for _ in range(CALLERS * len(headers))}
    assert sorted((each, status) for each, status, _ in responses) == sorted(
        (each, 202) for each in headers
    )
    assert {run_id for *_, run_id in responses} == executions().keys()
    assert (joining, 202, running) in responses
