"""A large folder whose change feed names messages, and whose messages several workers fetch."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from localdev.mail.generate import generate_mail_items
from localdev.simulators.faults import Fault, FaultRule
from mailsync.decisions import slices as decisions
from mailsync.errors import ProviderUnavailable
from mailsync.model import FeedRef, SyncType, TimeSlice
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.sync import feed_pages, folder_tree, slices, store_page
from tests.workflow.failures.conftest import ADDRESS
from tests.workflow.failures.world import World

SLICE = "/messages[?].*filter"


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders of more than five messages are large, and slices have four."""
    monkeypatch.setattr(decisions, "MAX_MESSAGES_OF_UNSLICED_FOLDER", 5)
    monkeypatch.setattr(decisions, "INITIAL_MESSAGES_PER_SLICE", 4)
    monkeypatch.setattr(decisions, "MAX_MESSAGES_PER_SLICE", 4)
    monkeypatch.setattr(decisions, "MIN_MESSAGES_PER_SLICE", 1)
    monkeypatch.setattr(slices, "MAX_WAIT_FOR_UNCLAIMED_SLICE_S", 1.0)
    monkeypatch.setattr(folder_tree, "DEFAULT_PAGE_SIZE", 3)
    monkeypatch.setattr(store_page, "MIN_MESSAGES_TO_SLICE", 3)


def requests(world: World, *words: str) -> int:
    """How many requests for messages have all these words in their path or query."""
    asked = (f"{each.path}?{each.query}" for each in world.simulators.service.log.records())
    return sum("/messages" in each and all(word in each for word in words) for each in asked)


def fill(world: World, messages: int) -> None:
    """Let the inbox have more messages."""
    mail = generate_mail_items(messages, owner=ADDRESS)
    world.remote.import_mail_items(replace(each, folder=()) for each in mail)
    world.simulators.service.log.clear()


def test_several_workers_fetch_one_folder_and_none_of_its_messages_twice(world: World) -> None:
    fill(world, 200)
    world.at_once = True
    world.simulators.service.set_microsoft_behaviour_switches(largest_page=40)
    assert world.mirrors(SyncType.FULL)

    records = world.simulators.service.log.records()
    in_flight = [each.in_flight + 1 for each in records if "filter" in each.query]
    assert 40 < len(in_flight) < 60, "of four messages each"
    assert 1 < max(in_flight) <= 4
    assert requests(world, "/messages/") == requests(world, "delta"), "none by its id"


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        {"page": "nothing"},
        {"page": "less"},
        {"page": "old"},
        {"page": "partial"},
        {"page": "no link"},
        {"page": "same link"},
        {"page": "duplicate"},
        {"status": 400, "code": "ErrorInvalidUrlQuery"},
        {"status": 404, "code": "ErrorItemNotFound"},
        {"status": 500},
        {"truncate_json": True},
    ],
    ids=str,
)
def test_a_slice_that_lies_or_fails_costs_requests_and_no_message(
    world: World, fault: dict[str, Any], *, at_once: bool
) -> None:
    world.at_once = at_once
    world.inject_fault(SLICE, times=None, **fault)

    assert world.mirrors(SyncType.FULL)
    assert requests(world, "filter")


@pytest.mark.parametrize("skipped", [0, 2])
def test_only_a_useless_first_slice_begins_the_full_sync_anew(world: World, skipped: int) -> None:
    fill(world, 80)
    inbox = world.folder_id("inbox")
    fault = Fault(status=400, code="ErrorInvalidUrlQuery")
    rule = FaultRule(fault=fault, path=f"{inbox}{SLICE}", nth=skipped + 1, times=None)
    world.simulators.service.faults.add_rules(rule)

    assert world.mirrors(SyncType.FULL)

    by_id = requests(world, "/messages/") - requests(world, "delta")
    assert (requests(world, quote(inbox), "messages/delta", "body,"), by_id > 0) == (
        (1, False) if skipped == 0 else (0, True)
    )


CHANGES: list[Callable[[World, int], object]] = [
    lambda world, message: world.remote.delete_message_from_database(message),
    lambda world, message: world.remote.move_message(message, "archive"),
    lambda world, message: world.remote.set_message_read(
        message, is_read=not world.remote.find_message(message).is_read
    ),
    lambda world, message: world.remote.change_message_fields(message, subject="changed"),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("is_read_before", [False, True])
def test_a_message_that_changes_between_its_name_and_its_slice_is_as_the_provider_has_it(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[World, int], object],
    *,
    is_read_before: bool,
) -> None:
    """is_read_before: the slice was read before the change, and is stored after it."""
    changed: list[int] = []
    fetch = GraphMailbox.fetch_time_slice
    messages = [
        each.message_number for each in world.remote.list_messages_in_folders("inbox", "archive")
    ]

    def fetch_slice(mailbox: GraphMailbox, feed: FeedRef, part: TimeSlice, **fields: Any) -> Any:
        page = fetch(mailbox, feed, part, **fields) if is_read_before else None
        named = [
            each for each in messages if world.id_of(each) in part.received_at_by_pending_message_id
        ]
        if named and not changed:
            changed.append(named[0])
            change(world, named[0])
        return page or fetch(mailbox, feed, part, **fields)

    monkeypatch.setattr(GraphMailbox, "fetch_time_slice", fetch_slice)
    world.rows("DELETE FROM mailsync.emails")

    assert world.mirrors(SyncType.FULL)
    assert changed


def test_a_worker_that_helps_and_fails_for_good_leaves_its_part_to_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ProviderUnavailable("The provider does not answer; trying again.")

    monkeypatch.setattr(feed_pages, "store_slices_as_additional_worker", fail)

    assert world.mirrors(SyncType.FULL)
    assert requests(world, "filter")
