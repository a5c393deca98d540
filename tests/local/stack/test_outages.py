"""The database, the provider, a function and the network fail in mid-sync; the sync goes on."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from tests.local.mirror import Mirror, when

pytestmark = pytest.mark.long

PAGE_SIZE = "UPDATE mailsync.change_feeds SET page_size = 10 RETURNING 1"
END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    f" WHERE usename = '{FUNCTIONS_DATABASE_LOGIN_NAME}'"
)


def a_long_sync(mirror: Mirror) -> str:
    """Many small, slow pages; returns the run, which is under way."""
    mirror.rows(PAGE_SIZE)
    mirror.latency(0.15)
    mirror.control("DELETE", "requests")
    status = mirror.account.sync("full")
    run_id: str = status["runId"]
    return run_id


def finished_run(mirror: Mirror, run_id: str) -> tuple[str, list[str]]:
    """How the run ended, and what its folders failed of."""
    mirror.latency()
    mirror.finished()
    run = f"SELECT status FROM mailsync.sync_runs WHERE id = '{run_id}'"
    folders = f"SELECT error_message FROM mailsync.sync_run_folders WHERE run_id = '{run_id}'"
    failures = [each for (each,) in mirror.rows(folders) if each]
    return mirror.rows(run)[0][0], failures


@contextmanager
def outlived(mirror: Mirror) -> Iterator[str]:
    """What happens in the block happens in mid-sync of a run; the run completes all the same."""
    run_id = a_long_sync(mirror)
    when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))
    yield run_id
    assert finished_run(mirror, run_id) == ("completed", [])
    assert mirror.divergences() == []


def test_a_killed_function_is_retried_and_its_folder_goes_on(mirror: Mirror) -> None:
    with outlived(mirror) as run_id:
        pids = when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))
        os.kill(pids[0], signal.SIGKILL)

    assert mirror.failed_tasks(run_id)


def test_a_killed_database_is_waited_for(mirror: Mirror) -> None:
    assert mirror.stack.postgres_server is not None
    with outlived(mirror):
        os.kill(mirror.stack.postgres_server.pid, signal.SIGKILL)
        mirror.stack.postgres_server.start_or_restart()


def test_a_database_that_is_read_only_is_waited_for(mirror: Mirror) -> None:
    """As one with a full disk; the functions that went through it go on afterwards."""
    account = {"accountId": mirror.account.id}
    with outlived(mirror) as run_id:
        mirror.rows(
            f"ALTER ROLE {FUNCTIONS_DATABASE_LOGIN_NAME} SET default_transaction_read_only = on"
        )
        mirror.rows(END_SESSIONS)
        failures = when(lambda: mirror.failed_tasks(run_id))
        responses = [
            mirror.request("GET", "/api/health"),
            mirror.request("POST", "/api/email/sync", json=account),
        ]
        tick = mirror.stack.lambdas.invoke("start-due-syncs", b"{}")
        mirror.rows(
            f"ALTER ROLE {FUNCTIONS_DATABASE_LOGIN_NAME} RESET default_transaction_read_only"
        )

    assert {each["error"] for each in failures} == {"StoreUnavailable"}
    assert [each.status_code for each in responses] == [503, 503]
    assert json.loads(tick.payload)["errorType"] == "StoreUnavailable"
    assert not mirror.stack.lambdas.invoke("start-due-syncs", b"{}").failed
    assert mirror.synced()["status"] == "completed"


def test_a_killed_provider_is_waited_for(mirror: Mirror) -> None:
    assert mirror.stack.simulator_process is not None
    with outlived(mirror) as run_id:
        os.kill(mirror.stack.simulator_process.pid, signal.SIGKILL)
        failures = when(lambda: mirror.failed_tasks(run_id))
        mirror.stack.simulator_process.restart()

    assert {each["error"] for each in failures} == {"ProviderUnavailable"}


def test_a_cut_network_is_visible_and_only_the_failed_page_is_asked_again(mirror: Mirror) -> None:
    cut = {"fault": {"cut": "before answer"}, "times": None, "match": {"path": "messages"}}
    with outlived(mirror) as run_id:
        when(mirror.is_within_inbox)
        mirror.control("POST", "faults", rules=[cut])
        failures = when(lambda: mirror.failed_tasks(run_id))
        mirror.control("DELETE", "faults")

    assert {each["error"] for each in failures} == {"ProviderUnavailable"}
    again = mirror.pages_requested_again()
    assert again
    assert all(len(pages) == 1 for pages in again.values())
