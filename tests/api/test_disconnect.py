"""DELETE /api/email/accounts/{accountId}: at the provider, here, and in which order."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from io import StringIO
from typing import Any

import boto3
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
from mailsync.store.rows import to_json
from mailsync.sync import push
from tests.api.conftest import Ask, Connect, Sql
from tests.api.connecting import BEGIN, CALLBACK, choose, cookie_of
from tests.api.renewing import NOTHING, ONE_MADE, tick
from tests.api.requests import Answer, Context
from tests.api.under_way import sync_under_way
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
STALE = "UPDATE mailsync.email_credentials SET access_expires_at = now()"
ENDS_AS = {"keep": "disconnected", "purge": "purged"}
DATA = pytest.mark.parametrize("data", ["keep", "purge"])


@pytest.fixture
def ask(ask: Ask, ask_connect: Ask) -> Ask:
    """Of the functions `api` and `connect`, the one that has the route."""
    return lambda route, **parts: (
        ask_connect if route.startswith("DELETE") or "auth" in route else ask
    )(route, **parts)


@pytest.fixture
def subscriber(environment: pytest.MonkeyPatch) -> Iterator[Subscriber]:
    """Where the provider is told to call us."""
    subscriber = Subscriber()
    environment.setenv("PUBLIC_URL", subscriber.url.removesuffix("/hook"))
    yield subscriber
    subscriber.stop()


@pytest.fixture
def account_id(subscriber: Subscriber, connected: Answer, sql: Sql) -> AccountId:
    """Ann's mailbox, connected by a sign-in; its provider notifies us of it."""
    sql("UPDATE mailsync.email_accounts SET initial_sync_completed = true")
    assert tick() == ONE_MADE
    return AccountId(sql("SELECT id::text FROM mailsync.email_accounts")[0][0])


@pytest.fixture
def run(ask: Ask, account_id: AccountId, database: Database) -> RunRef:
    return sync_under_way(ask, account_id, database)


@pytest.fixture(autouse=True)
def nothing_is_left_at_the_provider(identity: Simulators) -> Iterator[None]:
    yield
    for each in identity.notifier.subscriptions():
        identity.notifier.expire(each["mailbox_id"])


def one(account_id: str) -> str:
    return f"/api/email/accounts/{account_id}"


def remove(ask: Ask, account_id: AccountId, data: str = "keep", **parts: Any) -> Answer:
    return ask(f"DELETE {one(account_id)}", query={"data": data}, **parts)


def executions_running(sql: Sql) -> bool:
    (arn,) = sql("SELECT execution_arn FROM mailsync.sync_runs ORDER BY created_at LIMIT 1")[0]
    described = boto3.client("stepfunctions").describe_execution(executionArn=arn)
    return bool(described["status"] == "RUNNING")


def test_a_disconnected_account_keeps_its_mail_and_goes_on_where_it_was(
    ask: Ask, run: RunRef, identity: Simulators, sql: Sql
) -> None:
    answer = ask(f"DELETE {one(run.account_id)}")

    assert (answer.status, answer.json["status"]) == (200, "disconnected")
    assert not executions_running(sql)
    assert identity.notifier.subscriptions() == []
    assert sql(LEFT) == [[0, 0]]
    assert sql("SELECT count(*) FROM mailsync.emails") == [[4]]
    assert ask(f"GET {one(run.account_id)}").json["status"] == "disconnected"
    assert ask("POST /api/email/sync", body={"accountId": run.account_id}).status == 409
    assert remove(ask, run.account_id).status == 200

    begun = ask(BEGIN)
    query = choose(identity, begun, account="ann@example.org")
    ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)
    assert ask(f"GET {one(run.account_id)}").json["status"] == "active"
    assert sql("SELECT DISTINCT cursor_sealed FROM mailsync.folder_cursors") == [[b"c1"]]
    assert tick() == ONE_MADE


def test_a_purged_account_leaves_nothing_behind_here_or_there(
    ask: Ask, run: RunRef, connect_account: Connect, identity: Simulators, sql: Sql
) -> None:
    other = connect_account(user_id="bo")
    ask(
        "POST /api/email/sync",
        body={"accountId": run.account_id},
        headers={"idempotency-key": "joined"},
    )

    answer = remove(ask, run.account_id, "purge")

    assert (answer.status, answer.json["status"]) == (200, "purged")
    assert identity.notifier.subscriptions() == []
    assert ask(f"GET {one(run.account_id)}").status == 404
    left = {name: sql(f"SELECT count(*) FROM mailsync.{name}")[0][0] for name in TABLES}
    assert left == {**dict.fromkeys(TABLES, 0), "email_accounts": 1}
    assert sql("SELECT id::text FROM mailsync.email_accounts") == [[other]]


