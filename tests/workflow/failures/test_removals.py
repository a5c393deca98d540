"""A wrong answer hides mail for a time; only what was gone twice, hours apart, is deleted."""

from typing import Any

import pytest

from mailsync.sync.check import Outcome
from tests.providers.simulators.graph_client import a_mail
from tests.workflow.failures.world import World

LISTS = r"/mailFolders(/delta|\?|/[^/]+/childFolders)"
GONE: dict[str, Any] = {"status": 404, "code": "ErrorItemNotFound", "times": None}
ROWS = "SELECT message_id, id FROM mailsync.emails"
VERIFIED = "SELECT verified_at FROM mailsync.email_accounts"
LAST_ERROR = "SELECT last_error FROM mailsync.email_accounts"
UNSELECT = "UPDATE mailsync.email_folders SET selected = false WHERE display_name = 'Projects'"
SELECTED = "SELECT selected FROM mailsync.email_folders WHERE display_name = 'Projects'"


def numbers(world: World) -> dict[str, int]:
    """The `emails.id` of every message that is stored, visible or hidden."""
    return dict(map(tuple, world.rows(ROWS)))


def names_of(world: World, *names: str) -> list[str]:
    return [each.id for each in world.remote.folders.all() if each.display_name in names]


def requests_of(world: World) -> list[str]:
    return [each.path for each in world.simulators.service.log.records()]


@pytest.mark.parametrize(
    ("lists", "lie"),
    [
        (LISTS, {"page": "nothing"}),
        (LISTS, {"page": "less"}),
        ("/mailFolders/delta", {"page": "nothing"}),
        ("/childFolders", {"page": "nothing"}),
    ],
)
def test_a_list_of_folders_that_is_incomplete_hides_nothing_and_verifies_nothing(
    world: World, lists: str, lie: dict[str, Any]
) -> None:
    world.sync()
    before = numbers(world)
    for _ in range(3):
        world.inject_fault(lists, **lie, times=None)
        world.remote.deliver(a_mail("new"))
        verified = world.one(VERIFIED)
        is_verified = world.sync() == "completed"
        assert world.stored() == world.in_mailbox()
        assert is_verified == (world.one(VERIFIED) > verified) == (lists != LISTS)
        world.check()
        world.clear_faults()
        world.let_time_pass(3)

    assert world.sync() == "completed"
    assert world.is_mirrored()
    assert before.items() <= numbers(world).items()


def test_a_folder_that_seems_gone_comes_back_as_it_was(world: World) -> None:
    world.sync()
    before = numbers(world)
    folders = names_of(world, "Archive", "Projects")
    world.inject_fault(LISTS, page="less", about=folders, times=None)
    for each in folders:
        world.inject_fault(f"/mailFolders/{each}", **GONE)
    for _ in range(2):
        world.sync()
        assert {each["folder"] for each in world.stored().values()} == {*names_of(world, "Inbox")}
        assert numbers(world) == before

    world.clear_faults()
    world.let_time_pass(3)
    world.simulators.service.log.clear()
    assert world.sync() == "completed"
    assert world.is_mirrored()
    assert numbers(world) == before
    assert not [path for path in requests_of(world) if "/me/messages/" in path]


def test_a_folder_that_seems_gone_keeps_its_choice(world: World) -> None:
    world.sync()
    world.rows(f"{UNSELECT} RETURNING 1")
    world.sync()
    [projects] = names_of(world, "Projects")
    world.inject_fault(LISTS, page="less", about=[projects], times=None)
    world.inject_fault(f"/mailFolders/{projects}", **GONE)
    for _ in range(3):
        world.sync()
        world.let_time_pass(3)

    world.clear_faults()
    world.sync()

    assert world.one(SELECTED) == [False]


@pytest.mark.parametrize("role", ["inbox", "deleteditems"])
def test_a_folder_that_every_mailbox_has_is_never_gone(world: World, role: str) -> None:
    world.sync()
    before = world.stored()
    folder = world.remote.folders.find(role).id
    world.inject_fault(LISTS, page="less", about=[folder], times=None)
    world.inject_fault(f"/mailFolders/({folder}|{role})", **GONE)

    for _ in range(3):
        assert world.sync() == "ProviderUnavailable"
        assert world.stored() == before
        world.let_time_pass(13)


def test_a_folder_that_is_gone_is_hidden_and_leaves_with_the_second_answer(world: World) -> None:
    world.sync()
    before = numbers(world)
    [projects] = names_of(world, "Projects")
    world.remote.purge_folder(projects)

    assert world.sync() == "completed"
    assert world.is_mirrored()
    assert numbers(world) == before

    world.let_time_pass(1.9)
    assert world.sync() == "completed"
    assert numbers(world) == before

    world.let_time_pass(0.2)
    assert world.sync() == "completed"
    assert len(numbers(world)) == len(before) - 12
    assert world.sync() == "completed"
    assert world.rows(SELECTED) == []
    assert world.is_mirrored()


def test_a_message_that_seems_gone_comes_back_under_its_number(world: World) -> None:
    """Its old folder says that it left, its new one says nothing, and by its id it is not there."""
    world.sync()
    before = numbers(world)
    moved = world.remote.messages("inbox")[0].immutable_id
    world.remote.move(moved, "archive")
    world.inject_fault(f"/me/messages/{moved}", **GONE)
    archive = world.remote.folders.find("archive").id
    world.inject_fault(f"{archive}.*/messages/delta", page="no changes", times=1)
    world.inject_fault(rf"{archive}.*/messages\?", page="less", about=[moved], times=None)
    world.sync()
    assert moved not in world.stored()

    world.clear_faults()
    world.let_time_pass(3)
    assert world.sync() == "completed"

    assert world.is_mirrored()
    assert numbers(world) == before


def test_most_of_a_mailbox_leaves_after_a_day_or_when_a_person_confirms(world: World) -> None:
    world.sync()
    before = numbers(world)
    for message in [*world.remote.messages("inbox"), *world.remote.messages("archive")]:
        world.remote.delete_permanently(message.immutable_id)

    for hours in (3, 20):
        assert world.sync() == "completed"
        assert world.is_mirrored()
        assert numbers(world) == before
        assert world.one(LAST_ERROR) == ["SuspiciousRemoval"]
        world.let_time_pass(hours)
    world.let_time_pass(2)

    assert world.sync() == "completed"
    assert numbers(world).keys() == world.stored().keys()
    assert world.is_mirrored()
    assert world.one(LAST_ERROR) == [None]


def test_a_check_asks_again_when_it_is_time_and_lets_the_rest_go(world: World) -> None:
    world.sync()
    world.remote.delete_permanently(world.remote.messages("inbox")[0].immutable_id)
    assert world.check().outcome is Outcome.SYNCED
    world.let_time_pass(1)
    assert world.check().outcome is Outcome.IDLE

    world.let_time_pass(2)
    assert world.check().outcome is Outcome.SYNCED

    assert numbers(world).keys() == world.stored().keys()
    assert world.is_mirrored()
