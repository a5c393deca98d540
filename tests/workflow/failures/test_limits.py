"""The provider's limits and its worst days, for whole mailboxes."""

from typing import Any
from urllib.parse import unquote

import pytest

from localdev.simulators.behaviour import Latency
from mailsync.errors import AccessRevoked
from mailsync.providers.graph import http as graph_http
from mailsync.sync import store_page
from mailsync.sync.check import CheckOutcome
from mailsync.sync.store_page import DEFAULT_PAGE_SIZE
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

LARGE_CHARS = 2**16
LARGE_MESSAGES = 17
ACCOUNT = "SELECT status, sync_status, last_error FROM mailsync.email_accounts"
CURSORS = "SELECT folder_id, cursor_key_id, cursor_sealed FROM mailsync.change_feeds ORDER BY 1"
TAKE_FOR_OTHERS = """
UPDATE mailsync.emails SET message_id = 'other-' || message_id WHERE id % 2 = 0"""
LOSE_ONE_OF_EACH_FOLDER = """
DELETE FROM mailsync.emails WHERE id IN (SELECT max(id) FROM mailsync.emails GROUP BY folder_id)"""


@pytest.mark.parametrize("largest_page", [2, 500])
def test_never_more_than_four_requests_are_in_flight(world: World, largest_page: int) -> None:
    """Row 22: Maps of four, batches with four items at work, and no rejected request."""
    world.at_once = True
    world.switch(largest_page=largest_page)
    world.simulators.service.latency = Latency(fixed_s=0.02)
    for name in "ABCDEF":
        folder = world.remote.create_folder(name)
        for _ in range(6):
            world.remote.deliver_message(a_mail(), folder)

    assert world.sync() == "completed"
    world.rows(TAKE_FOR_OTHERS)
    world.rows(LOSE_ONE_OF_EACH_FOLDER)
    assert world.sync() == "completed"

    asked = world.simulators.service.log.records()
    assert world.is_mirrored()
    assert max(each.in_flight for each in asked) == 3, "others in flight at arrival"
    assert {each.status for each in asked} <= {200, 400, 404}, "400 for an id that is no id"


def test_the_page_size_does_not_show_in_the_rows(world: World) -> None:
    seen = []
    for size in (1, 7, 50, 500):
        world.rows("DELETE FROM mailsync.emails")
        world.rows("DELETE FROM mailsync.email_folders")
        world.switch(largest_page=size)
        assert world.sync() == "completed"
        seen.append(world.stored())

    assert world.is_mirrored()
    assert all(each == seen[0] for each in seen)


def test_a_provider_that_chokes_is_asked_for_less_and_then_for_more_again(world: World) -> None:
    """Rows 27 and 28: first with all small folders at once, then alone."""
    inbox = world.folder_id("inbox")
    world.inject_fault(f"{inbox}/messages/delta", status=503, body="", times=5)

    world.sync()

    prefer = [
        each.prefer.rpartition("=")[2]
        for each in world.simulators.service.log.records()
        if inbox in unquote(each.path) and "/delta" in each.path
    ]
    assert prefer == ["100", "100", "50", "25", "12", "6", "7"]
    assert world.is_mirrored()


def test_a_pause_is_slept_where_it_is_short_and_left_to_the_workflow_where_it_is_long(
    world: World,
) -> None:
    """Row 24: never shorter than asked for, longer each time."""
    inbox = world.folder_id("inbox")
    for _ in range(DEFAULT_PAGE_SIZE):
        world.remote.deliver_message(a_mail())
    refused: dict[str, Any] = {"status": 429, "code": "ApplicationThrottled"}
    world.inject_fault(f"{inbox}/messages/delta", **refused, retry_after=2.128, times=2)
    world.inject_fault(f"{inbox}/messages/delta", **refused, retry_after=45)

    world.sync()

    assert 2.128 <= world.pauses[0] < 2.7
    assert 4.256 <= world.pauses[1] < 5.4
    assert len(world.pauses) == 2
    assert world.waits == [45]


@pytest.mark.parametrize(
    "path", ["/mailFolders/delta", "/mailFolders.*/messages/delta", "count=true", "/me/messages/"]
)
def test_a_long_pause_is_kept_in_every_state(synced: World, path: str) -> None:
    synced.rows(LOSE_ONE_OF_EACH_FOLDER)
    synced.remote.move_message_to_purged_folder(
        synced.remote.list_messages_in_folders("inbox")[-1].message_number
    )
    synced.simulators.service.log.clear()
    synced.inject_fault(path, status=429, code="ApplicationThrottled", retry_after=45)

    assert synced.sync() == "completed"

    assert synced.waits == [45]
    asked = [each.status for each in synced.simulators.service.log.records()]
    refused = asked.index(429)
    of_its_batch = 4 if "/messages" in path else 1
    assert refused < synced.requests_before[0] <= refused + of_its_batch


