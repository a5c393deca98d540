"""A wrong answer hides mail for a time; only what was gone twice, hours apart, is deleted."""

from typing import Any

import pytest

from localdev.simulators.graph.well_known import WELL_KNOWN_NAME_BY_ROLE
from mailsync.model import RunId, RunRef, SyncType
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from mailsync.store.removal_store import RemovalStore
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

LISTS = r"/mailFolders(/delta|\?|/[^/]+/childFolders)"
GONE: dict[str, Any] = {"status": 404, "code": "ErrorItemNotFound", "times": None}
ROWS = "SELECT message_id, id FROM mailsync.emails"
VERIFIED = "SELECT verified_at FROM mailsync.email_accounts"
ERROR_AND_DUE = "SELECT last_error, next_sync_at <= now() FROM mailsync.email_accounts"
LAST_ERROR = "SELECT last_error FROM mailsync.email_accounts"
UNSELECT = "UPDATE mailsync.email_folders SET selected = false WHERE display_name = 'Projects'"
SELECTED = "SELECT selected FROM mailsync.email_folders WHERE display_name = 'Projects'"


def numbers(world: World) -> dict[str, int]:
    """The `emails.id` of every message that is stored, visible or hidden."""
    return dict(map(tuple, world.rows(ROWS)))


def names_of(world: World, *names: str) -> list[str]:
    folders = (each for each in world.remote.folders.list_all_folders() if each.name in names)
    return [world.folder_id(folder.number) for folder in folders]


def requests_of(world: World) -> list[str]:
    return [each.path for each in world.simulators.service.log.records()]


@pytest.mark.parametrize(
    ("lists", "lie"),
    [
        (LISTS, {"page": "nothing"}),
        (LISTS, {"page": "less"}),
        ("/mailFolders/delta", {"page": "nothing"}),
        ("/childFolders", {"page": "nothing"}),
    ],
)
def test_a_list_of_folders_that_is_incomplete_hides_nothing_and_verifies_nothing(
    synced: World, lists: str, lie: dict[str, Any]
) -> None:
    before = numbers(synced)
    for _ in range(3):
        synced.inject_fault(lists, **lie, times=None)
        synced.remote.deliver_message(a_mail("new"))
        verified = synced.one(VERIFIED)
        is_verified = synced.sync() == "completed"
        assert synced.stored() == synced.in_mailbox()
        assert is_verified == (synced.one(VERIFIED) > verified) == (lists != LISTS)
        synced.check()
        synced.clear_faults()
        synced.let_time_pass(3)

    assert synced.mirrors()
    assert before.items() <= numbers(synced).items()


def test_a_folder_that_seems_gone_comes_back_as_it_was(synced: World) -> None:
    before = numbers(synced)
    folders, inbox = names_of(synced, "Archive", "Projects"), synced.folder_id("inbox")
    synced.inject_fault(LISTS, page="less", about=folders, times=None)
    for each in folders:
        synced.inject_fault(f"/mailFolders/{each}", **GONE)
    for _ in range(2):
        synced.sync()
        shown = synced.stored().values()
        assert {folder for each in shown for folder in each["folders"]} == {inbox}
        assert numbers(synced) == before

    synced.clear_faults()
    synced.let_time_pass(3)
    synced.simulators.service.log.clear()
    assert synced.mirrors()
    assert numbers(synced) == before
    assert not [path for path in requests_of(synced) if "/me/messages/" in path]


def test_a_folder_that_seems_gone_keeps_its_choice(synced: World) -> None:
    synced.rows(UNSELECT)
    synced.sync()
    [projects] = names_of(synced, "Projects")
    synced.inject_fault(LISTS, page="less", about=[projects], times=None)
    synced.inject_fault(f"/mailFolders/{projects}", **GONE)
    for _ in range(3):
        synced.sync()
        synced.let_time_pass(3)

    synced.clear_faults()
    synced.sync()

    assert synced.one(SELECTED) == [False]


@pytest.mark.parametrize("role", ["inbox", "trash"])
def test_a_folder_that_every_mailbox_has_is_never_gone(synced: World, role: str) -> None:
    before = synced.stored()
    folder = synced.folder_id(role)
    synced.inject_fault(LISTS, page="less", about=[folder], times=None)
    synced.inject_fault(f"/mailFolders/({folder}|{WELL_KNOWN_NAME_BY_ROLE[role]})", **GONE)

    for _ in range(3):
        assert synced.sync() == "ProviderUnavailable"
        assert synced.stored() == before
        synced.let_time_pass(13)


def test_a_folder_that_is_gone_is_hidden_and_leaves_with_the_second_answer(synced: World) -> None:
    before = numbers(synced)
    synced.remote.delete_folder_from_database(
        synced.remote.find_or_create_folder(("Archive", "Projects"))
    )

    assert synced.mirrors()
    assert numbers(synced) == before

    synced.let_time_pass(1.9)
    assert synced.sync() == "completed"
    assert numbers(synced) == before

    synced.let_time_pass(0.2)
    assert synced.sync() == "completed"
    assert len(numbers(synced)) == len(before) - 12
    assert synced.sync() == "completed"
    assert synced.rows(SELECTED) == []
    assert synced.is_mirrored()


