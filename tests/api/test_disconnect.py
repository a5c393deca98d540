"""DELETE /api/email/accounts/{accountId}: at the provider, here, and in which order."""

import time
from concurrent.futures import ThreadPoolExecutor, wait
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from mailsync.errors import StoreUnavailable
from mailsync.model import AccountId, RunRef
from mailsync.runs.step_functions import StepFunctions
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.store.credential_store import CredentialStore
from mailsync.store.rows import to_jsonb
from mailsync.sync import push
from tests.api.conftest import Connect
from tests.api.requests import Api, ApiResponse, Context, Sql
from tests.api.sign_in import ANN, account_of, sign_in
from tests.api.subscriptions import MIRRORED, NO_WORK, ONE_MADE, RENEW_NOW, TOKEN_ENDS, tick
from tests.api.syncs import begin_sync, is_running, start, store_four_messages
from tests.providers.simulators.subscriber import Subscriber

TABLES = (
    *("email_accounts", "email_credentials", "email_folders", "folder_cursors", "emails"),
    *("email_bodies", "email_quarantine", "sync_runs", "sync_run_folders", "outbox"),
    *("proof_differences", "provider_subscriptions", "joined_keys"),
)
LEFT = (
    "SELECT (SELECT count(*) FROM mailsync.email_credentials),"
    " (SELECT count(*) FROM mailsync.provider_subscriptions)"
)
RUNS = "SELECT count(*) FROM mailsync.sync_runs"
ENDS_AS = {"keep": "disconnected", "purge": "purged"}
DATA = pytest.mark.parametrize("data", ["keep", "purge"])


@pytest.fixture
def account_id(subscriber: Subscriber, connected: ApiResponse, sql: Sql) -> AccountId:
    """Ann's mailbox, connected by a sign-in and subscribed to."""
    sql(MIRRORED)
    assert tick() == ONE_MADE
    return AccountId(account_of(connected))


@pytest.fixture
def run(api: Api, account_id: AccountId, database: Database) -> RunRef:
    run = begin_sync(api, account_id, database)
    store_four_messages(database, run)
    return run


def one(account_id: str) -> str:
    return f"/api/email/accounts/{account_id}"


def remove(api: Api, account_id: AccountId, data: str = "keep", **parts: Any) -> ApiResponse:
    return api(f"DELETE {one(account_id)}", query={"data": data}, **parts)


def purge_accounts() -> dict[str, int]:
    """Run the schedule once."""
    from handlers.purge_accounts import handler

    counts: dict[str, int] = handler({}, Context())  # type: ignore[arg-type]
    return counts


def test_a_disconnected_account_keeps_its_mail_and_goes_on_where_it_was(
    api: Api, run: RunRef, microsoft: Simulators, sql: Sql
) -> None:
    response = api(f"DELETE {one(run.account_id)}")

    assert (response.status, response.json["status"]) == (200, "disconnected")
    assert not is_running(run.run_id)
    assert microsoft.notifier.subscriptions() == []
    assert sql(LEFT) == [[0, 0]]
    assert sql("SELECT count(*) FROM mailsync.emails") == [[4]]
    assert api(f"GET {one(run.account_id)}").json["status"] == "disconnected"
    assert start(api, run.account_id).status == 409
    assert remove(api, run.account_id).status == 200

    sign_in(api, microsoft)
    assert api(f"GET {one(run.account_id)}").json["status"] == "active"
    assert sql("SELECT DISTINCT cursor_sealed FROM mailsync.folder_cursors") == [[b"c1"]]
    assert tick() == ONE_MADE


def test_a_purged_account_leaves_nothing_behind_here_or_there(
    api: Api, run: RunRef, connect_account: Connect, microsoft: Simulators, sql: Sql
) -> None:
    other = connect_account(user_id="bo")
    start(api, run.account_id, "joined")

    response = remove(api, run.account_id, "purge")

    assert (response.status, response.json["status"]) == (200, "purged")
    assert microsoft.notifier.subscriptions() == []
    assert api(f"GET {one(run.account_id)}").status == 404
    left = {name: sql(f"SELECT count(*) FROM mailsync.{name}")[0][0] for name in TABLES}
    assert left == {**dict.fromkeys(TABLES, 0), "email_accounts": 1}
    assert sql("SELECT id::text FROM mailsync.email_accounts") == [[other]]


