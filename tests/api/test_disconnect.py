"""DELETE /api/email/accounts/{accountId}: at the provider, here, and in which order."""

import time
from concurrent.futures import ThreadPoolExecutor, wait
from io import StringIO

import pytest

from localdev.simulators.faults import Fault
from mailsync.aws.errors import AwsRejected
from mailsync.errors import StoreUnavailable
from mailsync.model import RunRef
from mailsync.runs.step_functions import StepFunctions
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import Database
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.credential_store import CredentialStore
from mailsync.store.rows import to_jsonb
from mailsync.sync import push
from tests.api.conftest import Connect
from tests.api.sign_in import ANN
from tests.api.subscriptions import NO_WORK, ONE, ONE_MADE, TOKEN_ENDS, Subscribed, tick
from tests.api.syncs import begin_sync, is_running, start, store_four_messages
from tests.support.functions import run_scheduled

TABLES = (
    *("email_accounts", "email_credentials", "email_folders", "change_feeds", "emails"),
    *("email_bodies", "email_quarantine", "sync_runs", "sync_run_folders", "outbox"),
    *("proof_differences", "provider_subscriptions", "joined_keys"),
)
DATA = pytest.mark.parametrize("data", ["keep", "purge"])


@pytest.fixture
def ann(mailbox: Subscribed) -> Subscribed:
    """Connected by a sign-in, mirrored and subscribed to."""
    mailbox.sign_in("ann")
    assert tick() == ONE_MADE
    return mailbox


@pytest.fixture
def run(ann: Subscribed, database: Database) -> RunRef:
    run = begin_sync(ann.api, ann.account_id, database)
    store_four_messages(database, run)
    return run


def count(ann: Subscribed, *tables: str) -> list[int]:
    return [ann.sql(f"SELECT count(*) FROM mailsync.{table}")[0][0] for table in tables]


def secrets_left(ann: Subscribed) -> list[int]:
    return count(ann, "email_credentials", "provider_subscriptions")


def test_a_disconnected_account_keeps_its_mail_and_goes_on_where_it_was(
    ann: Subscribed, run: RunRef
) -> None:
    response = ann.api(ann.route("DELETE"))

    assert (response.status, response.json["status"]) == (200, "disconnected")
    assert not is_running(run.run_id)
    assert (ann.alive(), secrets_left(ann), count(ann, "emails")) == ([], [0, 0], [4])
    assert ann.api(ann.route("GET")).json["status"] == "disconnected"
    assert start(ann.api, run.account_id).status == 409
    assert ann.remove("keep").status == 200

    ann.sign_in("ann")
    assert ann.api(ann.route("GET")).json["status"] == "active"
    assert ann.sql("SELECT DISTINCT cursor_sealed FROM mailsync.change_feeds") == [[b"c1"]]
    assert tick() == ONE_MADE


def test_a_purged_account_leaves_nothing_behind_here_or_there(
    ann: Subscribed, run: RunRef, connect_account: Connect
) -> None:
    other = connect_account(user_id="bo")
    start(ann.api, run.account_id, "joined")
    route = ann.route("GET")

    response = ann.remove("purge")

    assert (response.status, response.json["status"]) == (200, "purged")
    assert ann.alive() == []
    assert ann.api(route).status == 404
    assert count(ann, *TABLES) == [1] + [0] * (len(TABLES) - 1)
    assert ann.account_id == other


