"""A look at a mailbox without an execution: cheap when nothing is new, exact always."""

from collections.abc import Callable

import pytest

from mailsync.errors import AccessRevoked, LeaseLost
from mailsync.model import AccountId, RunId, SyncType, SyncTypeAndFolders
from mailsync.runs.step_functions import StepFunctions
from mailsync.runs.trigger import SyncStarter
from mailsync.store.check_store import Check, CheckStore, UnchangedMailboxCheckResult
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import EnqueuedOrExistingRun, RunStore
from mailsync.sync import check as check_step
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

RUNS = "SELECT status, error, trigger, execution_arn FROM mailsync.sync_runs ORDER BY created_at"
ACCOUNT = "SELECT sync_status, status, lease_owner FROM mailsync.email_accounts"
STAMPS = (
    "SELECT last_sync_at > now() - interval '1 minute', verified_at > now() - interval '1 minute',"
    " next_sync_at > now() + interval '4 minutes' FROM mailsync.email_accounts"
)
EVENTS = "SELECT type FROM mailsync.outbox ORDER BY id"
WRONG_TOTAL = "UPDATE mailsync.email_folders SET total = total + 1 WHERE role = 'inbox'"
HIDE_ONE = (
    "UPDATE mailsync.emails SET removed_at = now() WHERE id = (SELECT min(id) FROM mailsync.emails)"
)
ARN = "an-execution"


@pytest.fixture
def synced(synced: World) -> World:
    """A mailbox that is mirrored and proven, an hour ago; it is due."""
    synced.let_time_pass(1)
    return synced


def runs_of(world: World) -> list[list[str]]:
    return world.rows(RUNS)[1:]


def begin(world: World, run_id: str = "other") -> int | None:
    return LeaseStore(world.database).take_lease(
        world.account_id, RunId(run_id), ARN, SyncType.MANUAL, "api"
    )


def test_a_check_of_a_mailbox_without_news_costs_two_calls_and_leaves_no_run_and_no_log(
    synced: World, caplog: pytest.LogCaptureFixture
) -> None:
    synced.check()  # the first one of a function reads the data key as well
    synced.let_time_pass(0.5)
    events = synced.rows(EVENTS)
    log = synced.simulators.service.log
    log.clear()
    caplog.clear()

    checked = synced.check()

    assert checked.outcome is CheckOutcome.NOTHING_NEW
    # The tree is one request, and so is each folder's feed; the feeds are one call.
    assert checked.request_count == 1 + len(synced.remote.folders.list_all_folders())
    assert [record.in_batch for record in log.records()].count(False) == 1
    assert checked.database_round_trip_count == 7
    assert (runs_of(synced), caplog.messages) == ([], [])
    assert synced.rows(EVENTS) == events
    assert synced.one(STAMPS) == [True, True, True]
    assert synced.one(ACCOUNT) == ["completed", "active", None]


def test_look_after_look_the_positions_stay_as_young_as_the_provider_wants_them(
    synced: World,
) -> None:
    links = "SELECT folder_id, cursor_sealed FROM mailsync.change_feeds"
    before = {tuple(each) for each in synced.rows(links)}
    assert [synced.check().outcome for _ in range(3)] == [CheckOutcome.NOTHING_NEW] * 3
    assert before.isdisjoint(tuple(each) for each in synced.rows(links))
    synced.remote.deliver_message(a_mail("new"))

    assert synced.check().outcome is CheckOutcome.SYNCED
    assert synced.is_mirrored()


