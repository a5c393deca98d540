"""The database, the provider, a function and the network fail in mid-sync; the sync goes on."""

import json
import os
import signal
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from localdev.demo_account import simulator
from localdev.stack import FUNCTIONS_LOGIN
from tests.local.stack.comparison import in_mailbox, stored
from tests.local.stack.conftest import Mirror
from tests.local.stack.waiting import when

PAGE_SIZE = "UPDATE mailsync.folder_cursors SET page_size = 10 RETURNING 1"
SLOW = {"fixed_s": 0.15}
END_SESSIONS = (
    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{FUNCTIONS_LOGIN}'"
)


def a_long_sync(mirror: Mirror) -> str:
    """Many small, slow pages; returns the run, which is under way."""
    mirror.rows(PAGE_SIZE)
    simulator(mirror.stack.provider, "POST", "latency", **SLOW)
    simulator(mirror.stack.provider, "DELETE", "requests")
    status = mirror.account.sync("full")
    run_id: str = status["runId"]
    return run_id


def finished_run(mirror: Mirror, run_id: str) -> tuple[str, list[str]]:
    """How the run ended, and what its folders failed of."""
    simulator(mirror.stack.provider, "POST", "latency", model="none")
    mirror.finished()
    run = f"SELECT status FROM mailsync.sync_runs WHERE id = '{run_id}'"
    folders = f"SELECT error_message FROM mailsync.sync_run_folders WHERE run_id = '{run_id}'"
    failures = [each for (each,) in mirror.rows(folders) if each]
    return mirror.rows(run)[0][0], failures


def test_a_killed_function_is_retried_and_its_folder_goes_on(mirror: Mirror) -> None:
    run_id = a_long_sync(mirror)

    pids = when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))
    os.kill(pids[0], signal.SIGKILL)

    assert finished_run(mirror, run_id) == ("completed", [])
    assert stored(mirror) == in_mailbox(mirror)


def test_a_killed_database_is_waited_for(mirror: Mirror) -> None:
    run_id = a_long_sync(mirror)
    when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))
    assert mirror.stack.postgres is not None

    os.kill(mirror.stack.postgres.pid, signal.SIGKILL)
    mirror.stack.postgres.restart()

    assert finished_run(mirror, run_id) == ("completed", [])
    assert stored(mirror) == in_mailbox(mirror)


def test_a_database_that_is_read_only_is_waited_for(mirror: Mirror) -> None:
    """As one with a full disk; the functions that went through it go on afterwards."""
    run_id = a_long_sync(mirror)
    when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))

    mirror.rows(f"ALTER ROLE {FUNCTIONS_LOGIN} SET default_transaction_read_only = on")
    mirror.rows(END_SESSIONS)
    failures = when(lambda: failed_tasks(mirror, run_id))
    seen = [mirror.answer("GET", "/api/health"), mirror.answer("POST", "/api/email/sync")]
    tick = mirror.stack.lambdas.invoke("start-due-syncs", b"{}")
    mirror.rows(f"ALTER ROLE {FUNCTIONS_LOGIN} RESET default_transaction_read_only")

    assert {each["error"] for each in failures} == {"StoreUnavailable"}
    assert seen == [503, 503]
    assert json.loads(tick.payload)["errorType"] == "StoreUnavailable"
    assert finished_run(mirror, run_id) == ("completed", [])
    assert stored(mirror) == in_mailbox(mirror)
    assert not mirror.stack.lambdas.invoke("start-due-syncs", b"{}").failed
    assert mirror.synced()["status"] == "completed"


def test_a_killed_provider_is_waited_for(mirror: Mirror) -> None:
    run_id = a_long_sync(mirror)
    when(lambda: mirror.stack.lambdas.pids("sync-folder", busy=True))
    assert mirror.stack.simulators is not None

    os.kill(mirror.stack.simulators.pid, signal.SIGKILL)
    failures = when(lambda: failed_tasks(mirror, run_id))
    mirror.stack.simulators.restart()

    assert {each["error"] for each in failures} == {"ProviderUnavailable"}
    assert finished_run(mirror, run_id) == ("completed", [])
    assert stored(mirror) == in_mailbox(mirror)


def test_a_cut_network_is_visible_and_only_the_failed_page_is_asked_again(
    mirror: Mirror,
) -> None:
    run_id = a_long_sync(mirror)
    inbox = mirror.rows("SELECT remote_id FROM mailsync.email_folders WHERE role = 'inbox'")[0][0]
    when(lambda: any(inbox in path for path, _ in pages_asked_for(mirror)))

    cut = {"fault": {"cut": "before answer"}, "times": None, "match": {"path": "messages"}}
    simulator(mirror.stack.provider, "POST", "faults", rules=[cut])
    failures = when(lambda: failed_tasks(mirror, run_id))
    simulator(mirror.stack.provider, "DELETE", "faults")

    assert {each["error"] for each in failures} == {"ProviderUnavailable"}
    assert finished_run(mirror, run_id) == ("completed", [])
    assert stored(mirror) == in_mailbox(mirror)
    again = asked_again(mirror)
    assert again
    assert all(len(pages) == 1 for pages in again.values())


def failed_tasks(mirror: Mirror, run_id: str) -> list[dict[str, Any]]:
    events = mirror.history(run_id)
    return [
        event["taskFailedEventDetails"] for event in events if "taskFailedEventDetails" in event
    ]


def pages_asked_for(mirror: Mirror) -> list[tuple[str, str]]:
    """The folder's path and the page, of each request for a page behind a folder's first."""
    seen = simulator(mirror.stack.provider, "GET", "requests")
    return [(each["path"], each["query"]) for each in seen if each["link"] == "next"]


def asked_again(mirror: Mirror) -> dict[str, set[str]]:
    """The pages of each folder that were asked for more than once."""
    again: dict[str, set[str]] = defaultdict(set)
    for (path, page), times in Counter(pages_asked_for(mirror)).items():
        if times > 1:
            again[path].add(page)
    return again


def test_of_forty_simultaneous_starts_one_works_and_all_are_told_its_run(mirror: Mirror) -> None:
    mirror.finished()
    # The one sync must outlast forty functions that start on a small machine.
    simulator(mirror.stack.provider, "POST", "latency", fixed_s=5)
    before = mirror.rows("SELECT count(*) FROM mailsync.sync_runs")[0][0]

    with ThreadPoolExecutor(40) as callers:
        told = set(callers.map(lambda _: mirror.account.sync()["runId"], range(40)))

    assert len(told) == 1
    assert finished_run(mirror, told.pop()) == ("completed", [])
    assert mirror.rows("SELECT count(*) FROM mailsync.sync_runs")[0][0] == before + 1