def test_the_schedule_deletes_what_a_request_had_no_time_to_purge(
    *,
    api: Api,
    run: RunRef,
    connect_account: Connect,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mailsync.api import removal

    monkeypatch.setattr(removal, "PURGE_BUDGET_S", 0)
    monkeypatch.setattr("mailsync.store.control_store.DELETE_BATCH", 2)

    response = remove(api, run.account_id, "purge")

    assert (response.status, response.json["status"]) == (202, "purging")
    assert api(f"GET {one(run.account_id)}").status == 404
    assert connect_account() != run.account_id
    assert sql("SELECT count(*) FROM mailsync.emails") == [[2]]
    assert purge_accounts() == {"purged": 1, "swept": 0}
    assert sql("SELECT count(*) FROM mailsync.emails") == [[0]]
    assert sql("SELECT count(*) FROM mailsync.email_accounts") == [[1]]


SUBSCRIPTION = "/subscriptions/"
FAULTS = {
    "throttled": Fault(status=429, retry_after=3),
    "down": Fault(status=503, body=""),
    "denied": Fault(status=403, code="ErrorAccessDenied"),
    "cut off": Fault(cut="before answer"),
    "token refused": Fault(status=401, code="InvalidAuthenticationToken"),
    "hanging": Fault(delay_s=3),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_or_hanging_provider_prevents_no_disconnection(
    *,
    api: Api,
    account_id: AccountId,
    microsoft: Simulators,
    log: StringIO,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    if is_hanging := name == "hanging":
        monkeypatch.setattr(push, "END_TIMEOUT_S", 0.3)
    microsoft.service.faults.add(Rule(path=SUBSCRIPTION, times=None, fault=FAULTS[name]))
    began = time.monotonic()

    assert remove(api, account_id).status == 200

    assert time.monotonic() - began < (2 if is_hanging else 2.5)
    assert log.getvalue().count("push_not_ended") == 1
    assert ("TooSlow" in log.getvalue()) is is_hanging
    assert sql(LEFT) == [[0, 0]]


@DATA
def test_a_withdrawn_grant_or_a_missing_key_prevents_no_disconnection(
    *,
    api: Api,
    account_id: AccountId,
    environment: pytest.MonkeyPatch,
    microsoft: Simulators,
    sql: Sql,
    data: str,
) -> None:
    sql(TOKEN_ENDS)
    if data == "keep":
        microsoft.entra.consents.revoke(microsoft.service.mailbox(ANN).user_id)
    else:
        environment.setenv("TOKEN_KEY_ARN", "arn:aws:kms:eu-central-1:123456789012:key/none")
        load_settings.cache_clear()

    assert remove(api, account_id, data).status == 200
    assert sql(LEFT) == [[0, 0]]


@DATA
def test_a_renewal_in_progress_is_not_waited_for(
    *, api: Api, account_id: AccountId, settings: Settings, sql: Sql, data: str
) -> None:
    """It holds the row for as long as the identity platform takes; the schedule deletes it then."""
    renewer = Database(settings)
    with CredentialStore(renewer).lock_for_renewal(account_id):
        began = time.monotonic()
        response = remove(api, account_id, data)
        assert time.monotonic() - began < 2
        assert purge_accounts() == {"purged": 0, "swept": 0}
    renewer.close()

    assert response.json["status"] == {"keep": "disconnected", "purge": "purging"}[data]
    assert sql(LEFT) == [[1, 0]]
    assert purge_accounts() == {"purged": int(data == "purge"), "swept": 0}
    assert sql(LEFT) == [[0, 0]]


@DATA
def test_step_functions_that_do_not_stop_the_sync_prevent_no_disconnection(
    *, api: Api, run: RunRef, log: StringIO, sql: Sql, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    """The sync can write nothing any more, and a purge could not be requested again."""
    throttled = ClientError({"Error": {"Code": "ThrottlingException"}}, "StopExecution")

    def refuse(*_: object) -> None:
        raise throttled

    monkeypatch.setattr(StepFunctions, "stop", refuse)

    response = remove(api, run.account_id, data)

    assert (response.status, response.json["status"]) == (200, ENDS_AS[data])
    assert log.getvalue().count("execution_not_stopped") == 1
    assert is_running(run.run_id) if data == "keep" else sql(RUNS) == [[0]]
    assert sql(LEFT) == [[0, 0]]


def test_after_a_death_behind_the_provider_the_account_can_be_disconnected_again(
    api: Api,
    account_id: AccountId,
    microsoft: Simulators,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*_: object) -> None:
        raise StoreUnavailable("Here it dies.")

    with monkeypatch.context() as dying:
        dying.setattr(ControlStore, "disconnect", die)
        assert remove(api, account_id).status == 503

    assert microsoft.notifier.subscriptions() == []
    assert api(f"GET {one(account_id)}").json["status"] == "active"
    assert tick() == NO_WORK
    assert (remove(api, account_id).status, sql(LEFT)) == (200, [[0, 0]])


def test_a_death_that_is_not_repeated_costs_the_notifications_of_a_minute(
    account_id: AccountId, microsoft: Simulators, sql: Sql
) -> None:
    sql(RENEW_NOW)

    push.end_push(AccountOfCaller(account_id, "ann"))

    assert tick() == NO_WORK
    sql(RENEW_NOW)
    assert tick() == ONE_MADE
    assert len(microsoft.notifier.subscriptions()) == 1


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_tick_ends_what_it_made_while_the_account_was_disconnected(
    *,
    api: Api,
    account_id: AccountId,
    microsoft: Simulators,
    subscriber: Subscriber,
    sql: Sql,
    has_ended: bool,
) -> None:
    """Or while only the provider was called: the account may lose its tokens at any moment."""
    microsoft.notifier.expire_subscriptions(microsoft.service.mailbox(ANN).user_id)
    sql(RENEW_NOW)
    subscriber.at_handshake = lambda: (
        remove(api, account_id) if has_ended else push.end_push(AccountOfCaller(account_id, "ann"))
    )

    tick()

    status = "disconnected" if has_ended else "active"
    assert sql("SELECT status FROM mailsync.email_accounts") == [[status]]
    assert microsoft.notifier.subscriptions() == []


def test_an_event_written_while_the_account_is_deleted_goes_with_it(
    api: Api, account_id: AccountId, settings: Settings, database: Database, sql: Sql
) -> None:
    """A run that fails at this moment holds the account and puts its event into the outbox."""
    store, other = ControlStore(database), Database(settings)
    store.begin_purge(AccountOfCaller(account_id, "ann"))
    while store.purge_batch(account_id):
        pass

    with ThreadPoolExecutor() as pool:
        with other.transaction() as failing:
            failing.run("lock_account", account_id=account_id)
            purging = pool.submit(store.delete_emptied_account, account_id)
            wait([purging], timeout=0.3)
            failing.run(
                "add_to_outbox", account_id=account_id, type="sync.failed", detail=to_jsonb({})
            )
        assert purging.result(timeout=10)
    other.close()

    assert sql("SELECT count(*) FROM mailsync.outbox") == [[0]]


def test_another_users_request_ends_no_subscription(
    api: Api, account_id: AccountId, microsoft: Simulators, sql: Sql
) -> None:
    before = sql("SELECT * FROM mailsync.provider_subscriptions")

    for data in ("keep", "purge"):
        assert remove(api, account_id, data, user="bo").status == 404

    assert len(microsoft.notifier.subscriptions()) == 1
    assert sql("SELECT * FROM mailsync.provider_subscriptions") == before