def test_what_a_request_has_no_time_to_purge_the_schedule_deletes(
    *,
    ask: Ask,
    run: RunRef,
    connect_account: Connect,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from handlers.purge_accounts import handler
    from mailsync.api import removal

    monkeypatch.setattr(removal, "PURGE_BUDGET_S", 0)
    monkeypatch.setattr("mailsync.store.control_store.DELETE_BATCH", 2)

    answer = remove(ask, run.account_id, "purge")

    assert (answer.status, answer.json["status"]) == (202, "purging")
    assert ask(f"GET {one(run.account_id)}").status == 404
    assert connect_account() != run.account_id
    assert sql("SELECT count(*) FROM mailsync.emails") == [[2]]
    assert handler({}, Context()) == {"purged": 1, "swept": 0}  # type: ignore[arg-type]
    assert sql("SELECT count(*) FROM mailsync.emails") == [[0]]
    assert sql("SELECT count(*) FROM mailsync.email_accounts") == [[1]]


@DATA
def test_an_access_token_that_is_too_old_is_renewed_for_it_and_not_kept(
    ask: Ask, account_id: AccountId, identity: Simulators, sql: Sql, data: str
) -> None:
    sql(STALE)

    assert remove(ask, account_id, data).status == 200
    assert identity.notifier.subscriptions() == []
    assert sql(LEFT) == [[0, 0]]


SUBSCRIPTION = "/subscriptions/"
AWAY = {
    "throttled": Fault(status=429, retry_after=3),
    "down": Fault(status=503, body=""),
    "denied": Fault(status=403, code="ErrorAccessDenied"),
    "cut off": Fault(cut="before answer"),
    "token refused": Fault(status=401, code="InvalidAuthenticationToken"),
}


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
def test_a_provider_that_does_not_help_keeps_nobody(
    *, ask: Ask, account_id: AccountId, identity: Simulators, log: StringIO, sql: Sql, fault: Fault
) -> None:
    identity.service.faults.add(Rule(path=SUBSCRIPTION, times=None, fault=fault))
    began = time.monotonic()

    assert remove(ask, account_id).status == 200

    assert time.monotonic() - began < 2.5
    assert log.getvalue().count("push_not_ended") == 1
    assert sql(LEFT) == [[0, 0]]


@DATA
def test_a_grant_that_was_withdrawn_and_a_key_that_is_gone_keep_nobody_either(
    *,
    ask: Ask,
    account_id: AccountId,
    environment: pytest.MonkeyPatch,
    identity: Simulators,
    sql: Sql,
    data: str,
) -> None:
    sql(STALE)
    if data == "keep":
        identity.entra.consents.revoke(identity.service.mailbox("ann@example.org").user_id)
    else:
        environment.setenv("TOKEN_KEY_ARN", "arn:aws:kms:eu-central-1:123456789012:key/none")
        load_settings.cache_clear()

    assert remove(ask, account_id, data).status == 200
    assert sql(LEFT) == [[0, 0]]


def test_a_provider_that_hangs_is_not_waited_for(
    *,
    ask: Ask,
    account_id: AccountId,
    identity: Simulators,
    log: StringIO,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(push, "END_S", 0.3)
    identity.service.faults.add(Rule(path=SUBSCRIPTION, fault=Fault(delay_s=3)))
    began = time.monotonic()

    assert remove(ask, account_id).status == 200

    assert time.monotonic() - began < 2
    assert "TooSlow" in log.getvalue()
    assert sql(LEFT) == [[0, 0]]


@DATA
def test_whoever_renews_its_access_at_this_moment_is_not_waited_for(
    *, ask: Ask, account_id: AccountId, settings: Settings, sql: Sql, data: str
) -> None:
    """He holds it for as long as the identity platform takes; the schedule deletes it after him."""
    from handlers.purge_accounts import handler

    renewer, context = Database(settings), Context()
    with CredentialStore(renewer).renewing(account_id):
        began = time.monotonic()
        answer = remove(ask, account_id, data)
        assert time.monotonic() - began < 2
        assert handler({}, context) == {"purged": 0, "swept": 0}  # type: ignore[arg-type]
    renewer.close()

    assert answer.json["status"] == {"keep": "disconnected", "purge": "purging"}[data]
    assert sql(LEFT) == [[1, 0]]
    assert handler({}, context) == {"purged": int(data == "purge"), "swept": 0}  # type: ignore[arg-type]
    assert sql(LEFT) == [[0, 0]]


@DATA
def test_step_functions_that_do_not_stop_the_sync_keep_nobody(
    *, ask: Ask, run: RunRef, log: StringIO, sql: Sql, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    """It can write nothing any more, and a purge could not be asked for again."""
    throttled = ClientError({"Error": {"Code": "ThrottlingException"}}, "StopExecution")

    def refuse(*_: object) -> None:
        raise throttled

    monkeypatch.setattr(StepFunctions, "stop", refuse)

    answer = remove(ask, run.account_id, data)

    assert (answer.status, answer.json["status"]) == (200, ENDS_AS[data])
    assert log.getvalue().count("execution_not_stopped") == 1
    assert executions_running(sql) if data == "keep" else sql(RUNS) == [[0]]
    assert sql(LEFT) == [[0, 0]]


def test_a_death_after_the_provider_was_told_leaves_an_account_that_can_be_disconnected_again(
    ask: Ask,
    account_id: AccountId,
    identity: Simulators,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*_: object) -> None:
        raise StoreUnavailable("Here it dies.")

    with monkeypatch.context() as dying:
        dying.setattr(ControlStore, "disconnect", die)
        assert remove(ask, account_id).status == 503

    assert identity.notifier.subscriptions() == []
    assert ask(f"GET {one(account_id)}").json["status"] == "active"
    assert tick() == NOTHING
    assert (remove(ask, account_id).status, sql(LEFT)) == (200, [[0, 0]])


def test_a_death_that_nobody_repeats_costs_the_notifications_of_a_minute(
    account_id: AccountId, identity: Simulators, sql: Sql
) -> None:
    due = "UPDATE mailsync.provider_subscriptions SET next_try_at = now()"
    sql(due)

    push.end_push(AccountOfCaller(account_id, "ann"))

    assert tick() == NOTHING
    sql(due)
    assert tick() == ONE_MADE
    assert len(identity.notifier.subscriptions()) == 1


def test_what_a_tick_has_made_while_the_account_was_disconnected_is_ended_by_it(
    ask: Ask, account_id: AccountId, identity: Simulators, subscriber: Subscriber, sql: Sql
) -> None:
    identity.notifier.expire(identity.service.mailbox("ann@example.org").user_id)
    sql("UPDATE mailsync.provider_subscriptions SET next_try_at = now()")
    subscriber.at_handshake = lambda: remove(ask, account_id)

    tick()

    assert sql("SELECT status FROM mailsync.email_accounts") == [["disconnected"]]
    assert identity.notifier.subscriptions() == []


def test_what_a_tick_makes_while_a_disconnection_begins_is_ended_by_it_too(
    account_id: AccountId, identity: Simulators, subscriber: Subscriber, sql: Sql
) -> None:
    """The provider was told of what there was; the account may lose its tokens at any moment."""
    identity.notifier.expire(identity.service.mailbox("ann@example.org").user_id)
    sql("UPDATE mailsync.provider_subscriptions SET next_try_at = now()")
    subscriber.at_handshake = lambda: push.end_push(AccountOfCaller(account_id, "ann"))

    tick()

    assert identity.notifier.subscriptions() == []


def test_an_event_that_becomes_true_while_the_account_is_deleted_goes_with_it(
    ask: Ask, account_id: AccountId, settings: Settings, database: Database, sql: Sql
) -> None:
    """A run that fails at this moment holds the account and puts its event into the outbox."""
    store, other = ControlStore(database), Database(settings)
    store.begin_purge(AccountOfCaller(account_id, "ann"))
    while store.purge_piece(account_id):
        pass

    with ThreadPoolExecutor() as pool:
        with other.transaction() as failing:
            failing.run("lock_account", account_id=account_id)
            purging = pool.submit(store.purge_rest, account_id)
            wait([purging], timeout=0.3)
            failing.run(
                "add_to_outbox", account_id=account_id, type="sync.failed", detail=to_json({})
            )
        assert purging.result(timeout=10)
    other.close()

    assert sql("SELECT count(*) FROM mailsync.outbox") == [[0]]


def test_another_user_s_account_looks_like_one_that_does_not_exist_and_is_still_notified_of(
    ask: Ask, account_id: AccountId, identity: Simulators, sql: Sql
) -> None:
    before = sql("SELECT * FROM mailsync.provider_subscriptions")

    for data in ("keep", "purge"):
        theirs = remove(ask, account_id, data, user="bo")
        unknown = remove(ask, AccountId("5b0f6a52-7c1e-4f0a-9d3a-2f1b8c9d0e11"), data, user="bo")
        assert (theirs.status, theirs) == (404, unknown)

    assert len(identity.notifier.subscriptions()) == 1
    assert sql("SELECT * FROM mailsync.provider_subscriptions") == before


def test_what_becomes_of_the_mail_must_be_said_right(
    ask: Ask, account_id: AccountId, identity: Simulators, sql: Sql
) -> None:
    for data in ("all", "", "KEEP"):
        answer = remove(ask, account_id, data)
        assert (answer.status, "data" in answer.json["detail"]) == (422, True)
    malformed = ask("DELETE /api/email/accounts/1")
    assert (malformed.status, "accountId" in malformed.json["detail"]) == (422, True)

    assert sql("SELECT status FROM mailsync.email_accounts") == [["active"]]
    assert len(identity.notifier.subscriptions()) == 1