@pytest.mark.parametrize("change", ["deliver", "read", "move", "delete"])
def test_what_fits_on_a_page_is_mirrored_without_an_execution(
    synced: World, change: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = synced.newest()
    changes: dict[str, Callable[[], object]] = {
        "deliver": lambda: synced.remote.deliver_message(a_mail("new")),
        "read": lambda: synced.remote.set_message_read(first),
        "move": lambda: synced.remote.move_message(first, "archive"),
        "delete": lambda: synced.remote.move_message_to_purged_folder(first),
    }
    changes[change]()

    checked = synced.check()

    assert checked.outcome is CheckOutcome.SYNCED
    assert synced.is_mirrored()
    assert runs_of(synced) == [["completed", None, "schedule", None]]
    assert synced.rows(EVENTS)[-1] == ["sync.completed"]
    assert (synced.started, caplog.messages.count("account_checked")) == ([], 1)
    assert synced.check().outcome is CheckOutcome.NOTHING_NEW


def backlog(world: World) -> None:
    world.switch(largest_page=5)
    for number in range(8):
        world.remote.deliver_message(a_mail(f"new {number}"))


def new_folder(world: World) -> None:
    fresh = world.remote.create_folder("Fresh")
    world.remote.move_message(world.newest(), fresh)


def lost_position(world: World) -> None:
    world.remote.expire_cursors()


def outage(world: World) -> None:
    world.inject_fault(status=503, times=None)


def throttling(world: World) -> None:
    world.switch(retry_after_s=60)
    world.inject_fault(status=429, times=None)


def missing_row(world: World) -> None:
    """Whatever took it away, the count tells."""
    world.lose()
    world.rows(WRONG_TOTAL)


@pytest.mark.parametrize(
    "happened", [backlog, new_folder, lost_position, outage, throttling, missing_row]
)
def test_what_takes_more_is_left_to_an_execution_that_goes_on_in_the_same_run(
    synced: World, happened: Callable[[World], None]
) -> None:
    happened(synced)

    assert synced.check().outcome is CheckOutcome.HANDED_TO_EXECUTION

    synced.clear_faults()
    [run_id] = synced.started
    assert synced.resume(run_id) == "completed"
    assert synced.is_mirrored()
    assert [each[:3] for each in runs_of(synced)] == [["completed", None, "schedule"]]


def test_a_mailbox_that_was_never_complete_is_left_to_an_execution_unasked(world: World) -> None:
    checked = world.check()

    assert (checked.outcome, checked.request_count) == (CheckOutcome.HANDED_TO_EXECUTION, 0)
    assert world.resume(world.started[0]) == "completed"


def test_a_mailbox_of_very_many_folders_is_left_to_an_execution_unasked(
    synced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at it would outlast its function, and take the other mailboxes with it."""
    synced.remote.deliver_message(a_mail("new"))
    monkeypatch.setattr(check_step, "MAX_MAILBOX_FOLDERS_FOR_CHECK", 3)

    checked = synced.check()

    assert (checked.outcome, checked.request_count) == (CheckOutcome.HANDED_TO_EXECUTION, 0)
    assert synced.resume(synced.started[0]) == "completed"
    assert synced.is_mirrored()


@pytest.mark.parametrize("unsettled", [WRONG_TOTAL, HIDE_ONE], ids=["a count", "a removal"])
def test_what_the_last_sync_did_not_settle_is_not_believed(synced: World, unsettled: str) -> None:
    synced.rows(unsettled)

    assert synced.check().outcome is CheckOutcome.SYNCED
    assert synced.is_mirrored()
    assert synced.check().outcome is CheckOutcome.NOTHING_NEW


def test_a_withdrawn_grant_fails_the_mailbox_under_its_name(synced: World) -> None:
    synced.access.refusal = AccessRevoked("Sign in again.")

    assert synced.check().outcome is CheckOutcome.FAILED

    assert runs_of(synced) == [["failed", "AccessRevoked", "schedule", None]]
    assert synced.one(ACCOUNT) == ["failed", "reauth_required", None]
    assert synced.rows(EVENTS)[-2:] == [["sync.failed"], ["account.reauth_required"]]


def test_an_error_that_nobody_foresaw_fails_one_mailbox_and_tells_no_secret(synced: World) -> None:
    def breaks() -> None:
        raise KeyError("a secret")

    assert synced.check_during(breaks) is CheckOutcome.FAILED

    assert runs_of(synced) == [["failed", "KeyError", "schedule", None]]
    [message] = synced.one("SELECT last_error_message FROM mailsync.email_accounts")
    assert "secret" not in message


def test_an_execution_takes_the_mailbox_from_a_check_and_the_check_writes_nothing(
    synced: World,
) -> None:
    """A person who asks for a sync never waits for a look."""
    before = synced.one("SELECT last_sync_at FROM mailsync.email_accounts")

    assert synced.check_during(lambda: begin(synced)) is CheckOutcome.LEASE_UNAVAILABLE

    assert synced.one(ACCOUNT) == ["syncing", "active", ARN]
    assert synced.one("SELECT last_sync_at FROM mailsync.email_accounts") == before
    assert runs_of(synced) == [["running", None, "api", ARN]]
    checked = synced.check()
    assert (checked.outcome, checked.request_count) == (CheckOutcome.LEASE_UNAVAILABLE, 0)


def test_a_run_that_was_asked_for_meanwhile_is_left_in_peace_with_what_is_new(
    synced: World,
) -> None:
    synced.remote.deliver_message(a_mail("new"))

    assert synced.check_during(lambda: request_sync(synced)) is CheckOutcome.LEASE_UNAVAILABLE

    assert synced.one(ACCOUNT) == ["syncing", "active", None]
    [[run_id]] = synced.rows("SELECT id FROM mailsync.sync_runs WHERE status = 'queued'")
    assert synced.resume(RunId(run_id)) == "completed"
    assert synced.is_mirrored()


def test_a_person_joins_the_run_of_a_check_and_its_execution_takes_over(synced: World) -> None:
    checks, check = a_check(synced)
    assert checks.create_run_of_check(check)

    joined = request_sync(synced)

    assert joined.id == check.run_ref.run_id
    assert begin(synced, "another, from the console") is None
    assert begin(synced, joined.id) == check.run_ref.lease_epoch + 1
    with pytest.raises(LeaseLost):
        FolderStore(synced.database).delete_folders_reported_gone_twice(check.run_ref, [])
    with pytest.raises(LeaseLost):
        checks.fail_run_of_check(check, "ProviderRejected", "Too late.")
    assert runs_of(synced) == [["running", None, "schedule", ARN]]


def test_what_was_handed_over_cannot_be_written_any_more(synced: World) -> None:
    checks, check = a_check(synced)
    assert checks.hand_over_run_to_execution(check)

    with pytest.raises(LeaseLost):
        FolderStore(synced.database).delete_folders_reported_gone_twice(check.run_ref, [])
    with pytest.raises(LeaseLost):
        checks.end_check_of_unchanged_mailbox(check, UnchangedMailboxCheckResult())
    with pytest.raises(LeaseLost):
        checks.hand_over_run_to_execution(check)


def test_a_check_that_died_bars_nobody(synced: World) -> None:
    """Executions at once, and the next check after a minute."""
    checks, _ = a_check(synced)
    assert checks.begin_check(synced.account_id, RunId("too early")) is None
    synced.rows("UPDATE mailsync.email_accounts SET lease_until = now()")
    assert checks.begin_check(synced.account_id, RunId("a minute later")) is not None

    assert synced.sync() == "completed"


def test_the_run_of_a_check_that_died_is_recovered_under_its_name(synced: World) -> None:
    checks, check = a_check(synced)
    assert checks.create_run_of_check(check)
    synced.rows("UPDATE mailsync.sync_runs SET heartbeat_at = now() - interval '2 min'")

    [inactive] = RunStore(synced.database).find_stale_runs(10)
    a_trigger(synced).recover_stale_run(inactive)

    assert synced.started == [check.run_ref.run_id]
    assert synced.resume(check.run_ref.run_id) == "completed"


@pytest.mark.parametrize("paused", [True, None], ids=["paused", "other folders"])
def test_who_changes_the_account_ends_a_check(synced: World, paused: bool | None) -> None:
    own = AccountOfRequestingUser(synced.account_id, "ann")
    [[folder]] = synced.rows("SELECT id FROM mailsync.email_folders WHERE role = 'archive'")
    choices = {} if paused else {folder: False}

    store = AccountControlStore(synced.database)
    changed = synced.check_during(
        lambda: store.change_pause_and_folder_selection(own, paused, choices)
    )

    assert changed is CheckOutcome.LEASE_UNAVAILABLE

    assert synced.one(STAMPS)[:2] == [False, False]
    if not paused:
        assert synced.one("SELECT next_sync_at <= now() FROM mailsync.email_accounts") == [True]


def test_a_notification_during_a_check_makes_the_mailbox_due_at_its_end(synced: World) -> None:
    told = "UPDATE mailsync.email_accounts SET notified_at = clock_timestamp()"

    assert synced.check_during(lambda: synced.rows(told)) is CheckOutcome.NOTHING_NEW

    assert synced.one("SELECT next_sync_at <= now() FROM mailsync.email_accounts") == [True]


class Engine(StepFunctions):
    """Step Functions in which nothing runs; what is asked for is noted."""

    def __init__(self, started: list[RunId]) -> None:
        self._started = started

    def start_execution(self, machine_arn: str, name: str, state: dict[str, object]) -> str:
        self._started.append(RunId(name))
        return name

    def find_execution_status(self, arn: str) -> None:
        return None


def a_trigger(world: World) -> SyncStarter:
    return SyncStarter(RunStore(world.database), Engine(world.started), "a:stateMachine:m")


def request_sync(world: World) -> EnqueuedOrExistingRun:
    scope = SyncTypeAndFolders(SyncType.MANUAL)
    return a_trigger(world).start_sync(world.account_id, scope, "api")


def a_check(world: World) -> tuple[CheckStore, Check]:
    checks = CheckStore(world.database)
    check = checks.begin_check(AccountId(world.account_id), RunId("checked"))
    assert check is not None
    return checks, check