def test_a_message_that_seems_gone_comes_back_under_its_number(synced: World) -> None:
    """Its old folder says that it left, its new one says nothing, and by its id it is not there."""
    before = numbers(synced)
    synced.remote.move_message(synced.newest(), "archive")
    moved = synced.id_of(synced.newest("archive"))
    synced.inject_fault(f"/me/messages/{moved}", **GONE)
    archive = synced.folder_id("archive")
    synced.inject_fault(f"{archive}.*/messages/delta", page="no changes", times=1)
    synced.inject_fault(rf"{archive}.*/messages\?", page="less", about=[moved], times=None)
    synced.sync()
    assert moved not in synced.stored()

    synced.clear_faults()
    synced.let_time_pass(3)
    assert synced.mirrors()
    assert numbers(synced) == before


def delete_two_thirds(world: World) -> list[int]:
    """Return the numbers of the messages."""
    folders = (world.remote.list_messages_in_folders(name) for name in ("inbox", "archive"))
    deleted = [message.message_number for folder in folders for message in folder]
    for message in deleted:
        world.remote.move_message_to_purged_folder(message)
    return deleted


def test_most_of_a_mailbox_leaves_after_a_day(synced: World) -> None:
    before = numbers(synced)
    delete_two_thirds(synced)

    for hours in (3, 20):
        assert synced.sync() == "completed"
        assert synced.is_mirrored()
        assert numbers(synced) == before
        assert synced.one(LAST_ERROR) == ["SuspiciousRemoval"]
        synced.let_time_pass(hours)
    synced.let_time_pass(2)

    assert synced.sync() == "completed"
    assert numbers(synced).keys() == synced.stored().keys()
    assert synced.is_mirrored()
    assert synced.one(LAST_ERROR) == [None]


def test_what_a_person_confirms_leaves_after_two_hours_but_for_what_has_come_back(
    synced: World,
) -> None:
    before = numbers(synced)
    back, *gone = delete_two_thirds(synced)
    assert synced.mirrors()

    own = AccountOfRequestingUser(synced.account_id, "ann")
    confirmed = AccountControlStore(synced.database).confirm_hidden_mail_removal(own)

    assert confirmed
    assert (confirmed.reported_gone_message_count, confirmed.is_unconfirmed_mass_removal) == (
        1 + len(gone),
        False,
    )
    assert synced.one(ERROR_AND_DUE) == [None, True]
    synced.remote.move_message(back, "inbox")
    assert synced.mirrors()
    assert numbers(synced) == before
    synced.let_time_pass(2.1)
    assert synced.mirrors()
    assert numbers(synced) == {
        each: before[each] for each in before.keys() - {*map(synced.id_of, gone)}
    }


@pytest.mark.parametrize("lie", [{}, {"page": "nothing", "times": None}])
def test_a_confirmation_during_a_sync_makes_another_one_due_at_its_end(
    synced: World, lie: dict[str, Any]
) -> None:
    delete_two_thirds(synced)
    assert synced.sync() == "completed"
    own = AccountOfRequestingUser(synced.account_id, "ann")
    control = AccountControlStore(synced.database)
    synced.access.meanwhile = lambda: control.confirm_hidden_mail_removal(own)
    if lie:
        synced.inject_fault(LISTS, **lie)

    ended = synced.sync()

    assert synced.one(ERROR_AND_DUE) == ["ProviderUnavailable" if lie else None, True]
    assert (ended == "completed") == (not lie)
    synced.clear_faults()
    synced.sync()
    assert synced.one(ERROR_AND_DUE) == [None, False], "it is due once"


def test_mail_of_a_hidden_folder_is_not_counted_twice(synced: World) -> None:
    """Or most of the mailbox would look like less than half, where a sync dies before it counts."""
    run_id, removals = RunId("dies"), RemovalStore(synced.database)
    epoch = LeaseStore(synced.database).take_lease(
        synced.account_id, run_id, "arn", SyncType.AUTOMATIC, "test"
    )
    run = RunRef(synced.account_id, run_id, epoch or 0)
    folders = FolderStore(synced.database)
    others = [
        each.ref.id
        for each in folders.read_existing_folders(run.account_id)
        if each.role != "inbox"
    ]
    folders.save_tree_changes(run, [], others)
    MailStore(synced.database).remove_batch_of_stored_unmirrored_mail(run)
    gone = removals.hidden_message_ids_due_for_recheck(run, "", 100)

    removals.mark_gone_or_delete_if_marked(
        run,
        gone,
        removals.read_hidden_mail_and_schedule_rechecks(run).min_time_between_gone_reports_s,
    )

    assert len(gone) == 24
    assert removals.read_hidden_mail_and_schedule_rechecks(run).is_unconfirmed_mass_removal


def test_a_check_asks_again_when_it_is_time_and_lets_the_rest_go(synced: World) -> None:
    synced.remote.move_message_to_purged_folder(synced.newest())
    assert synced.check().outcome is CheckOutcome.SYNCED
    synced.let_time_pass(1)
    assert synced.check().outcome is CheckOutcome.NOTHING_NEW

    synced.let_time_pass(2)
    assert synced.check().outcome is CheckOutcome.SYNCED

    assert numbers(synced).keys() == synced.stored().keys()
    assert synced.is_mirrored()
