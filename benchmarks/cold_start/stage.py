"""Build the stage that cold functions find: a database with two mailboxes that were synced, AWS and
the simulated Microsoft Graph."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cold_start.aws import (
    DATABASE_SECRET_ARN,
    LOGINS_SECRET_ARN,
    MACHINE_ARN,
    TOKEN_KEY_ARN,
    AwsAnswers,
    open_aws,
)
from benchmarks.graph.mail import MailboxShape
from benchmarks.graph.ours import Sync, Workflow, open_workflow
from benchmarks.graph.simulator import NO_LATENCY, open_simulator
from infra.catalog import Function, find_function
from localdev.engine.postgres import Postgres
from localdev.samples import SAMPLE_EVENT_FILES_FOLDER
from localdev.stack import FUNCTIONS_DATABASE_LOGIN_NAME
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.connection import connect
from mailsync.store.migrate import apply_migrations

_SHAPE = MailboxShape(messages=60, folders=3, is_skewed=False)
_STATUS_PATH = "/api/email/sync"


@dataclass(frozen=True, slots=True)
class Case:
    """A first invocation to measure.

    settings: the environment of the function, as its deployment sets it.
    is_expected: whether a payload is that of a success.
    """

    name: str
    function: Function
    event: bytes
    settings: Mapping[str, str]
    is_expected: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class ColdStage:
    """The cases, and `reset`, which is to be called after each start: it ends the runs that the API
    has started."""

    cases: tuple[Case, ...]
    reset: Callable[[], None]


@contextmanager
def open_stage(folder: Path, programs: Path | None) -> Iterator[ColdStage]:
    """Run database, AWS and Graph for the `with` block, and sync two mailboxes.

    programs: folder of the Postgres to use. None: the embedded one.
    """
    answers = AwsAnswers({})
    with (
        Postgres(folder / "postgres", programs=programs) as postgres,
        open_aws(folder, answers) as (aws_url, aws_environment),
        open_simulator(folder / "graph", _SHAPE) as graph,
    ):
        apply_migrations(Settings({"DATABASE_URL": postgres.superuser_socket_url}))
        postgres.create_login_if_missing(FUNCTIONS_DATABASE_LOGIN_NAME, role="mailsync_writer")
        database = {"DATABASE_URL": postgres.socket_url_for_login(FUNCTIONS_DATABASE_LOGIN_NAME)}
        public = {each: graph.settings[each] for each in graph.settings if "SECRET" not in each}
        logins = {each: graph.settings[each] for each in graph.settings if "SECRET" in each}
        answers.secrets.update({DATABASE_SECRET_ARN: database, LOGINS_SECRET_ARN: logins})
        graph.begin(NO_LATENCY)
        arns = {"TOKEN_KEY_ARN": TOKEN_KEY_ARN, "MAILBOX_SYNC_ARN": MACHINE_ARN}
        local = {**aws_environment, "AWS_ENDPOINT_URL": aws_url, **arns, **graph.settings}
        with open_workflow(
            folder / "logs", {**local, **database}, postgres.superuser_socket_url
        ) as workflow:
            ids = [workflow.connect_account(each) for each in (graph.mailbox, graph.warm_up)]
            for account_id in ids:
                workflow.run(Sync(), account_id)
            in_run = _begin_run(workflow, ids[1], postgres.superuser_socket_url)
        secrets = {"DATABASE_SECRET_ARN": DATABASE_SECRET_ARN}
        deployed = {**aws_environment, **arns, **public, **secrets}
        cases = _cases(deployed, ids[0], in_run)
        with closing(connect(Settings({"DATABASE_URL": postgres.superuser_socket_url}))) as owner:
            yield ColdStage(
                cases, lambda: owner.run("DELETE FROM mailsync.sync_runs WHERE status = 'queued'")
            )


def _begin_run(workflow: Workflow, account_id: AccountId, owner_url: str) -> dict[str, Any]:
    """Take the account's lease for a run, and return the input of its state `sync-folder`, for
    the feed of one folder."""
    event = {"runId": "cold", "executionArn": f"{MACHINE_ARN}:cold"}
    asked = {"accountId": account_id, "syncType": "auto", "trigger": "benchmark"}
    result = workflow.host.invoke("mark-syncing", json.dumps({**event, "input": asked}).encode())
    with closing(connect(Settings({"DATABASE_URL": owner_url}))) as owner:
        [[feed_id]] = owner.run(
            "SELECT min(id) FROM mailsync.change_feeds WHERE account_id = :id", id=account_id
        )
    lease = {"runId": "cold", "leaseEpoch": json.loads(result.payload)["epoch"]}
    return {"accountId": account_id, **lease, "feeds": [feed_id], "resets": 0, "atOnce": 4}


def _cases(
    settings: Mapping[str, str], account_id: AccountId, in_run: Mapping[str, Any]
) -> tuple[Case, ...]:
    with_logins = {**settings, "PROVIDER_LOGINS_SECRET_ARN": LOGINS_SECRET_ARN}
    api = {**settings, "API_LIMITS": "sync=100000"}
    return (
        Case(
            "api: GET sync status",
            find_function("api"),
            _request("GET", query={"accountId": account_id}),
            api,
            lambda found: found["statusCode"] == 200,
        ),
        Case(
            "api: POST sync",
            find_function("api"),
            _request("POST", body={"accountId": account_id}),
            api,
            lambda found: found["statusCode"] == 202 and "Sync started." in found["body"],
        ),
        Case(
            "sync-accounts: one mailbox without news",
            find_function("sync-accounts"),
            json.dumps({"accountIds": [account_id]}).encode(),
            with_logins,
            lambda found: found["outcomes"].keys() <= {"idle", "synced"},
        ),
        Case(
            "sync-folder: one folder without news",
            find_function("sync-folder"),
            json.dumps(in_run).encode(),
            with_logins,
            lambda found: found["hasMore"] is False and found["cursorsUsed"] == 1,
        ),
    )


def _request(
    method: str, *, query: dict[str, str] | None = None, body: dict[str, str] | None = None
) -> bytes:
    """Return a request as API Gateway hands it over, made from the sample event."""
    event = json.loads((SAMPLE_EVENT_FILES_FOLDER / "api.json").read_text())
    event |= {"routeKey": f"{method} {_STATUS_PATH}", "queryStringParameters": query or {}}
    event["rawQueryString"] = "&".join(f"{name}={value}" for name, value in (query or {}).items())
    event["requestContext"]["http"] |= {"method": method, "path": _STATUS_PATH}
    event["body"] = json.dumps(body) if body else None
    return json.dumps(event).encode()