def test_the_schedule_deletes_what_a_request_had_no_time_to_purge(
    ann: Subscribed, run: RunRef, connect_account: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsync.api.removal.MAX_MAIL_DELETION_S_PER_REQUEST", 0)
    monkeypatch.setattr("mailsync.store.control_store.MESSAGES_PER_DELETE_BATCH", 2)
    route = ann.route("GET")

    response = ann.remove("purge")

    assert (response.status, response.json["status"]) == (202, "purging")
    assert ann.api(route).status == 404
    assert connect_account() != run.account_id
    assert count(ann, "emails") == [2]
    assert run_scheduled("purge_accounts") == {"purged": 1, "swept": 0}
    assert count(ann, "emails", "email_accounts") == [0, 1]


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
    ann: Subscribed, log: StringIO, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if is_hanging := name == "hanging":
        monkeypatch.setattr(push, "END_SUBSCRIPTION_TIMEOUT_S", 0.3)
    ann.inject_fault("DELETE", ONE, FAULTS[name], times=None)
    began = time.monotonic()

    assert ann.remove("keep").status == 200

    assert time.monotonic() - began < (2 if is_hanging else 2.5)
    assert log.getvalue().count("push_not_ended") == 1
    assert ("TooSlow" in log.getvalue()) is is_hanging
    assert secrets_left(ann) == [0, 0]


@DATA
def test_a_withdrawn_grant_or_a_missing_key_prevents_no_disconnection(
    ann: Subscribed, environment: pytest.MonkeyPatch, data: str
) -> None:
    ann.sql(TOKEN_ENDS)
    if data == "keep":
        ann.microsoft.entra.consents.revoke_consents_of_user(
            ann.microsoft.service.find_mailbox(ANN).user_id
        )
    else:
        environment.setenv("TOKEN_KEY_ARN", "arn:aws:kms:eu-central-1:123456789012:key/none")
        load_settings.cache_clear()

    assert ann.remove(data).status == 200
    assert secrets_left(ann) == [0, 0]


@DATA
def test_a_renewal_in_progress_is_not_waited_for(
    ann: Subscribed, settings: Settings, data: str
) -> None:
    """It holds the row for as long as the identity platform takes; the schedule deletes it then."""
    renewer = Database(settings)
    with CredentialStore(renewer).lock_credentials_for_renewal(ann.account_id):
        began = time.monotonic()
        response = ann.remove(data)
        assert time.monotonic() - began < 2
        assert run_scheduled("purge_accounts") == {"purged": 0, "swept": 0}
    renewer.close()

    assert response.json["status"] == {"keep": "disconnected", "purge": "purging"}[data]
    assert secrets_left(ann) == [1, 0]
    assert run_scheduled("purge_accounts") == {"purged": int(data == "purge"), "swept": 0}
    assert secrets_left(ann) == [0, 0]


@DATA
def test_step_functions_that_do_not_stop_the_sync_prevent_no_disconnection(
    ann: Subscribed, run: RunRef, log: StringIO, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    """The sync can write nothing any more, and a purge could not be requested again."""
    throttled = AwsRejected("ThrottlingException", "StopExecution was rejected")

    def refuse(*_: object) -> None:
        raise throttled

    monkeypatch.setattr(StepFunctions, "stop_execution", refuse)

    response = ann.remove(data)

    ended_as = {"keep": "disconnected", "purge": "purged"}
    assert (response.status, response.json["status"]) == (200, ended_as[data])
    assert log.getvalue().count("execution_not_stopped") == 1
    assert is_running(run.run_id) if data == "keep" else count(ann, "sync_runs") == [0]
    assert secrets_left(ann) == [0, 0]


def test_after_a_death_behind_the_provider_the_account_can_be_disconnected_again(
    ann: Subscribed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise StoreUnavailable("Here it dies.")

    with monkeypatch.context() as dying:
        dying.setattr(AccountControlStore, "disconnect_account", die)
        assert ann.remove("keep").status == 503

    assert ann.alive() == []
    assert ann.api(ann.route("GET")).json["status"] == "active"
    assert tick() == NO_WORK
    assert (ann.remove("keep").status, secrets_left(ann)) == (200, [0, 0])


def test_a_death_that_is_not_repeated_costs_the_notifications_of_a_minute(ann: Subscribed) -> None:
    ann.renew_now()

    push.end_subscriptions_of_account(AccountOfRequestingUser(ann.account_id, "ann"))

    assert tick() == NO_WORK
    ann.renew_now()
    assert tick() == ONE_MADE
    assert len(ann.alive()) == 1


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_tick_ends_what_it_made_while_the_account_was_disconnected(
    ann: Subscribed, has_ended: bool
) -> None:
    """Or while only the provider was called: the account may lose its tokens at any moment."""
    ann.microsoft.notifier.make_subscriptions_expire_now(
        ann.microsoft.service.find_mailbox(ANN).user_id
    )
    ann.renew_now()
    ann.subscriber.at_handshake = lambda: (
        ann.remove("keep")
        if has_ended
        else push.end_subscriptions_of_account(AccountOfRequestingUser(ann.account_id, "ann"))
    )

    tick()

    status = "disconnected" if has_ended else "active"
    assert ann.sql("SELECT status FROM mailsync.email_accounts") == [[status]]
    assert ann.alive() == []


def test_an_event_written_while_the_account_is_deleted_goes_with_it(
    ann: Subscribed, settings: Settings, database: Database
) -> None:
    """A run that fails at this moment holds the account and puts its event into the outbox."""
    store, other, account_id = AccountControlStore(database), Database(settings), ann.account_id
    store.begin_purge(AccountOfRequestingUser(account_id, "ann"))
    while store.delete_batch_of_account_data(account_id):
        pass

    with ThreadPoolExecutor() as pool:
        with other.transaction() as failing:
            failing.run("lock_account", account_id=account_id)
            purging = pool.submit(store.delete_row_of_purged_account, account_id)
            wait([purging], timeout=0.3)
            failing.run(
                "add_to_outbox",
                account_id=account_id,
                type="sync.failed",
                run_id="",
                detail=to_jsonb({}),
            )
        assert purging.result(timeout=10)
    other.close()

    assert count(ann, "outbox") == [0]


def test_another_users_request_ends_no_subscription(ann: Subscribed) -> None:
    before = ann.sql("SELECT * FROM mailsync.provider_subscriptions")

    for data in ("keep", "purge"):
        assert ann.remove(data, user="bo").status == 404

    assert len(ann.alive()) == 1
    assert ann.sql("SELECT * FROM mailsync.provider_subscriptions") == before
