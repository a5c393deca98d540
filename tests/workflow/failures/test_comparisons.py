"""A provider's counts, lists and change feeds contradict each other: what is found, and when."""

from typing import Any

import pytest

from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

FOLDER = (
    "SELECT remote_total - total, count_offset, unread_offset,"
    " compared_at > now() - interval '1 hour' FROM mailsync.email_folders WHERE role = 'inbox'"
)
ACCOUNT = "SELECT sync_status, last_error, verified_at FROM mailsync.email_accounts"
FAILURE = """
SELECT a.last_error_message, r.error_message, extract(epoch FROM a.next_sync_at - now()) / 60
  FROM mailsync.email_accounts a, mailsync.sync_runs r ORDER BY r.created_at DESC LIMIT 1"""
A_WEEK_H = 7 * 24


def inbox(world: World) -> str:
    return world.folder_id("inbox")


def swallow(world: World) -> None:
    """The change feed of the inbox reports nothing of what happens, and never will."""
    world.inject_fault(f"{inbox(world)}.*/messages/delta", page="no changes", times=None)


def checks_of(world: World, number: int) -> list[tuple[str, int]]:
    checks = [world.check() for _ in range(number)]
    return [(each.outcome, each.request_count) for each in checks]


@pytest.mark.parametrize(("messages", "unread"), [(1, 0), (-1, 0), (0, -900), (3, 3)])
def test_a_count_that_is_wrong_for_ever_is_found_once_and_remembered(
    synced: World, messages: int, unread: int
) -> None:
    _first, (_, idle) = checks_of(synced, 2)  # the first one looks for hidden folders
    synced.remote.database.execute_write(
        "UPDATE folder SET total = total + ?, unread = unread + ? WHERE role = 'inbox'",
        *(messages, unread),
    )

    synced.check_to_the_end()

    assert checks_of(synced, 3) == [(CheckOutcome.NOTHING_NEW, idle)] * 3
    assert synced.one(FOLDER) == [messages, messages, unread, True]
    new = synced.remote.deliver_message(a_mail("new"))
    assert synced.check().outcome is CheckOutcome.SYNCED
    assert synced.stores(new)


def test_a_change_that_is_swallowed_and_moves_a_count_is_found_at_once(synced: World) -> None:
    swallow(synced)
    synced.remote.move_message_to_purged_folder(synced.newest())
    new = synced.remote.deliver_message(a_mail("new"))
    synced.remote.set_message_read(new)
    synced.remote.deliver_message(a_mail("newer"))

    synced.check_to_the_end()

    assert synced.is_mirrored()


@pytest.mark.parametrize("change", ["flag", "swap"])
def test_a_change_that_is_swallowed_and_counts_nothing_is_found_within_a_week(
    synced: World, change: str
) -> None:
    """A flag, or as many deletions as deliveries: counts agree before and after."""
    swallow(synced)
    for message in synced.remote.list_messages_in_folders("inbox")[:3]:
        if change == "flag":
            synced.remote.set_message_flagged(message.message_number)
        else:
            synced.remote.move_message_to_purged_folder(message.message_number)
            new = synced.remote.deliver_message(a_mail("new"))
            synced.remote.set_message_read(new, is_read=message.is_read)
    assert synced.sync() == "completed"
    assert synced.one(ACCOUNT)[2] is not None

    synced.let_time_pass(A_WEEK_H + 24)
    synced.check_to_the_end()

    assert synced.is_mirrored()


@pytest.mark.parametrize("about", ["a new message", "a known one"])
def test_an_entry_that_is_not_whole_is_fetched_and_wipes_nothing(synced: World, about: str) -> None:
    """Graph promises at least the changed properties ("Use delta query"), and no more."""
    changed = synced.newest()
    if about == "a new message":
        changed = synced.remote.deliver_message(a_mail("new"))
    synced.remote.change_message_fields(changed, is_read=True, categories=("Red",))
    synced.inject_fault("/messages/delta", page="partial", times=None)

    assert synced.mirrors()
    row = f"FROM mailsync.emails WHERE message_id = '{synced.id_of(changed)}'"
    assert synced.one(f"SELECT categories, removed_at {row}") == [["Red"], None]


def test_a_repair_that_fails_is_no_success_and_is_tried_again_within_the_hour(
    synced: World,
) -> None:
    verified = synced.one(ACCOUNT)[2]
    swallow(synced)
    synced.remote.deliver_message(a_mail("new"))
    synced.inject_fault(rf"{inbox(synced)}.*/messages\?", status=500, times=None)

    assert synced.sync() == "VerificationFailed"

    assert synced.one(ACCOUNT) == ["failed", "VerificationFailed", verified]
    message, message_of_run, due_in_minutes = synced.one(FAILURE)
    assert message == message_of_run
    assert "still differs from the provider (folders: 1, messages: 1)" in message
    assert 0 < due_in_minutes < 66

    synced.clear_faults()
    assert synced.mirrors()


@pytest.mark.parametrize("lie", ["less", "no link", "nothing"])
def test_a_list_of_ids_that_is_short_deletes_nothing(synced: World, lie: str) -> None:
    before = synced.rows("SELECT message_id, id FROM mailsync.emails ORDER BY 1")
    synced.switch(largest_page=5)
    synced.rows("UPDATE mailsync.email_folders SET compared_at = NULL")
    fault: dict[str, Any] = {"page": lie, "times": None}
    synced.inject_fault(rf"{inbox(synced)}.*/messages\?", **fault)
    synced.sync()
    synced.let_time_pass(3)
    synced.sync()

    assert synced.rows("SELECT message_id, id FROM mailsync.emails ORDER BY 1") == before

    synced.clear_faults()
    synced.let_time_pass(3)
    assert synced.mirrors()
    assert synced.rows("SELECT message_id, id FROM mailsync.emails ORDER BY 1") == before
