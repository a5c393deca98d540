"""The dashboard's data and actions on the whole stack, as its pages ask for them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from moto.server import ThreadedMotoServer

from dashboard.changes import MAX_LONG_POLL_DURATION_S
from localdev.engine.aws_resources import LOCAL_CREDENTIALS, make_aws_client
from tests.local.mirror import Mirror, when

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def pages(mirror: Mirror) -> Iterator[httpx.Client]:
    """A browser that stands on a page of the dashboard."""
    url = f"{mirror.stack.dashboard_server.url}/data/"
    with httpx.Client(base_url=url, headers=OWN_PAGE, timeout=60) as client:
        yield client


def get(pages: httpx.Client, path: str, **query: Any) -> Any:
    return pages.get(path, params=query).raise_for_status().json()


def act(pages: httpx.Client, name: str, **fields: Any) -> Any:
    return pages.post(f"actions/{name}", json=fields).raise_for_status().json()


def finished(pages: httpx.Client, run_id: str) -> Any:
    when(lambda: get(pages, f"runs/{run_id}")["status"] not in ("queued", "running"))
    return get(pages, f"runs/{run_id}")


def test_the_simulators_panel_injects_faults_and_takes_them_back(
    mirror: Mirror, pages: httpx.Client
) -> None:
    """Throttled, the sync would wait for 30 s."""
    for action in ("cut-network", "throttle", "restore-network"):
        act(pages, action)

    run = finished(pages, act(pages, "sync", accountId=mirror.account.id)["runId"])

    assert run["status"] == "completed"
    assert not any(each["attempts"][1:] for each in run["steps"])


def test_a_message_is_moved_and_marked_as_read_where_the_mail_is(
    mirror: Mirror, pages: httpx.Client
) -> None:
    act(pages, "deliver", address=mirror.account.address, subject="To be moved")
    finished(pages, act(pages, "sync", accountId=mirror.account.id)["runId"])
    found = mirror.rows("SELECT id FROM mailsync.emails WHERE subject = 'To be moved'")
    folders = get(pages, f"accounts/{mirror.account.id}")["folders"]
    archive = next(each for each in folders if each["role"] == "archive")

    act(pages, "move", messageId=found[0][0], destination=archive["id"])
    act(pages, "mark-read", messageId=found[0][0])
    finished(pages, act(pages, "sync", accountId=mirror.account.id)["runId"])

    message = get(pages, f"messages/{found[0][0]}")
    assert (message["folder"], message["isRead"]) == (archive["displayName"], True)


def test_a_page_that_waits_hears_of_a_change_at_once(mirror: Mirror, pages: httpx.Client) -> None:
    version = get(pages, "changes")["version"]
    assert get(pages, "changes", since=version - 1)["version"] == version

    with ThreadPoolExecutor(1) as waiting:
        heard = waiting.submit(get, pages, "changes", since=version)
        run_id = mirror.account.sync()["runId"]
        began = time.monotonic()

        assert heard.result()["version"] > version
        assert time.monotonic() - began < MAX_LONG_POLL_DURATION_S / 2
    finished(pages, run_id)


LOST = """
INSERT INTO mailsync.sync_runs (id, account_id, sync_type, trigger, status, execution_arn)
SELECT 'lost', id, 'auto', 'schedule', 'running',
       'arn:aws:states:eu-central-1:123456789012:execution:mailbox-sync:lost'
  FROM mailsync.email_accounts RETURNING 1"""
NO_LONGER_LOST = "DELETE FROM mailsync.sync_runs WHERE id = 'lost' RETURNING 1"


def test_a_run_whose_execution_the_stack_has_forgotten_stops_no_live_update(
    mirror: Mirror, pages: httpx.Client
) -> None:
    """After a restart of the stack such a run is open until the schedule closes it."""
    version = get(pages, "changes")["version"]
    mirror.rows(LOST)
    try:
        assert get(pages, "changes", since=version)["version"] > version
        assert "forgotten" in get(pages, "runs/lost")["next"]["what"]
    finally:
        mirror.rows(NO_LONGER_LOST)


def test_an_event_is_seen_with_the_run_that_it_started(pages: httpx.Client) -> None:
    sent = act(pages, "event", type="test/sync", detail={})

    when(lambda: seen_event(pages, sent["eventId"])["runId"])
    event = seen_event(pages, sent["eventId"])
    assert (event["direction"], event["type"]) == ("in", "test/sync")
    assert event["runId"] == sent["eventId"]
    run = finished(pages, event["runId"])
    assert (run["workflow"], run["status"]) == ("test-sync", "completed")


def seen_event(pages: httpx.Client, event_id: str) -> Any:
    return next(each for each in get(pages, "events")["events"] if each["id"] == event_id)


def test_a_paused_account_says_so_and_goes_on_when_it_is_resumed(
    mirror: Mirror, pages: httpx.Client
) -> None:
    act(pages, "pause", accountId=mirror.account.id)
    paused = get(pages, f"accounts/{mirror.account.id}")
    act(pages, "resume", accountId=mirror.account.id)

    assert (paused["status"], paused["nextSyncAt"]) == ("paused", None)
    assert get(pages, f"accounts/{mirror.account.id}")["status"] == "active"


def test_what_is_deployed_is_shown_with_its_retries_and_triggers(pages: httpx.Client) -> None:
    deployed = get(pages, "functions")

    assert [each["name"] for each in deployed["workflows"]] == ["mailbox-sync", "test-sync"]
    errors = {each for rule in deployed["workflows"][0]["retries"] for each in rule["errors"]}
    assert {"ProviderUnavailable", "ProviderThrottled"} <= errors
    triggers = {each["name"]: each["trigger"] for each in deployed["functions"]}
    assert triggers["sync-folder"] == "workflow mailbox-sync"
    assert triggers["start-due-syncs"] == "every 1 min"
    assert "" not in triggers.values()


def test_a_deployed_stage_is_found_by_its_stacks_and_only_read(
    mirror: Mirror, aws_url: str
) -> None:
    """The stack plays the stage: its own engine and database behind outputs and a secret."""
    deploy(mirror, aws_url, "prod")
    options = ("--stage", "prod", "--dashboard-port", "0")
    command = [sys.executable, "-m", "dashboard", *options]
    aws = {**LOCAL_CREDENTIALS, "AWS_ENDPOINT_URL": aws_url}
    process = subprocess.Popen(
        command, env={**os.environ, **aws, "PYTHONPATH": "lambdas:."}, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0].decode()
        with httpx.Client(base_url=url.partition("?")[0] + "data/", timeout=60) as pages:
            pages.get(url)
            found = get(pages, "runs", trigger="connect")["runs"][0]
            run = get(pages, f"runs/{found['id']}")
            refused = pages.post("actions/sync", json={"accountId": mirror.account.id})
            overview = get(pages, "overview")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.communicate()

    assert len(run["steps"]) > 3
    assert (overview["stage"], overview["simulated"]) == ("prod", False)
    assert (refused.status_code, process.returncode) == (403, 0)


@pytest.fixture
def aws_url() -> Iterator[str]:
    """Of moto's own server, which offers what the stack's endpoint does not; the state of both is
    that of this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def deploy(mirror: Mirror, aws_url: str, stage: str) -> None:
    """Both stacks, with the outputs that the dashboard reads."""
    settings = mirror.stack.lambdas.settings
    client = make_aws_client("secretsmanager", aws_url)
    secret = json.dumps({"DATABASE_URL": mirror.stack.database_url})
    arn = client.create_secret(Name=f"settings-{stage}", SecretString=secret)["ARN"]
    outputs = {
        "Stateful": {"SettingsSecretArn": arn},
        "Sync": {
            "ApiUrl": mirror.stack.api_url,
            "MailboxSyncArn": settings["MAILBOX_SYNC_ARN"],
            "TestSyncArn": settings["TEST_SYNC_ARN"],
        },
    }
    for name, values in outputs.items():
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {key: {"Value": value} for key, value in values.items()},
        }
        make_aws_client("cloudformation", aws_url).create_stack(
            StackName=f"Mailsync-{stage}-{name}", TemplateBody=json.dumps(template)
        )
