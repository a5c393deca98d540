"""A person chooses folders: what is not selected is not mirrored, whichever way its mail moves."""

from collections.abc import Callable

import pytest

from mailsync.model import FolderId, RunId, SyncScope, SyncType
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import RunStore
from mailsync.sync.check import CheckOutcome
from tests.providers.simulators.graph_client import a_mail
from tests.workflow.failures.world import World

GENERATIONS = """
SELECT remote_id, walk FROM mailsync.email_folders JOIN mailsync.folder_cursors ON id = folder_id"""


def archive_id(world: World) -> FolderId:
    return FolderId(world.one("SELECT id FROM mailsync.email_folders WHERE role = 'archive'")[0])


def choose(world: World, selected: bool) -> None:
    own = AccountOfCaller(world.account_id, "ann")
    change = ControlStore(world.database).change_account(own, None, {archive_id(world): selected})
    assert not change.unknown_folder_ids


def mirrors_all_but_archive(world: World) -> bool:
    hidden = world.remote.folders.find("archive").id
    visible = {key: each for key, each in world.in_mailbox().items() if each["folder"] != hidden}
    assert world.stored() == visible
    return True


@pytest.fixture
def chosen(synced: World) -> World:
    """Mirrored once, then without the folder Archive."""
    choose(synced, False)
    assert synced.sync() == "completed"
    return synced


def test_the_mail_of_a_folder_leaves_with_it_and_the_rest_is_proven(chosen: World) -> None:
    assert mirrors_all_but_archive(chosen)
    assert chosen.one("SELECT initial_sync_completed, failures FROM mailsync.email_accounts") == [
        True,
        0,
    ]


def into(world: World) -> None:
    world.remote.move(world.newest(), "archive")


def out_of(world: World) -> None:
    world.remote.move(world.newest("archive"), "inbox")


def through(world: World) -> None:
    moved = world.newest()
    world.remote.move(moved, "archive")
    world.remote.move(moved, "inbox")
    world.remote.deliver(a_mail("unseen"), "archive")


def into_a_new_folder_below(world: World) -> None:
    """A new folder is selected, wherever it is."""
    made = world.remote.folders.create("New", parent="archive")
    world.remote.deliver(a_mail("new"), made.id)


@pytest.mark.parametrize("moves", [into, out_of, through, into_a_new_folder_below])
def test_mail_that_moves_by_an_unselected_folder_is_stored_where_it_is_selected(
    chosen: World, moves: Callable[[World], None]
) -> None:
    moves(chosen)

    assert chosen.sync() == "completed"
    assert mirrors_all_but_archive(chosen)


def test_a_folder_that_is_selected_again_is_read_anew(chosen: World) -> None:
    chosen.remote.deliver(a_mail("meanwhile"), "archive")
    choose(chosen, True)

    assert chosen.mirrors()


def test_a_choice_that_was_taken_back_before_the_next_sync_loses_nothing(synced: World) -> None:
    choose(synced, False)
    choose(synced, True)

    assert synced.mirrors()


def test_a_look_at_a_quiet_mailbox_drops_the_mail_of_a_folder(synced: World) -> None:
    """Nothing else is new in it, so nothing else would ever begin a sync."""
    choose(synced, False)

    assert synced.check().outcome is CheckOutcome.SYNCED
    assert mirrors_all_but_archive(synced)
    assert synced.check().outcome is CheckOutcome.IDLE


def test_what_was_different_in_a_folder_is_no_question_once_it_is_not_mirrored(
    synced: World,
) -> None:
    synced.rows(
        "WITH archive AS (UPDATE mailsync.email_folders SET differing = 1"
        " WHERE display_name = 'Archive' RETURNING account_id, id)"
        " INSERT INTO mailsync.proof_differences (account_id, folder_id, message_id, cause)"
        " SELECT account_id, id, 'm', 'surplus' FROM archive"
    )
    choose(synced, False)
    assert synced.sync() == "completed"

    assert synced.check().outcome is CheckOutcome.IDLE
    assert synced.rows("SELECT 1 FROM mailsync.proof_differences") == []


def test_a_choice_stops_the_run_so_that_each_has_one_selection(synced: World) -> None:
    runs = RunStore(synced.database)
    LeaseStore(synced.database).begin(
        synced.account_id, RunId("under-way"), "arn", SyncType.AUTO, "test"
    )

    choose(synced, False)

    assert runs.open_run_account(RunId("under-way")) is None
    assert synced.sync() == "completed"
    assert mirrors_all_but_archive(synced)


def test_only_the_folders_that_were_named_are_walked_again(synced: World) -> None:
    scope, run_id = SyncScope(SyncType.FULL, (archive_id(synced),)), RunId("chosen")
    RunStore(synced.database).enqueue(synced.account_id, run_id, scope, "api")

    assert synced.resume(run_id) == "completed"

    archive = synced.remote.folders.find("archive").id
    assert {walk for name, walk in synced.rows(GENERATIONS) if name != archive} == {1}
    assert dict(synced.rows(GENERATIONS))[archive] == 2
    assert synced.is_mirrored()
