"""An execution that nears the limits of AWS hands its run over to a successor."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mailsync.aws.errors import AwsUnavailable
from mailsync.decisions import successor, verify
from mailsync.decisions.successor import MAX_ITEMS_PER_MAP_STATE, MAX_SUCCESSIVE_PROVIDER_PAUSES
from mailsync.model import FeedId, FeedRef, FolderId, FolderRef, RemoteId, RunId, SyncType
from mailsync.sync import feed_pages, folder_tree, store_page, verification
from mailsync.sync.map_items import split_feeds_into_map_items
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

RUN = RunId("a-long-run")
RUNS = "SELECT id, execution_name, execution_arn, status, error FROM mailsync.sync_runs"
STATUS = "SELECT sync_status, lease_owner FROM mailsync.email_accounts"
FOLDERS = """
SELECT status, error FROM mailsync.sync_run_folders WHERE error IS NOT NULL"""
LOSE_ONE_OF_EACH_FOLDER = """
DELETE FROM mailsync.emails WHERE id IN (SELECT max(id) FROM mailsync.emails GROUP BY folder_id)"""
MAX_STATE_BYTES = 256 * 1024


@pytest.fixture
def long(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A mailbox whose first sync has many visits: a page per visit, and nothing is small."""
    for module in (folder_tree, store_page):
        monkeypatch.setattr(module, "DEFAULT_PAGE_SIZE", 1)
    monkeypatch.setattr(feed_pages, "has_time_for_page", lambda _, slowest_s: slowest_s == 0)
    return world


def test_a_run_goes_on_in_two_successors_and_is_exact(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 300)
    seen: list[Any] = []
    for handler in ("hand_over", "validate_account", "get_access_token"):
        long.before[handler] = lambda: seen.append(long.one(STATUS))

    assert long.resume(RUN, SyncType.INITIAL) == "completed"

    assert long.is_mirrored()
    assert long.executions.names == [RUN, f"{RUN}-2", f"{RUN}-3"]
    assert long.rows(RUNS) == [[RUN, f"{RUN}-3", f"{RUN}-3", "completed", None]]
    owners = [RUN, RUN, *[f"{RUN}-2"] * 3, *[f"{RUN}-3"] * 2]
    assert seen[1:] == [["syncing", owner] for owner in owners], "no gap, and no other status"


def test_an_execution_hands_over_before_it_is_a_day_old(long: World) -> None:
    age = "UPDATE mailsync.sync_runs SET execution_began_at = now() - interval '20 hours 1 s'"
    long.before["sync_folders"] = lambda: (
        None if len(long.executions.names) > 1 else long.rows(f"{age} RETURNING 1")
    )

    assert long.resume(RUN, SyncType.INITIAL) == "completed"

    assert long.is_mirrored()
    assert long.executions.names == [RUN, f"{RUN}-2"]


@pytest.mark.parametrize("is_started", [False, True])
def test_a_successor_is_started_once_though_the_start_fails(
    long: World, monkeypatch: pytest.MonkeyPatch, is_started: bool
) -> None:
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 300)
    start, failures = long.executions.start_execution, iter(range(5))

    def fail(machine_arn: str, name: str, state: Any) -> str:
        if name == RUN or next(failures, None) is None:
            return start(machine_arn, name, state)
        if is_started:
            start(machine_arn, name, state)
        raise AwsUnavailable("ConnectionResetError", "states does not answer")

    monkeypatch.setattr(long.executions, "start_execution", fail)

    assert long.resume(RUN, SyncType.INITIAL) == "completed"
    assert long.is_mirrored()
    assert long.executions.names == [RUN, f"{RUN}-2", f"{RUN}-3"]


