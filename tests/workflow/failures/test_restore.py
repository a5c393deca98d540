"""The database is set back to a backup; the next sync makes it equal to the mailbox of now."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.providers.simulators.graph_client import a_mail
from tests.workflow.failures.world import World


def change(world: World) -> None:
    """Something of everything: new, gone, moved, read, and a folder more."""
    first, second, third, *_ = (each.immutable_id for each in world.remote.messages("inbox"))
    added = world.remote.folders.create("After the backup").id
    world.remote.deliver(a_mail())
    world.remote.delete_permanently(first)
    world.remote.move(second, added)
    world.remote.update(third, isRead=True)


@pytest.mark.parametrize("cursors_live", [True, False])
def test_a_database_that_was_set_back_is_brought_up_to_date(
    cursors_live: bool,
    world: World,
    create_database: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert world.sync() == "completed"
    world.database.close()  # a database that is copied has no connections
    backup = create_database(urlsplit(world.settings.database_url).path.strip("/"))
    change(world)
    assert world.sync() == "completed"
    if not cursors_live:
        world.remote.expire_delta_links(None)

    settings = Settings({"DATABASE_URL": backup})
    restored = replace(world, settings=settings, database=Database(settings))
    restored.install(monkeypatch)
    next(restored._numbers)  # run-1 is in the backup

    assert restored.sync() == "completed"
    assert restored.is_mirrored()
    restored.database.close()
