"""A person chooses folders: what is not selected is not mirrored, whichever way its mail moves."""

import pytest

from mailsync.model import FolderId, RunId, SyncType, SyncTypeAndFolders
from mailsync.store.control_store import AccountControlStore, AccountOfRequestingUser
from mailsync.store.lease_store import LeaseStore
from mailsync.store.run_store import RunStore
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

GENERATIONS = """
SELECT f.remote_id, c.walk
  FROM mailsync.email_folders f JOIN mailsync.change_feeds c ON c.id = f.feed_id"""


def folder_ids(world: World) -> dict[str, int]:
    """The account's folders by the name that the simulator gives them."""
    found = world.rows("SELECT display_name, id FROM mailsync.email_folders")
    return {name: number for name, number in found}


def choose(world: World, selected: bool, name: str = "Archive") -> None:
    number = FolderId(folder_ids(world)[name])
    own = AccountOfRequestingUser(world.account_id, "ann")
    change = AccountControlStore(world.database).change_pause_and_folder_selection(
        own, None, {number: selected}
    )
    assert not change.unknown_folder_ids


def mirrors_all_but(world: World, name: str = "archive") -> bool:
    hidden = world.folder_id(name)
    visible = {
        key: each for key, each in world.in_mailbox().items() if hidden not in each["folders"]
    }
    assert world.stored() == visible
    return True


@pytest.fixture
def chosen(synced: World) -> World:
    """Mirrored once, then without the folder Archive."""
    choose(synced, False)
    assert synced.sync() == "completed"
    return synced


def test_the_mail_of_a_folder_leaves_with_it_and_the_rest_is_proven(chosen: World) -> None:
    assert mirrors_all_but(chosen)
    assert chosen.one("SELECT initial_sync_completed, failures FROM mailsync.email_accounts") == [
        True,
        0,
    ]


def test_mail_that_moves_into_an_unselected_folder_leaves(chosen: World) -> None:
    moved = chosen.newest()
    chosen.remote.move_message(moved, "archive")

    assert chosen.sync() == "completed"
    assert not chosen.stores(moved)
    assert mirrors_all_but(chosen)


def test_mail_that_moves_out_of_an_unselected_folder_comes(chosen: World) -> None:
    moved = chosen.newest("archive")
    chosen.remote.move_message(moved, "inbox")

    assert chosen.sync() == "completed"
    assert chosen.stores(moved)
    assert mirrors_all_but(chosen)


def test_mail_that_went_through_an_unselected_folder_stays(chosen: World) -> None:
    moved = chosen.newest()
    chosen.remote.move_message(moved, "archive")
    chosen.remote.move_message(moved, "inbox")
    chosen.remote.deliver_message(a_mail("unseen"), "archive")

    assert chosen.sync() == "completed"
    assert chosen.stores(moved)
    assert mirrors_all_but(chosen)


def test_a_folder_that_is_selected_again_is_read_anew(chosen: World) -> None:
    chosen.remote.deliver_message(a_mail("meanwhile"), "archive")
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
    assert mirrors_all_but(synced)
    assert synced.check().outcome is CheckOutcome.NOTHING_NEW


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

    assert synced.check().outcome is CheckOutcome.NOTHING_NEW
    assert synced.rows("SELECT 1 FROM mailsync.proof_differences") == []


def test_new_folders_are_selected_below_unselected_ones_too(chosen: World) -> None:
    made = chosen.remote.create_folder("New", parent="archive")
    chosen.remote.deliver_message(a_mail("new"), made)

    assert chosen.sync() == "completed"
    assert mirrors_all_but(chosen)


def test_a_choice_stops_the_run_so_that_each_has_one_selection(synced: World) -> None:
    runs = RunStore(synced.database)
    LeaseStore(synced.database).take_lease(
        synced.account_id, RunId("under-way"), "arn", SyncType.AUTOMATIC, "test"
    )

    choose(synced, False)

    assert runs.find_open_run_of_execution("under-way") is None
    assert synced.sync() == "completed"
    assert mirrors_all_but(synced)


def test_only_the_folders_that_were_named_are_walked_again(synced: World) -> None:
    number = FolderId(folder_ids(synced)["Archive"])
    scope = SyncTypeAndFolders(SyncType.FULL, (number,))
    run_id = RunId("chosen")
    RunStore(synced.database).enqueue_run(synced.account_id, run_id, scope, "api")

    assert synced.resume(run_id) == "completed"

    archive = synced.folder_id("archive")
    assert {walk for name, walk in synced.rows(GENERATIONS) if name != archive} == {1}
    assert dict(synced.rows(GENERATIONS))[archive] == 2
    assert synced.is_mirrored()