def test_an_execution_writes_nothing_after_it_has_handed_over(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name cannot begin the run anew, and a function of it that still works is fenced."""
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 300)
    late: list[Any] = []

    def repeat(placeholder: str, event: Any) -> Callable[[], object]:
        return lambda: late.append(_outcome(long, placeholder, event))

    invoke = long.invoke

    def remember(placeholder: str, event: Any) -> Any:
        function = "SyncFolderFunctionArn"
        if placeholder == f"${{{function}}}" and not late:
            long.before["get_access_token"] = repeat(placeholder, event)
        return invoke(placeholder, event)

    monkeypatch.setattr(long, "invoke", remember)

    assert long.resume(RUN, SyncType.INITIAL) == "completed"
    assert long.is_mirrored()
    assert set(late) == {"LeaseLost"}


def _outcome(world: World, placeholder: str, event: Any) -> str:
    try:
        return str(World.invoke(world, placeholder, event))
    except Exception as error:
        return str(getattr(error, "error", error))


def test_a_folder_that_is_throttled_for_ever_fails_and_the_others_arrive(long: World) -> None:
    inbox = long.folder_id("inbox")
    long.inject_fault(
        f"{inbox}/messages/delta", status=429, code="TooMany", retry_after=45, times=None
    )

    assert long.sync(SyncType.INITIAL) == "FoldersFailed"

    rests = 1  # of the last pause, for the next folder
    assert len(long.waits) == MAX_SUCCESSIVE_PROVIDER_PAUSES + rests
    assert long.rows(FOLDERS) == [["failed", "ProviderRejected"]]
    long.clear_faults()
    assert long.mirrors()


def test_feeds_that_all_fail_do_not_hand_the_run_over_without_end(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 150)
    long.inject_fault("/messages/delta", status=403, code="ErrorAccessDenied", times=None)
    start = long.executions.start_execution

    def start_some(machine_arn: str, name: str, state: Any) -> str:
        return start(machine_arn, name, state) if len(long.executions.names) < 20 else name

    monkeypatch.setattr(long.executions, "start_execution", start_some)

    assert long.resume(RUN, SyncType.INITIAL) == "FoldersFailed"

    failed, executions = len(long.rows(FOLDERS)), len(long.executions.names)
    assert failed == len(long.remote.folders.list_all_folders())
    assert 1 < executions <= failed + 1, "each failed at least one feed"
    long.clear_faults()
    assert long.mirrors()


@pytest.mark.parametrize("path", ["/mailFolders/delta", "/me/messages/"])
def test_a_mailbox_that_is_throttled_for_ever_fails(synced: World, path: str) -> None:
    synced.rows(LOSE_ONE_OF_EACH_FOLDER)
    synced.remote.move_message_to_purged_folder(
        synced.remote.list_messages_in_folders("inbox")[-1].message_number
    )
    synced.inject_fault(path, status=429, code="TooMany", retry_after=45, times=None)

    assert synced.sync() == "ProviderThrottled"

    assert len(synced.waits) == MAX_SUCCESSIVE_PROVIDER_PAUSES
    synced.clear_faults()
    assert synced.mirrors()


def test_more_folders_than_a_round_compares_take_more_rounds(
    synced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (verification, verify):
        monkeypatch.setattr(module, "MAX_FOLDERS_PER_REPAIR_ROUND", 1)
    synced.rows(LOSE_ONE_OF_EACH_FOLDER)

    assert synced.mirrors()


def test_folders_for_which_a_function_has_no_time_are_left_to_the_next_state(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_tree, "has_time_for_more_folders", lambda _: False)
    asked: list[object] = []
    world.before["sync_folder"] = lambda: asked.append(1)

    assert world.mirrors(SyncType.INITIAL)
    assert len(asked) == len(world.remote.folders.list_all_folders())
    asked.clear()
    world.remote.deliver_message(a_mail())
    assert world.mirrors()
    assert asked


def test_the_feeds_of_ten_thousand_folders_are_a_hundred_items(world: World) -> None:
    """The last item of a Map that is to end costs as many events as the first."""
    feeds = [
        FeedRef(FeedId(10**9 + at), FolderRef(FolderId(10**9 + at), RemoteId(str(at))))
        for at in range(10_000)
    ]

    work = split_feeds_into_map_items(feeds, per_item=1)

    del work["folderIds"]  # of the previous definition
    items = [each["feeds"] for each in work["items"]]
    assert len(items) == MAX_ITEMS_PER_MAP_STATE
    assert [len(each) for each in items[:50]] == [1] * 50, "the largest do not wait for others"
    assert sorted(feed for item in items for feed in item) == [each.id for each in feeds]
    assert len(json.dumps(work)) < MAX_STATE_BYTES


def test_a_cursor_that_expires_in_every_execution_fails_its_folder(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each execution allows two resets, and has no room for more of them."""
    assert long.mirrors()
    long.inject_fault("/messages/delta.*token", times=None, status=410, code="SyncStateNotFound")
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 120)

    assert long.resume(RUN) == "FoldersFailed"

    [[number]] = long.rows(
        f"SELECT max(resets) FROM mailsync.sync_run_folders WHERE run_id = '{RUN}'"
    )
    assert number <= successor.MAX_CURSOR_EXPIRIES_PER_FEED_AND_RUN + 1


def test_a_run_has_a_limited_number_of_executions(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 0)
    monkeypatch.setattr(successor, "MAX_EXECUTIONS_PER_RUN", 5)

    assert long.resume(RUN, SyncType.INITIAL) == "ProviderRejected"

    assert long.executions.names == [RUN, *(f"{RUN}-{number}" for number in range(2, 6))]
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 20_000)
    assert long.mirrors()
