"""What a verification compares by ids, in which run, and what it leaves alone."""

import pytest

from mailsync.decisions.verify import (
    COMPARISON_RETRY_AFTER,
    MAX_COMPARED_FOLDERS_PER_RUN,
    MAX_COMPARISON_AGE,
)
from mailsync.model import FolderId, SyncType
from tests.workflow.failures.world import World

MAKE_DUE = "UPDATE mailsync.email_folders SET compared_at = now() - interval '9 days' RETURNING 1"
AGES = (
    "SELECT id, extract(epoch FROM now() - compared_at) / 3600 FROM mailsync.email_folders"
    " WHERE selected ORDER BY id"
)
GENERATIONS = (
    "SELECT f.display_name, c.walk FROM mailsync.email_folders f"
    " JOIN mailsync.folder_cursors c ON c.folder_id = f.id"
)
LISTS = r"/messages\?.*\$count"


@pytest.fixture
def world(world: World) -> World:
    """Synced once."""
    assert world.sync() == "completed"
    return world


def ages_h(world: World) -> dict[FolderId, float]:
    """The hours since each folder was compared, or is said to have been."""
    return {FolderId(folder): float(hours) for folder, hours in world.rows(AGES)}


def lists_of(world: World) -> int:
    """How many lists of ids were read since the last time."""
    records = world.simulators.service.log.records()
    world.simulators.service.log.clear()
    return len([each for each in records if each.path.endswith("/messages")])


def test_folders_for_which_a_run_has_no_room_stay_due_for_the_next(world: World) -> None:
    for at in range(MAX_COMPARED_FOLDERS_PER_RUN):
        world.remote.folders.create(f"F{at}")
    assert world.sync() == "completed"
    world.rows(MAKE_DUE)
    number = len(ages_h(world))
    assert MAX_COMPARED_FOLDERS_PER_RUN < number < 2 * MAX_COMPARED_FOLDERS_PER_RUN

    assert world.sync() == "completed"
    left = {folder for folder, hours in ages_h(world).items() if hours > 1}
    assert len(left) == number - MAX_COMPARED_FOLDERS_PER_RUN
    assert all(ages_h(world)[folder] > 9 * 24 - 1 for folder in left)

    assert world.sync() == "completed"
    assert max(ages_h(world).values()) < 1


def test_a_comparison_that_fails_is_tried_again_within_a_day_and_fails_no_sync(
    world: World,
) -> None:
    world.rows(MAKE_DUE)
    world.inject_fault(LISTS, status=500, times=None)
    lists_of(world)
    assert world.sync() == "completed"
    assert lists_of(world) > 0
    assert min(ages_h(world).values()) > 1
    assert world.sync() == "completed"
    assert lists_of(world) == 0

    world.clear_faults()
    world.let_time_pass(COMPARISON_RETRY_AFTER.total_seconds() / 3600)
    assert world.sync() == "completed"
    assert max(ages_h(world).values()) < 1


def test_no_folder_is_compared_before_it_is_due(world: World) -> None:
    world.let_time_pass(MAX_COMPARISON_AGE.total_seconds() / 3600 - 25)
    lists_of(world)

    assert world.sync() == "completed"

    assert lists_of(world) == 0


def test_a_folder_that_appears_in_a_full_sync_restarts_no_other(world: World) -> None:
    before = dict(map(tuple, world.rows(GENERATIONS)))

    def appear() -> None:
        if "Late" not in {each.display_name for each in world.remote.folders.all()}:
            world.remote.folders.create("Late")

    world.before["recalculate_counts"] = appear
    assert world.sync(SyncType.FULL) == "completed"

    assert dict(map(tuple, world.rows(GENERATIONS))) == {
        **{name: walk + 1 for name, walk in before.items()},
        "Late": 1,
    }
    assert world.is_mirrored()
