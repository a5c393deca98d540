"""A provider's counts, lists and change feeds contradict each other: what is found, and when."""

from typing import Any

import pytest

from mailsync.sync.check import Outcome
from tests.providers.simulators.graph_client import a_mail
from tests.workflow.failures.world import World

FOLDER = (
    "SELECT remote_total - total, count_offset, unread_offset,"
    " compared_at > now() - interval '1 hour' FROM mailsync.email_folders WHERE role = 'inbox'"
)
ACCOUNT = "SELECT sync_status, last_error, verified_at FROM mailsync.email_accounts"
RUN = "SELECT status, error, error_message FROM mailsync.sync_runs ORDER BY created_at DESC LIMIT 1"
A_WEEK_H = 7 * 24


def inbox(world: World) -> str:
    return world.remote.folders.find("inbox").id


def swallow(world: World) -> None:
    """The change feed of the inbox reports nothing of what happens, and never will."""
    world.inject_fault(f"{inbox(world)}.*/messages/delta", page="no changes", times=None)


def checks_of(world: World, number: int) -> list[tuple[str, int]]:
    checks = [world.check() for _ in range(number)]
    return [(each.outcome, each.requests) for each in checks]


@pytest.mark.parametrize(("messages", "unread"), [(1, 0), (-1, 0), (0, -900), (3, 3)])
def test_a_count_that_is_wrong_for_ever_is_found_once_and_remembered(
    world: World, messages: int, unread: int
) -> None:
    world.sync()
    [(_, idle)] = checks_of(world, 1)
    world.remote.database.write(
        "UPDATE folder SET total = total + ?, unread = unread + ? WHERE id = ?",
        *(messages, unread, inbox(world)),
    )

    found = world.check()
    while found.outcome is Outcome.HANDED_OVER:
        assert world.resume(world.started[-1]) == "completed"
        found = world.check()

    assert checks_of(world, 3) == [(Outcome.IDLE, idle)] * 3
    assert world.one(FOLDER) == [messages, messages, unread, True]
    new = world.remote.deliver(a_mail("new"))
    assert world.check().outcome is Outcome.SYNCED
    assert new in world.stored()


def test_a_change_that_is_swallowed_and_moves_a_count_is_found_at_once(world: World) -> None:
    world.sync()
    swallow(world)
    world.remote.delete_permanently(world.remote.messages("inbox")[0].immutable_id)
    new = world.remote.deliver(a_mail("new"))
    world.remote.update(new, isRead=True)
    world.remote.deliver(a_mail("newer"))

    while world.check().outcome is Outcome.HANDED_OVER:
        assert world.resume(world.started[-1]) == "completed"

    assert world.is_mirrored()


@pytest.mark.parametrize("change", ["flag", "swap"])
def test_a_change_that_is_swallowed_and_counts_nothing_is_found_within_a_week(
    world: World, change: str
) -> None:
    """A flag, or as many deletions as deliveries: counts agree before and after."""
    world.sync()
    swallow(world)
    for message in world.remote.messages("inbox")[:3]:
        if change == "flag":
            world.remote.update(message.immutable_id, flag={"flagStatus": "flagged"})
        else:
            world.remote.delete_permanently(message.immutable_id)
            new = world.remote.deliver(a_mail("new"))
            world.remote.update(new, isRead=message.is_read)
    assert world.sync() == "completed"
    assert world.one(ACCOUNT)[2] is not None

    world.let_time_pass(A_WEEK_H + 24)
    while world.check().outcome is Outcome.HANDED_OVER:
        assert world.resume(world.started[-1]) == "completed"

    assert world.is_mirrored()


@pytest.mark.parametrize("about", ["a new message", "a known one"])
def test_an_entry_that_is_not_whole_is_fetched_and_wipes_nothing(world: World, about: str) -> None:
    """Graph promises at least the changed properties ("Use delta query"), and no more."""
    world.sync()
    changed = world.remote.messages("inbox")[0].immutable_id
    if about == "a new message":
        changed = world.remote.deliver(a_mail("new"))
    world.remote.update(changed, isRead=True, categories=["Red"])
    world.inject_fault("/messages/delta", page="partial", times=None)

    assert world.sync() == "completed"

    assert world.is_mirrored()
    assert world.one(
        f"SELECT categories, removed_at FROM mailsync.emails WHERE message_id = '{changed}'"
    ) == [["Red"], None]


def test_a_repair_that_fails_is_no_success_and_says_so_everywhere(world: World) -> None:
    world.sync()
    verified = world.one(ACCOUNT)[2]
    swallow(world)
    world.remote.deliver(a_mail("new"))
    world.inject_fault(rf"{inbox(world)}.*/messages\?", status=500, times=None)

    assert world.sync() == "VerificationFailed"

    said = "still differs from the provider (folders: 1, messages: 1)"
    assert world.one(RUN)[:2] == ["failed", "VerificationFailed"]
    assert said in world.one(RUN)[2]
    assert world.one(ACCOUNT) == ["failed", "VerificationFailed", verified]
    assert world.one(
        "SELECT next_sync_at BETWEEN now() AND now() + interval '66 minutes'"
        " FROM mailsync.email_accounts"
    ) == [True]

    world.clear_faults()
    assert world.sync() == "completed"
    assert world.is_mirrored()


@pytest.mark.parametrize("lie", ["less", "no link", "nothing"])
def test_a_list_of_ids_that_is_short_deletes_nothing(world: World, lie: str) -> None:
    world.sync()
    before = world.rows("SELECT message_id, id FROM mailsync.emails ORDER BY 1")
    world.switch(largest_page=5)
    world.rows("UPDATE mailsync.email_folders SET compared_at = NULL RETURNING 1")
    fault: dict[str, Any] = {"page": lie, "times": None}
    world.inject_fault(rf"{inbox(world)}.*/messages\?", **fault)
    world.sync()
    world.let_time_pass(3)
    world.sync()

    assert world.rows("SELECT message_id, id FROM mailsync.emails ORDER BY 1") == before

    world.clear_faults()
    world.let_time_pass(3)
    assert world.sync() == "completed"
    assert world.is_mirrored()
    assert world.rows("SELECT message_id, id FROM mailsync.emails ORDER BY 1") == before
