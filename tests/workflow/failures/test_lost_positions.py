"""Positions that are lost and folders that cannot be followed: walked again, or by plain lists."""

import json
from contextlib import closing
from itertools import cycle
from typing import Any
from urllib.parse import unquote

import pytest

from mailsync.decisions import page_series
from mailsync.model import SyncType
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.store.rows import rows
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

GENERATIONS = "SELECT DISTINCT walk, walking FROM mailsync.change_feeds"
FAILED = "SELECT role, error FROM mailsync.email_folders WHERE error <> ''"
PROVEN = "SELECT initial_sync_completed FROM mailsync.email_accounts"
A_MONTH_PASSES = "UPDATE mailsync.data_keys SET created_at = created_at - interval '31 days'"
NEWEST_KEY = "SELECT max(id) FROM mailsync.data_keys"
KEYS_IN_USE = "SELECT DISTINCT cursor_key_id FROM mailsync.change_feeds"
FEW = 5
FULL: dict[str, Any] = {"status": 403, "code": "ErrorQuotaExceeded", "times": None}


def test_an_expired_position_is_walked_again_and_what_left_meanwhile_is_swept(
    synced: World,
) -> None:
    """Row 1."""
    synced.remote.delete_message_from_database(
        synced.remote.list_messages_in_folders("inbox")[3].message_number
    )
    synced.remote.deliver_message(a_mail("new"))
    synced.remote.expire_cursors()

    assert synced.mirrors()
    assert synced.rows(GENERATIONS) == [[2, False]]


def test_no_position_is_lost_when_the_data_key_is_replaced_and_all_are_sealed_anew(
    synced: World, owner: Settings
) -> None:
    """By the next sync, or by a check that finds nothing; other functions may not use the keys."""
    with closing(Database(owner)) as database:
        for work in (synced.sync, synced.check):
            rows(database, A_MONTH_PASSES)
            synced.forget_keys()
            (before,) = synced.one(NEWEST_KEY)
            work()
            (newest,) = synced.one(NEWEST_KEY)
            assert newest > before
            assert synced.rows(KEYS_IN_USE) == [[newest]]
    assert synced.rows(GENERATIONS) == [[1, False]]
    assert synced.is_mirrored()


def test_a_position_that_keeps_expiring_fails_its_folder_and_keeps_its_rows(synced: World) -> None:
    """Row 4: walked again twice in a run, then it is somebody's to look at."""
    before = synced.stored()
    synced.remote.expire_cursors()
    synced.switch(largest_page=5)
    synced.inject_fault("skiptoken", status=410, code="SyncStateNotFound", times=None)

    assert synced.sync() == "FoldersFailed"

    assert synced.stored() == before
    causes = synced.rows("SELECT DISTINCT error FROM mailsync.email_folders WHERE error <> ''")
    assert causes == [["CursorExpired"]]


def test_a_position_that_expires_after_every_pause_fails_its_folder_as_soon(synced: World) -> None:
    """The pages between two expiries are no reason to begin a third time."""
    synced.remote.expire_cursors()
    synced.switch(largest_page=5)
    pause: dict[str, Any] = {"status": 429, "code": "ApplicationThrottled", "retry_after": 120}
    faults = cycle([pause, {"status": 410, "code": "SyncStateNotFound"}])
    synced.before["sync_folder"] = lambda: synced.inject_fault("skiptoken", **next(faults))

    assert synced.sync() == "FoldersFailed"

    assert synced.one("SELECT max(walk) FROM mailsync.change_feeds") == [3]


@pytest.mark.parametrize("page", ["ever empty", "ever same"])
def test_pages_without_end_are_left_for_a_new_walk_and_then_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """Row 10: a few are normal, each with another link."""
    monkeypatch.setattr(page_series, "MAX_EMPTY_PAGES", FEW)
    monkeypatch.setattr(page_series, "MAX_REPEATED_PAGES", FEW)
    rule = world.inject_fault("skiptoken", page=page, times=FEW)
    world.switch(largest_page=5)
    assert world.mirrors()
    assert rule.injected_count == FEW
    assert world.one("SELECT max(walk) FROM mailsync.change_feeds") == [1]

    before = world.stored()
    world.remote.expire_cursors()
    world.inject_fault("skiptoken", page=page, times=None)

    assert world.sync() == "FoldersFailed"
    assert world.stored() == before
    assert world.one("SELECT max(walk) FROM mailsync.change_feeds") == [3]


def test_a_folder_that_never_comes_holds_up_only_itself(world: World) -> None:
    """Row 27: neither feed nor list, in no page size."""
    world.inject_fault(f"({world.folder_id('inbox')}|inbox)/messages", status=503, times=None)

    assert world.sync() == "FoldersFailed"
    waiting = world.in_mailbox().keys() - world.stored().keys()
    assert waiting == {
        world.id_of(each.message_number) for each in world.remote.list_messages_in_folders("inbox")
    }
    assert world.rows(FAILED) == [["inbox", "ProviderUnavailable"]]

    world.clear_faults()
    assert world.mirrors()


