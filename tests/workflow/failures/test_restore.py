"""The database is set back to a backup; the next sync makes it equal to the mailbox of now."""

import pytest

from tests.support.mail import a_mail
from tests.workflow.failures.conftest import Prepared
from tests.workflow.failures.world import World


def change(world: World) -> None:
    """Something of everything: new, gone, moved, read, and a folder more."""
    first, second, third, *_ = (
        each.message_number for each in world.remote.list_messages_in_folders("inbox")
    )
    added = world.remote.create_folder("After the backup")
    world.remote.deliver_message(a_mail())
    world.remote.move_message_to_purged_folder(first)
    world.remote.move_message(second, added)
    world.remote.set_message_read(third)


@pytest.mark.parametrize("cursors_live", [True, False])
def test_a_database_that_was_set_back_is_brought_up_to_date(
    cursors_live: bool, synced: World, prepared: Prepared
) -> None:
    change(synced)
    assert synced.mirrors()
    if not cursors_live:
        synced.remote.expire_cursors(None)

    prepared.synced.restore_rows()

    assert synced.mirrors()
