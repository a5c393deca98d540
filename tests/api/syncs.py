"""Runs of the workflow and their executions, without its functions."""

import os
import time
from typing import Any

import boto3

from mailsync.model import AccountId, RunId, RunRef, SyncType, Upsert
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from tests.api.requests import Api, ApiResponse
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

START, STOP, STATUS = (f"{method} /api/email/sync" for method in ("POST", "DELETE", "GET"))


def start(api: Api, account_id: AccountId, key: str | None = None, **body: Any) -> ApiResponse:
    headers = {"idempotency-key": key} if key else {}
    return api(START, body={"accountId": account_id, **body}, headers=headers)


def begin_run(
    database: Database,
    account_id: AccountId,
    run_id: str = "r1",
    arn: str | None = None,
    sync_type: SyncType = SyncType.AUTOMATIC,
) -> RunRef:
    """Begin a run that the API has started, or a new one."""
    run, owner = RunId(run_id), arn or f"arn-{run_id}"
    epoch = LeaseStore(database).take_lease(account_id, run, owner, sync_type, "api")
    assert epoch is not None
    return RunRef(account_id, run, epoch)


def begin_sync(api: Api, account_id: AccountId, database: Database) -> RunRef:
    """Start a sync and begin its run, which then holds the lease."""
    accepted = start(api, account_id).json
    return begin_run(
        database, account_id, accepted["runId"], accepted["executionArn"], SyncType.MANUAL
    )


def store_four_messages(database: Database, run: RunRef) -> None:
    """Three in F1 and one in F2; a data key must exist."""
    folders = FolderStore(database)
    folders.save_tree_changes(run, [a_remote_folder("F1"), a_remote_folder("F2")], [])
    for folder, names in zip(
        folders.read_existing_folders(run.account_id), ["abc", "d"], strict=True
    ):
        messages = [Upsert(a_message(name, folder.ref.remote_id)) for name in names]
        MailStore(database).write_page(run, a_page_write(folder.feed, a_page(*messages)))


def executions(setting: str = "MAILBOX_SYNC_ARN") -> dict[str, dict[str, Any]]:
    """Describe each execution of the state machine by its name."""
    client = boto3.client("stepfunctions")
    listed = client.list_executions(stateMachineArn=os.environ[setting])["executions"]
    return {
        each["name"]: client.describe_execution(executionArn=each["executionArn"])
        for each in listed
    }


def kill_execution(arn: str) -> None:
    """End the execution, and wait until it has ended, which moto's thread does later."""
    client = boto3.client("stepfunctions")
    client.stop_execution(executionArn=arn)
    deadline = time.monotonic() + 10
    while client.describe_execution(executionArn=arn)["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_running(run_id: str) -> bool:
    return bool(executions()[run_id]["status"] == "RUNNING")


def read_pages(api: Api, route: str, items: str, **query: str) -> list[dict[str, Any]]:
    """Follow `nextCursor` to the end of a list."""
    seen: list[dict[str, Any]] = []
    page: dict[str, Any] = {"nextCursor": ""}
    while (cursor := page["nextCursor"]) is not None:
        page = api(route, query={**query, **({"cursor": cursor} if cursor else {})}).json
        seen += page[items]
        assert len(seen) <= 50, "the pages do not end"
    return seen
