"""The folder tree: what cannot be read of it, clouds without delta, and what a check costs."""

from typing import Any
from urllib.parse import unquote

import pytest

from mailsync.decisions.freshness import MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

FAILED = "SELECT error FROM mailsync.sync_run_folders WHERE status = 'failed'"
CHECK_H = 5 / 60


def test_the_inbox_is_read_first_though_another_folder_is_larger(world: World) -> None:
    for _ in world.remote.list_messages_in_folders("inbox"):
        world.remote.deliver_message(a_mail(), "archive")
    world.switch(largest_page=5)
    world.inject_fault("/inbox/messages", status=503)

    assert world.mirrors()

    inbox, log = world.folder_id("inbox"), world.simulators.service.log.records()
    pages = [each.path for each in log if "/messages/delta" in each.path]
    folders = len(world.remote.folders.list_all_folders())
    assert inbox in unquote(pages[folders]), "the first page of the first sync-folder"


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 403, "code": "ErrorAccessDenied"},
        {"status": 404, "code": "ErrorSyncFolderNotFound"},
        {"status": 404, "code": "ErrorItemNotFound"},
        {"status": 500, "code": "ErrorInternalServerError"},
    ],
)
def test_children_that_cannot_be_listed_stop_no_other_folder(
    world: World, fault: dict[str, Any]
) -> None:
    world.switch(flat_folder_delta=False)
    world.sync()
    before = world.stored()
    archive = world.folder_id("archive")
    world.inject_fault(f"{archive}/childFolders", **fault, times=None)
    new = [
        world.remote.deliver_message(a_mail("new"), folder.number)
        for folder in world.remote.folders.list_all_folders()
    ]

    world.sync()
    assert {*before, *map(world.id_of, new)} == world.stored().keys()

    world.clear_faults()
    assert world.mirrors()


def test_a_folder_without_counts_stops_no_other_and_is_not_verified(synced: World) -> None:
    archive = synced.folder_id("archive")
    synced.inject_fault("/mailFolders", page="uncounted", about=[archive], times=None)
    new = [synced.remote.deliver_message(a_mail("new"), folder) for folder in ("inbox", "archive")]

    assert synced.sync() == "FoldersFailed"
    assert synced.rows(FAILED) == [["FolderNotRead"]]
    assert {*map(synced.id_of, new)} <= synced.stored().keys()

    synced.clear_faults()
    assert synced.sync() == "completed"


def test_a_cloud_without_delta_is_mirrored_by_lists(world: World) -> None:
    """National clouds (Microsoft Graph docs, "Use delta query", limitations)."""
    world.switch(has_delta=False)
    assert world.mirrors()

    world.remote.deliver_message(a_mail("new"))
    world.remote.set_message_read(world.remote.list_messages_in_folders("inbox")[1].message_number)
    world.remote.move_message_to_purged_folder(
        world.remote.list_messages_in_folders("inbox")[2].message_number
    )
    world.remote.move_message(world.newest("archive"), "inbox")
    assert world.mirrors()


@pytest.mark.parametrize(
    ("feed", "fallback"), [(r"/messages/delta\?.*body", 1), ("/messages/delta", 2)]
)
def test_a_page_that_never_answers_is_read_without_bodies_or_by_lists(
    world: World, feed: str, fallback: int
) -> None:
    bad = world.id_of(world.remote.list_messages_in_folders("inbox")[5].message_number)
    inbox = world.folder_id("inbox")
    world.inject_fault("/inbox/messages", status=500, times=None)
    world.inject_fault(f"{inbox}.*{feed}", status=500, times=None)
    world.inject_fault(
        f"/me/messages/{bad}", status=500, code="ErrorContentConversionFailed", times=None
    )

    assert world.sync() == "completed"
    new = world.remote.deliver_message(a_mail("new"))
    assert world.sync() == "completed"
    assert world.stores(new)
    assert world.rows("SELECT message_id, cause FROM mailsync.email_quarantine") == [
        [bad, "unanswered"]
    ]
    assert world.one("SELECT max(fallback) FROM mailsync.change_feeds") == [fallback]

    world.clear_faults()
    for _ in range(2):
        world.let_time_pass(25)
        assert world.mirrors()
    assert world.one("SELECT max(fallback) FROM mailsync.change_feeds") == [0]


def test_a_name_that_cannot_be_stored_is_not_new_in_every_check(world: World) -> None:
    world.remote.rename_folder("archive", "A\0rchive")
    world.sync()

    assert [world.check().outcome for _ in range(3)] == [CheckOutcome.NOTHING_NEW] * 3


def check_of_an_idle_mailbox(world: World) -> int:
    """The requests of the next check of the schedule."""
    world.let_time_pass(CHECK_H)
    checked = world.check()
    assert checked.outcome is CheckOutcome.NOTHING_NEW
    return checked.request_count


@pytest.mark.parametrize(("is_flat", "most"), [(True, 8), (False, 17)])
def test_a_check_reads_a_twelfth_of_the_folders_and_the_tree(
    synced: World, is_flat: bool, most: int
) -> None:
    """Of 68 folders, 8 with child folders; on average over a day."""
    for parent in range(8):
        above = synced.remote.create_folder(f"P{parent}")
        for child in range(7):
            synced.remote.folders.create_folder(f"C{child}", parent=above)
    synced.switch(flat_folder_delta=is_flat)
    assert synced.sync() == "completed"
    synced.let_time_pass(30)
    assert synced.sync() == "completed"

    # The first check of a day asks every folder for hidden ones below it.
    daily, *usual = [check_of_an_idle_mailbox(synced) for _ in range(13)]
    assert (daily + 287 * sum(usual) / 12) / 288 <= most


def test_a_quiet_folder_among_many_is_read_within_the_hour(synced: World) -> None:
    for at in range(MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX):
        synced.remote.folders.create_folder(f"F{at}")
    synced.let_time_pass(30)
    assert synced.sync() == "completed"
    inactive = synced.remote.folders.list_all_folders()[-1].number
    message = synced.remote.deliver_message(a_mail("in an inactive folder"), inactive)
    synced.check()
    assert synced.stores(message)

    synced.remote.set_message_flagged(message)
    synced.rows("UPDATE mailsync.email_folders SET active_at = now() - interval '2 days'")
    for _ in range(12):
        synced.let_time_pass(CHECK_H)
        synced.check()

    assert synced.is_mirrored()


def test_two_slots_of_four_are_enough_and_the_tree_is_read_once_for_each_state(
    world: World,
) -> None:
    world.at_once = True
    world.switch(requests_in_flight=2)
    for at in range(12):
        folder = world.remote.create_folder(f"F{at}")
        for _ in range(4):
            world.remote.deliver_message(a_mail(), folder)

    assert world.sync() == "completed"

    served = [each for each in world.simulators.service.log.records() if each.status == 200]
    assert world.is_mirrored()
    assert len([each for each in served if each.path.endswith("/mailFolders/delta")]) <= 2