def test_a_full_sync_that_would_empty_a_full_folder_hides_nothing(world: World) -> None:
    """The folder is compared by ids instead."""
    archive = world.folder_id("archive")
    for folder, mails in (("archive", 20), ("inbox", 40)):
        for number in range(mails):
            world.remote.deliver_message(a_mail(f"mail {number}"), folder)
    world.sync()
    before = world.stored()
    new = world.remote.deliver_message(a_mail("new"))
    path = f"/me/mailFolders/{archive}/messages/delta"
    link = f"{world.simulators.graph_url}{path}?$deltatoken=forged"
    nothing = json.dumps({"value": [], "@odata.deltaLink": link})
    world.inject_fault(path, status=200, body=nothing, times=None)

    assert world.sync(SyncType.FULL) == "completed"

    assert world.stored().keys() == before.keys() | {world.id_of(new)}
    asked = world.simulators.service.log.records()
    assert [each for each in asked if archive in unquote(each.path) and "count=" in each.query]


@pytest.mark.parametrize("page", ["same link", "empty"])
def test_a_link_that_leads_to_itself_for_ever_is_left_for_a_new_walk(
    world: World, page: str
) -> None:
    """Rows 10 and 11: seven page sizes, down to one message, then a walk with another link."""
    world.switch(largest_page=5)
    rule = world.inject_fault("skiptoken", page=page, times=7)

    assert world.sync() == "completed"

    assert rule.injected_count == 7
    assert world.one("SELECT max(walk) FROM mailsync.change_feeds") == [2]
    assert world.is_mirrored()


def test_a_first_sync_that_broke_off_goes_on_where_it_stopped(world: World) -> None:
    """Row 39: complete only when the last page is stored."""
    world.switch(largest_page=5)
    broken = world.inject_fault("skiptoken", status=403, code="ErrorSomething", times=None)
    assert world.sync() == "FoldersFailed"
    assert world.one(PROVEN) == [False]
    assert 0 < len(world.stored()) < len(world.in_mailbox())

    broken.times = 0
    before = len(world.simulators.service.log.records())
    assert world.mirrors()
    assert world.one(PROVEN) == [True]
    asked = world.simulators.service.log.records()[before:]
    assert not [each for each in asked if "messages/delta" in each.path and each.link is None]


def test_a_full_mailbox_is_listed_and_followed_by_changes_once_there_is_room(world: World) -> None:
    """Row 21: every folder is walked whole as long as Exchange can keep no chain."""
    world.inject_fault("/delta", **FULL)
    assert world.mirrors()

    world.remote.delete_message_from_database(world.newest())
    world.remote.change_message_fields(
        world.remote.list_messages_in_folders("inbox")[1].message_number, subject="changed"
    )
    assert world.mirrors()
    assert world.one(PROVEN) == [True]

    world.clear_faults()
    world.sync()
    world.remote.deliver_message(a_mail("new"))
    assert world.mirrors()
    assert world.rows(GENERATIONS) == [[3, False]]


def test_a_mailbox_that_becomes_full_goes_on_by_lists(synced: World) -> None:
    """Row 21, with a chain begun before; and a list whose second link is left out, row 12."""
    synced.remote.delete_message_from_database(
        synced.remote.list_messages_in_folders("inbox")[5].message_number
    )
    synced.remote.deliver_message(a_mail("new"))
    synced.inject_fault("/delta", **FULL)

    assert synced.mirrors()


def test_a_list_that_breaks_off_early_loses_nothing(synced: World) -> None:
    """Row 12: what a listing did not show is asked for by id."""
    synced.rows("UPDATE mailsync.change_feeds SET page_size = 5")
    synced.inject_fault("/delta", **FULL)
    synced.inject_fault("orderby", page="no link", times=None)

    assert synced.mirrors()


def test_a_cursor_that_does_not_open_is_walked_anew(synced: World) -> None:
    """Changed in the table, or of another folder: what was sealed for one opens for no other."""
    synced.rows(
        "UPDATE mailsync.change_feeds SET cursor_sealed ="
        " (SELECT cursor_sealed FROM mailsync.change_feeds ORDER BY folder_id LIMIT 1)"
    )
    synced.remote.deliver_message(a_mail("new"))

    assert synced.mirrors()
    assert synced.rows("SELECT walk FROM mailsync.change_feeds ORDER BY folder_id") == [
        [1],
        *[[2]] * (len(synced.remote.folders.list_all_folders()) - 1),
    ]


def test_a_folder_that_seems_gone_has_failed_and_keeps_its_mail(synced: World) -> None:
    """Rows 37 and 40: its messages are answered with 404 while it is still listed with mail."""
    before = synced.stored()
    inbox = synced.folder_id("inbox")
    synced.remote.deliver_message(a_mail("new"))
    synced.inject_fault(f"{inbox}.*/messages", status=404, code="ErrorItemNotFound", times=None)

    assert synced.sync() == "FoldersFailed"
    assert synced.stored() == before

    synced.clear_faults()
    assert synced.mirrors()