def test_a_long_pause_is_kept_by_a_check_and_by_the_execution_to_which_it_leaves_the_run(
    synced: World,
) -> None:
    synced.inject_fault(
        "/mailFolders/delta", status=429, code="ApplicationThrottled", retry_after=45
    )
    assert synced.check().outcome is CheckOutcome.HANDED_TO_EXECUTION
    asked = len(synced.simulators.service.log.records())

    assert synced.resume(synced.started[-1]) == "completed"

    assert 40 < sum(synced.waits) <= 46
    assert synced.requests_before[0] == asked


@pytest.mark.parametrize("code", ["MailboxNotEnabledForRESTAPI", "ErrorInvalidUser"])
def test_a_mailbox_that_is_not_there_fails_by_name_and_keeps_its_rows(
    synced: World, code: str
) -> None:
    """Row 29."""
    before = synced.stored()
    synced.inject_fault(times=None, status=404, code=code)

    assert synced.sync() == "ProviderRejected"

    assert synced.stored() == before
    assert synced.one(ACCOUNT) == ["active", "failed", "ProviderRejected"]


def test_pages_that_would_not_fit_into_memory_are_asked_for_in_smaller_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first walk, and a probe of all folders at once, both of more than the limit."""
    monkeypatch.setattr(graph_http, "MAX_RESPONSE_BYTES", LARGE_MESSAGES * LARGE_CHARS)
    for _ in range(2):
        for minutes in range(LARGE_MESSAGES):
            world.remote.deliver_message(a_mail("large", body="x" * LARGE_CHARS, minutes=minutes))

        assert world.sync() == "completed"

        assert world.is_mirrored()
    assert world.one("SELECT min(page_size) FROM mailsync.change_feeds")[0] < LARGE_MESSAGES
    assert world.one("SELECT count(*) FROM mailsync.email_quarantine") == [0]


def test_a_message_that_is_never_held_is_quarantined_and_the_others_arrive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the feed it is not had, nor by its id; the folder is read by the next feed."""
    monkeypatch.setattr(graph_http, "MAX_RESPONSE_BYTES", LARGE_CHARS)
    monkeypatch.setattr(graph_http, "MAX_SINGLE_MESSAGE_RESPONSE_BYTES", 2 * LARGE_CHARS)
    too_large = world.remote.deliver_message(a_mail("bomb", body="x" * 3 * LARGE_CHARS))
    world.remote.deliver_message(a_mail("after it", minutes=1))

    assert world.sync() == "completed"

    quarantined = "SELECT message_id, cause FROM mailsync.email_quarantine"
    assert world.rows(quarantined) == [[world.id_of(too_large), "too_large"]]
    assert world.one("SELECT count(*) FROM mailsync.emails") == [37]


@pytest.mark.parametrize(("limit", "pending"), [(4 * LARGE_CHARS, 13), (1, 16)])
def test_bodies_that_a_page_only_names_are_held_a_few_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, limit: int, pending: int
) -> None:
    """Read states come without their messages; those that do not fit are fetched afterwards, even
    if none fits."""
    monkeypatch.setattr(store_page, "MAX_FETCHED_BODY_CHARS_PER_PAGE", limit)
    large = [
        world.remote.deliver_message(a_mail("large", body="x" * LARGE_CHARS, minutes=minutes))
        for minutes in range(LARGE_MESSAGES)
    ]
    world.sync()
    for each in large:
        world.remote.set_message_read(each)
    left = "SELECT count(*) FROM mailsync.pending_messages"
    found: list[int] = []
    world.before["sync_folder"] = lambda: found.extend(world.one(left))

    assert world.hand_over() == "completed"

    assert found == [pending]
    assert world.one(left) == [0]
    assert world.is_mirrored()


def test_messages_left_pending_are_fetched_by_the_next_sync(
    synced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that dies between a page and its messages leaves them to an execution."""
    monkeypatch.setattr(store_page, "MAX_FETCHED_BODY_CHARS_PER_PAGE", 1)
    for number in [each.message_number for each in synced.remote.list_messages_in_folders("inbox")][
        :3
    ]:
        synced.remote.set_message_read(
            number, is_read=not synced.remote.find_message(number).is_read
        )
    assert synced.check().outcome == "handedOver"
    monkeypatch.undo()
    synced.install(monkeypatch)
    synced.rows("UPDATE mailsync.sync_runs SET status = 'failed', finished_at = now()")

    assert synced.hand_over() == "completed"

    assert synced.is_mirrored()


def test_a_withdrawn_consent_stops_the_run_and_keeps_rows_and_positions(synced: World) -> None:
    """Row 46."""
    before = synced.stored()
    positions = synced.rows(CURSORS)
    synced.access.refusal = AccessRevoked("The grant is refused.")

    assert synced.sync() == "AccessRevoked"

    assert synced.one(ACCOUNT) == ["reauth_required", "failed", "AccessRevoked"]
    assert synced.stored() == before
    after = synced.rows(CURSORS)
    assert after == positions
