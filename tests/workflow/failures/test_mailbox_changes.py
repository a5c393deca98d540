"""What a mailbox does between two syncs, told by Graph in its own ways: the rows follow."""

from collections.abc import Callable

import pytest

from mailsync.model import SyncType
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

WRITTEN = "SELECT coalesce(sum(inserted + updated + removed), 0) FROM mailsync.sync_run_folders"


def read(world: World) -> None:
    """Rows 5 and 6: a read state comes alone, without an etag."""
    world.remote.set_message_read(world.newest())
    world.remote.set_message_read(
        world.remote.list_messages_in_folders("inbox")[1].message_number, is_read=False
    )


def move_up(world: World) -> None:
    """Rows 15 and 16: one of the two moves is told by its source first, the other by its goal."""
    world.remote.move_message(world.newest("archive"), "inbox")


def move_down(world: World) -> None:
    world.remote.move_message(world.newest("inbox"), "archive")


def move_older(world: World) -> None:
    """Row 13: mail that is older than its new folder's is told twice."""
    world.remote.deliver_message(a_mail("old", minutes=-(10**6)))
    world.remote.move_message(
        world.remote.list_messages_in_folders("inbox")[-1].message_number, "trash"
    )


def move_there_and_back(world: World) -> None:
    """Row 17: told as removed, and never as added again."""
    moved = world.newest()
    world.remote.move_message(moved, "archive")
    world.remote.move_message(moved, "inbox")


def change_on_a_journey(world: World) -> None:
    """Rows 5 and 17: moved away, changed there, moved back. The inbox reports only the read state,
    and the folder in between was never mirrored."""
    travelled = world.remote.list_messages_in_folders("inbox")[0]
    passing = world.remote.create_folder("Passing")
    world.remote.move_message(travelled.message_number, passing)
    world.remote.change_message_fields(travelled.message_number, subject="changed on a journey")
    world.remote.move_message(travelled.message_number, "inbox")
    world.remote.set_message_read(travelled.message_number, is_read=not travelled.is_read)
    world.remote.delete_folder_from_database(passing)


def delete(world: World) -> None:
    """Row 17: what is purged stays readable by its id; the folder that it names decides."""
    world.remote.move_message_to_purged_folder(world.newest())
    world.remote.delete_message_from_database(world.newest("archive"))
    world.remote.move_message_to_trash_or_retained(
        world.remote.list_messages_in_folders("inbox")[1].message_number
    )


def change_id(world: World) -> None:
    """Row 19: an import gives a message another immutable id."""
    world.remote.replace_message_by_copy_with_new_id(world.newest())


def draft(world: World) -> None:
    """Row 45: a draft has no sender."""
    world.remote.deliver_message(a_mail("draft", sender=None, is_draft=True))


def rename(world: World) -> None:
    """Row 36: a folder's role does not come from its name."""
    world.remote.rename_folder("inbox", "Posteingang")


def hide(world: World) -> None:
    """Row 35: hidden folders, below others, which their parent does not count."""
    hidden = world.remote.create_folder("Hidden", parent="archive", hidden=True)
    deep = world.remote.create_folder("Deep", parent=hidden)
    world.remote.deliver_message(a_mail("deep"), deep)


def delete_folder(world: World) -> None:
    """Row 38: it becomes a child of Deleted Items, with its mail."""
    world.remote.move_folder_to_trash("archive")


def purge_folder(world: World) -> None:
    """Row 37: gone with its children and their mail."""
    world.remote.delete_folder_from_database("archive")


CHANGES = (
    *(read, move_up, move_down, move_older, move_there_and_back),
    *(change_on_a_journey, delete, change_id, draft),
    *(rename, hide, delete_folder, purge_folder),
)


@pytest.mark.parametrize(
    ("change", "sync_type"),
    [
        *((each, SyncType.AUTOMATIC) for each in CHANGES),
        *((each, SyncType.FULL) for each in (move_there_and_back, delete, purge_folder)),
    ],
)
def test_the_rows_follow(
    synced: World, change: Callable[[World], None], sync_type: SyncType
) -> None:
    change(synced)

    assert synced.mirrors(sync_type)


def test_replayed_changes_write_nothing(synced: World) -> None:
    """Row 14."""
    synced.remote.change_message_fields(synced.newest(), categories=("Red",))
    synced.remote.move_message(synced.newest("archive"), "inbox")
    synced.sync()
    synced.switch(replayed_changes=100)
    before = synced.one(WRITTEN)

    assert synced.mirrors()
    assert synced.one(WRITTEN) == before


def test_a_read_state_of_an_unknown_message_brings_the_message(synced: World) -> None:
    """Row 5."""
    synced.remote.set_message_read(
        synced.newest(), is_read=not synced.remote.list_messages_in_folders("inbox")[0].is_read
    )
    synced.lose(synced.newest())

    synced.sync()

    assert synced.stores(synced.newest())
    assert synced.is_mirrored()


def test_an_unknown_message_that_is_not_found_is_not_lost(synced: World) -> None:
    """Row 30: a race between a page and the message that it names."""
    synced.remote.set_message_read(
        synced.newest(), is_read=not synced.remote.list_messages_in_folders("inbox")[0].is_read
    )
    synced.lose(synced.newest())
    synced.inject_fault("/me/messages/", status=404, code="ErrorItemNotFound", times=None)

    assert synced.sync() == "completed"
    assert not synced.stores(synced.newest())

    synced.clear_faults()
    assert synced.mirrors()


def test_a_full_sync_reads_a_folder_once_though_another_appears_meanwhile(synced: World) -> None:
    """The tree is read again for the new one, and so is the state that begins full syncs."""
    full_syncs = "SELECT folder_id, walk + 1 FROM mailsync.change_feeds ORDER BY folder_id"
    expected = synced.rows(full_syncs)

    def appear() -> None:
        synced.before.clear()
        synced.remote.deliver_message(a_mail(), synced.remote.create_folder("new"))

    synced.before["recalculate_counts"] = appear

    assert synced.mirrors(SyncType.FULL)
    assert synced.rows(full_syncs.replace(" + 1", ""))[:-1] == expected


def test_no_request_ever_asks_for_what_graph_does_not_give(synced: World) -> None:
    """Rows 7 to 9, 18, 20 and 32 to 34: options that cut a history, ids that change."""
    move_there_and_back(synced)
    synced.sync(SyncType.FULL)

    asked = synced.simulators.service.log.records()
    deltas = [each for each in asked if "/delta" in each.path]
    assert deltas
    assert all('IdType="ImmutableId"' in each.prefer for each in asked)
    assert not [each for each in deltas if "$top" in each.query]
    assert not [each for each in asked if "$filter" in each.query or "$expand" in each.query]
    assert not [each for each in asked if each.path.endswith("/me/messages/delta")]
