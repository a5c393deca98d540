"""Ids of another mailbox: the mailbox was deleted and created again, or seems to have been."""

from collections.abc import Sequence
from contextlib import closing

import pytest

from localdev.simulators.graph.owner import OutlookMailboxEditor
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.conftest import MISSING
from tests.workflow.failures.test_removals import LAST_ERROR, numbers
from tests.workflow.failures.world import World

FOLDERS = "SELECT role, id FROM mailsync.email_folders WHERE role <> 'other' AND gone_at IS NULL"
SELECTED = "SELECT selected FROM mailsync.email_folders WHERE role = 'archive'"
VISIBLE_FOLDERS = "SELECT remote_id FROM mailsync.email_folders WHERE gone_at IS NULL"
GONE = [(404, "ErrorInvalidMailboxItemId"), (400, "ErrorInvalidIdMalformed")]


def create_again(world: World, *, without: Sequence[str] = MISSING) -> None:
    OutlookMailboxEditor(world.remote).recreate_empty_mailbox()
    for role in without:
        world.remote.folders.remove_empty_folder(role)
    world.remote.deliver_message(a_mail("first"))
    world.remote.deliver_message(a_mail("filed"), "archive")


def folder_rows(world: World) -> dict[str, int]:
    return dict(map(tuple, world.rows(FOLDERS)))


@pytest.mark.parametrize("has_delta", [True, False])
def test_a_mailbox_that_was_created_again_is_mirrored_at_once_and_its_old_mail_leaves_in_a_day(
    has_delta: bool, synced: World
) -> None:
    before, rows = numbers(synced), folder_rows(synced)
    synced.switch(has_delta=has_delta)
    create_again(synced)

    assert synced.hand_over() == "completed"

    assert synced.is_mirrored()
    assert rows.items() <= folder_rows(synced).items()
    assert before.items() <= numbers(synced).items()
    assert {each for (each,) in synced.rows(VISIBLE_FOLDERS)} == {
        synced.folder_id(each.number) for each in synced.remote.folders.list_all_folders()
    }
    for hours in (3, 20, 2):
        assert synced.one(LAST_ERROR) == ["SuspiciousRemoval"]
        synced.let_time_pass(hours)
        synced.remote.deliver_message(a_mail())
        assert synced.mirrors()
    assert numbers(synced).keys() == synced.stored().keys()
    assert synced.one(LAST_ERROR) == [None]


def test_a_mailbox_that_seems_to_be_another_one_for_a_moment_costs_nothing(synced: World) -> None:
    before, rows = numbers(synced), folder_rows(synced)
    database = synced.simulators.service.database
    with closing(database.make_in_memory_backup()) as mailbox:
        create_again(synced)
        assert synced.mirrors()
        database.restore_from_backup(mailbox)
    synced.remote.deliver_message(a_mail("after"))

    synced.let_time_pass(3)
    assert synced.mirrors()

    assert before.items() <= numbers(synced).items()
    assert rows.items() <= folder_rows(synced).items()


def test_an_alias_that_failed_when_the_mailbox_was_new_is_requested_again(synced: World) -> None:
    create_again(synced, without=())
    assert synced.mirrors()
    create_again(synced, without=())
    synced.inject_fault("/mailFolders/inbox", status=500, times=None)
    assert synced.sync() == "ProviderUnavailable"
    assert "filed" in {each["subject"] for each in synced.stored().values()}

    synced.clear_faults()
    assert synced.mirrors()


def test_a_well_known_folder_that_is_not_mirrored_stays_so(synced: World) -> None:
    synced.rows("UPDATE mailsync.email_folders SET selected = false WHERE role = 'archive'")
    create_again(synced)

    assert synced.sync() == "completed"

    assert synced.one(SELECTED) == [False]
    assert {each["subject"] for each in synced.stored().values()} == {"first"}


@pytest.mark.parametrize(("status", "code"), GONE)
def test_a_folder_and_its_mail_under_ids_of_another_mailbox_are_gone_by_id(
    status: int, code: str, synced: World
) -> None:
    """They are hidden, and leave with the second answer two hours later."""
    before = numbers(synced)
    number = synced.remote.find_or_create_folder(("Archive", "Projects"))
    folder, messages = synced.folder_id(number), synced.remote.list_messages_in_folders(number)
    lost = [synced.id_of(each.message_number) for each in messages]
    synced.inject_fault(
        "/mailFolders(/delta|.*childFolders)", page="less", about=[folder], times=None
    )
    for each in (folder, *lost):
        synced.inject_fault(each, status=status, code=code, times=None)

    for hours in (1.9, 0.2):
        assert synced.sync() == "completed"
        assert synced.stored().keys() == before.keys() - {*lost}
        assert numbers(synced) == before
        synced.let_time_pass(hours)
    assert synced.sync() == "completed"
    assert numbers(synced).keys() == before.keys() - {*lost}


def test_a_check_leaves_a_folder_that_is_gone_when_it_is_compared_to_an_execution(
    synced: World,
) -> None:
    inbox = synced.folder_id("inbox")
    synced.rows("UPDATE mailsync.email_folders SET compared_at = NULL RETURNING 1")
    for path in (rf"{inbox}.*/messages\?", rf"{inbox}\?"):
        synced.inject_fault(path, status=404, code="ErrorInvalidMailboxItemId", times=1)

    assert synced.check().outcome is CheckOutcome.HANDED_TO_EXECUTION
    assert synced.resume(synced.started[-1]) == "completed"
    assert synced.is_mirrored()
