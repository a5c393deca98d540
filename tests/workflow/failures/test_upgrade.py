"""The first sync of a mailbox that the version before stored, with one folder per message.

Nothing is fetched again, no row changes its number, and removals that were waiting are found.
"""

import pytest

from mailsync.store import placement_store
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

NUMBERS = "SELECT message_id, id FROM mailsync.emails ORDER BY 1"
CURSORS = "SELECT folder_id, walk FROM mailsync.change_feeds ORDER BY 1"
LEFT = "SELECT placements_filled_to FROM mailsync.email_accounts"
WRITTEN = """
SELECT sum(inserted)::int, sum(updated)::int FROM mailsync.sync_run_folders
 WHERE run_id = (SELECT id FROM mailsync.sync_runs ORDER BY created_at DESC LIMIT 1)"""


@pytest.fixture
def earlier(synced: World) -> World:
    """The mirrored mailbox as the version before leaves it."""
    synced.rows("DELETE FROM mailsync.email_placements")
    synced.rows("UPDATE mailsync.email_accounts SET placements_filled_to = 0")
    return synced


def test_the_next_sync_fetches_what_has_changed_and_nothing_else(earlier: World) -> None:
    numbers, cursors = earlier.rows(NUMBERS), earlier.rows(CURSORS)
    moved, deleted, _ = (
        each.message_number for each in earlier.remote.list_messages_in_folders("inbox")[:3]
    )
    earlier.remote.move_message(moved, "archive")
    earlier.remote.move_message_to_purged_folder(deleted)
    earlier.remote.deliver_message(a_mail("new"))

    assert earlier.sync() == "completed"

    assert earlier.is_mirrored()
    assert earlier.one(LEFT) == [None]
    assert earlier.one(WRITTEN) == [1, 1]
    assert [each for each in earlier.rows(NUMBERS) if each in numbers] == numbers
    assert earlier.rows(CURSORS) == cursors


def test_a_check_fills_a_small_mailbox_and_finds_nothing_new(earlier: World) -> None:
    assert earlier.check().outcome is CheckOutcome.NOTHING_NEW

    assert earlier.is_mirrored()
    assert earlier.one(LEFT) == [None]


def test_a_check_leaves_a_large_mailbox_to_an_execution(
    earlier: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_store, "MESSAGES_PER_PLACEMENT_BATCH", 5)

    assert earlier.hand_over() == "completed"

    assert earlier.is_mirrored()
    assert earlier.one(LEFT) == [None]
    assert earlier.check().outcome is CheckOutcome.NOTHING_NEW
