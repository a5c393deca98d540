"""What a verification compares by ids, in which run, and what it leaves alone."""

from mailsync.decisions.verify import (
    FAILED_FOLDER_COMPARISON_RETRY_DELAY,
    MAX_DUE_FOLDERS_COMPARED_PER_RUN,
)
from mailsync.model import FolderId
from tests.workflow.failures.world import World

MAKE_DUE = "UPDATE mailsync.email_folders SET compared_at = now() - interval '9 days'"
AGES = (
    "SELECT id, extract(epoch FROM now() - compared_at) / 3600 FROM mailsync.email_folders"
    " WHERE selected ORDER BY id"
)
LISTS = r"/messages\?.*\$count"


def ages_h(world: World) -> dict[FolderId, float]:
    """The hours since each folder was compared, or is said to have been."""
    return {FolderId(folder): float(hours) for folder, hours in world.rows(AGES)}


def lists_of(world: World) -> int:
    """How many lists of ids were read since the last time."""
    records = world.simulators.service.log.records()
    world.simulators.service.log.clear()
    return len([each for each in records if each.path.endswith("/messages")])


def test_folders_for_which_a_run_has_no_room_stay_due_for_the_next(synced: World) -> None:
    for at in range(MAX_DUE_FOLDERS_COMPARED_PER_RUN):
        synced.remote.folders.create_folder(f"F{at}")
    assert synced.sync() == "completed"
    synced.rows(MAKE_DUE)
    number = len(ages_h(synced))
    assert MAX_DUE_FOLDERS_COMPARED_PER_RUN < number < 2 * MAX_DUE_FOLDERS_COMPARED_PER_RUN

    assert synced.sync() == "completed"
    left = {folder for folder, hours in ages_h(synced).items() if hours > 1}
    assert len(left) == number - MAX_DUE_FOLDERS_COMPARED_PER_RUN
    assert all(ages_h(synced)[folder] > 9 * 24 - 1 for folder in left)

    assert synced.sync() == "completed"
    assert max(ages_h(synced).values()) < 1


def test_a_comparison_that_fails_is_tried_again_within_a_day_and_fails_no_sync(
    synced: World,
) -> None:
    synced.rows(MAKE_DUE)
    synced.inject_fault(LISTS, status=500, times=None)
    lists_of(synced)
    assert synced.sync() == "completed"
    assert lists_of(synced) > 0
    assert min(ages_h(synced).values()) > 1
    assert synced.sync() == "completed"
    assert lists_of(synced) == 0

    synced.clear_faults()
    synced.let_time_pass(FAILED_FOLDER_COMPARISON_RETRY_DELAY.total_seconds() / 3600)
    assert synced.sync() == "completed"
    assert max(ages_h(synced).values()) < 1


def test_a_row_that_is_lost_after_its_folder_was_compared_is_missed(world: World) -> None:
    """A complete list explains a difference of the counts only if it showed that difference."""
    assert world.mirrors()
    world.rows("UPDATE mailsync.email_folders SET compared_at = NULL WHERE role = 'inbox'")
    counted: list[int] = []

    def lose() -> None:
        counted.append(len(counted))
        if len(counted) > 1:
            world.lose(world.newest())

    world.before["recalculate_counts"] = lose

    assert world.sync() == "VerificationFailed"

    world.before.clear()
    assert world.mirrors()
