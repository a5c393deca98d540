"""What a small change costs: statements and HTTP calls, counted where they are sent."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from localdev.simulators.behaviour import Latency
from mailsync.providers.graph.connection import GraphConnection
from mailsync.store.connection import Connection
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

REQUEST_S = 0.085
GRAPH_S = REQUEST_S + 3 * REQUEST_S
"""The tree, and a batch of 12 feeds, of which Graph works on four at a time."""
ALL_READ_LONG_AGO = "UPDATE mailsync.change_feeds SET read_at = now() - interval '2 hours'"


class Costs:
    """The statements that were sent, BEGIN and COMMIT included, each one a round trip; and the HTTP
    calls, a batch as one."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.statements = self.calls = 0


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Costs:
    costs, run, exchange = Costs(), Connection.run, GraphConnection._exchange

    def count_statement(self: Connection, sql: str, **parameters: object) -> object:
        costs.statements += 1
        return run(self, sql, **parameters)

    def count_call(*request: Any) -> Any:
        costs.calls += 1
        return exchange(*request)

    monkeypatch.setattr(Connection, "run", count_statement)
    monkeypatch.setattr(GraphConnection, "_exchange", count_call)
    return costs


def mailbox_of(folders: int, world: World) -> World:
    """A mailbox that is mirrored and verified, by a check too."""
    for number in range(len(world.remote.folders.list_all_folders()), folders):
        world.remote.create_folder(f"Folder {number}")
    assert world.sync() == "completed"
    assert world.check().outcome is CheckOutcome.NOTHING_NEW
    return world


@pytest.fixture
def large(world: World) -> World:
    return mailbox_of(154, world)


def test_a_check_without_news_is_two_calls_and_seven_statements_and_takes_little_longer(
    world: World, costs: Costs
) -> None:
    mailbox_of(12, world)
    world.simulators.service.latency = Latency(fixed_s=REQUEST_S)
    checks = []
    for _ in range(5):
        costs.forget()
        checks.append(world.check())
        assert (costs.calls, costs.statements) == (2, 7)

    assert {each.outcome for each in checks} == {CheckOutcome.NOTHING_NEW}
    assert min(each.duration_s for each in checks) <= GRAPH_S + 0.150


def test_a_check_that_stores_one_message_among_154_folders(large: World, costs: Costs) -> None:
    large.remote.deliver_message(a_mail("new"))
    costs.forget()

    assert large.check().outcome is CheckOutcome.SYNCED

    assert costs.calls <= 4
    assert costs.statements <= 40
    assert large.is_mirrored()


def test_a_check_that_stores_one_message_rewrites_no_other(large: World) -> None:
    def versions() -> set[tuple[str, ...]]:
        tables = ("emails", "email_placements", "email_bodies")
        return {
            (table, *row)
            for table in tables
            for row in large.rows(f"SELECT ctid::text, xmin::text FROM mailsync.{table}")
        }

    before = versions()
    large.remote.deliver_message(a_mail("new"))

    assert large.check().outcome is CheckOutcome.SYNCED

    assert before <= versions()
    assert len(versions() - before) == 3


def test_a_feed_without_news_costs_no_statement_of_its_own(large: World, costs: Costs) -> None:
    large.rows(ALL_READ_LONG_AGO)
    large.remote.deliver_message(a_mail("new"))
    costs.forget()

    checked = large.check()

    assert (checked.outcome, checked.request_count > 154) == (CheckOutcome.SYNCED, True)
    assert costs.statements <= 40
    assert large.is_mirrored()


MANY = 400


@pytest.fixture
def many(world: World) -> World:
    """A folder of many unread messages, mirrored."""
    world.remote.import_mail_items(a_mail(f"mail {each}", minutes=each) for each in range(MANY))
    assert world.sync() == "completed"
    world.simulators.service.log.clear()
    return world


def requests_by_id(world: World) -> int:
    """The number of requests for one message each since the last sync."""
    paths = [record.path for record in world.simulators.service.log.records()]
    return sum(bool(re.search(r"/messages/[^/]+$", each)) and "delta" not in each for each in paths)


def mark_read(world: World, messages: list[int]) -> None:
    for each in messages:
        world.remote.set_message_read(each)


def flag(world: World, messages: list[int]) -> None:
    for each in messages:
        world.remote.change_message_fields(each, is_flagged=True)


def categorise(world: World, messages: list[int]) -> None:
    for each in messages:
        world.remote.change_message_fields(each, categories=["red"])


def move(world: World, messages: list[int]) -> None:
    for each in messages:
        world.remote.move_message(each, "archive")


@pytest.mark.parametrize("change", [mark_read, flag, categorise, move])
def test_a_change_of_many_messages_costs_pages_and_hardly_a_request_by_id(
    change: Callable[[World, list[int]], None], many: World
) -> None:
    changed = [each.message_number for each in many.remote.list_messages_in_folders("inbox")]
    change(many, changed)

    assert many.mirrors()

    # The first page is fetched by id where it is the last one, too.
    assert requests_by_id(many) <= 20
    assert len(many.simulators.service.log.records()) <= 12 * len(changed) / 100 + 40


def test_a_few_changed_messages_of_a_large_folder_are_requested_by_id(many: World) -> None:
    mark_read(
        many, [each.message_number for each in many.remote.list_messages_in_folders("inbox")][:30]
    )

    assert many.mirrors()

    assert requests_by_id(many) == 30


def test_a_pause_before_the_last_page_of_a_batch_loses_no_page_before_it(synced: World) -> None:
    """Else a provider that pauses often would keep everything from being stored."""
    new = synced.remote.deliver_message(a_mail("new"))
    in_archive = synced.newest("archive")
    synced.remote.set_message_read(in_archive)
    synced.switch(retry_after_s=60)
    synced.inject_fault(status=429, path=synced.id_of(in_archive), times=None)

    assert synced.check().outcome is CheckOutcome.HANDED_TO_EXECUTION

    assert synced.stores(new)
