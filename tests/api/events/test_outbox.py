"""From the outbox to the bus: at least once, each by one publisher, in order per account."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing

import pytest

from localdev.engine.aws_endpoint import AwsEndpoint
from localdev.engine.aws_resources import LOCAL_CREDENTIALS, create_event_bus
from localdev.engine.event_bus import EventBus as LocalBus
from localdev.engine.lambda_host import InvocationResult
from mailsync.events.outgoing import MAX_ENTRIES_PER_PUT_EVENTS_CALL, EventBus, publish_outbox
from mailsync.model import AccountId
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.outbox_store import OutboxEvent, OutboxStore
from tests.store.rows import rows
from tests.support.builders import connect_account

WAITING = "SELECT detail->>'n' FROM mailsync.outbox WHERE published_at IS NULL ORDER BY id"
# moto keeps its state for the whole process, where a stack may have made the bus of its own name.
BUS = "events-under-test"


class NoFunctions:
    """The functions of an engine on which none is deployed."""

    def invoke(self, function: str, payload: bytes, /) -> InvocationResult:
        raise AssertionError(f"{function} was called")

    invoke_asynchronously = invoke_with_retries = invoke


@pytest.fixture
def local_bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalBus]:
    """The local event bus, without any rule; AWS' client finds it."""
    functions = NoFunctions()
    bus = LocalBus(functions, (), name=BUS)
    endpoint = AwsEndpoint(functions, port=0, bus=bus)
    create_event_bus(endpoint.url, BUS)
    for name, value in {**LOCAL_CREDENTIALS, "AWS_ENDPOINT_URL": endpoint.url}.items():
        monkeypatch.setenv(name, value)
    yield bus
    endpoint.stop()


@pytest.fixture
def outbox(database: Database) -> OutboxStore:
    return OutboxStore(database)


class Crash(Exception):
    """The function dies after the bus has responded."""


class ScriptedBus(EventBus):
    """Takes every event, except that it refuses the given numbers the first time."""

    def __init__(self, refuse: Collection[int] = ()) -> None:
        self.taken: list[int] = []
        self._refuse = set(refuse)

    def put_events(self, events: Sequence[OutboxEvent]) -> list[int]:
        numbers = {each.id: int(each.detail["n"]) for each in events}
        refused = self._refuse & set(numbers.values())
        self._refuse -= refused
        self.taken += [each for each in numbers.values() if each not in refused]
        return [each for each, number in numbers.items() if number not in refused]


def write(database: Database, account_id: AccountId, *numbers: int) -> None:
    with database.transaction() as tx:
        for each in numbers:
            detail = f'{{"n": {each}}}'
            tx.run(
                "add_to_outbox", account_id=account_id, type="sync.failed", run_id="", detail=detail
            )


def test_a_crash_between_put_and_mark_repeats_the_event_under_its_id(
    database: Database, outbox: OutboxStore, account_id: AccountId
) -> None:
    write(database, account_id, 1)
    published: list[str] = []

    def put_and_die(events: Sequence[OutboxEvent]) -> list[int]:
        published.extend(each.detail["eventId"] for each in events)
        raise Crash

    for _ in range(2):
        with pytest.raises(Crash):
            outbox.publish_events(put_and_die, after=0, limit=10)

    assert rows(database, WAITING) == [["1"]]
    assert len(published) == 2
    assert len(set(published)) == 1


def test_a_refused_event_waits_and_holds_back_its_own_account_only(
    database: Database, outbox: OutboxStore, account_id: AccountId
) -> None:
    other = connect_account(database, "ben")
    write(database, account_id, 1, 2)
    write(database, other, 3, 4)
    refusing = ScriptedBus(refuse=[1])

    first = outbox.publish_events(refusing.put_events, after=0, limit=10)

    assert (first.published_count, first.refused_count) == (1, 1)
    assert rows(database, WAITING) == [["1"], ["2"], ["4"]]
    publish_outbox(outbox, refusing)
    assert refusing.taken.index(1) < refusing.taken.index(2)
    assert sorted(refusing.taken) == [1, 2, 3, 4]


def test_a_bus_that_refuses_all_ends_the_publishing(
    database: Database, outbox: OutboxStore, account_id: AccountId
) -> None:
    write(database, account_id, 1, 2)

    done = publish_outbox(outbox, ScriptedBus(refuse=[1]))

    assert (done.published_event_count, done.event_refusal_count) == (0, 1)


def test_a_batch_that_the_bus_refuses_holds_back_no_later_batch(
    database: Database, outbox: OutboxStore
) -> None:
    refused, later = range(MAX_ENTRIES_PER_PUT_EVENTS_CALL), 100
    for each in (*refused, later):
        write(database, connect_account(database, f"user {each}"), each)
    bus = ScriptedBus(refuse=refused)

    publish_outbox(outbox, bus)

    assert bus.taken[0] == later
    assert sorted(bus.taken) == [*refused, later]


def test_two_publishers_at_once_publish_each_event_once_and_in_order(
    settings: Settings, database: Database, outbox: OutboxStore, account_id: AccountId
) -> None:
    """The second comes while the first is between its claim and its mark, and does not wait."""
    write(database, account_id, 1, 2)
    first, second = ScriptedBus(), ScriptedBus()

    def put_while_another_publishes(events: Sequence[OutboxEvent]) -> list[int]:
        write(other, connect_account(other, "ben"), 3)
        publish_outbox(OutboxStore(other), second)
        return first.put_events(events)

    with closing(Database(settings)) as other:
        outbox.publish_events(put_while_another_publishes, after=0, limit=10)
        assert (first.taken, second.taken) == ([1], [3])
        publish_outbox(OutboxStore(other), second)

    assert second.taken == [3, 2]
    assert rows(database, WAITING) == []


def test_events_beyond_ten_reach_the_real_bus_in_calls_of_ten(
    database: Database, outbox: OutboxStore, local_bus: LocalBus
) -> None:
    """The local endpoint refuses a call of eleven, as EventBridge does."""
    for n in range(11):
        write(database, connect_account(database, f"user-{n}"), n)

    assert publish_outbox(outbox, EventBus(BUS)).published_event_count == 11

    assert sorted(each["detail"]["n"] for each in local_bus.list_recent_local_bus_events()) == list(
        range(11)
    )
    assert rows(database, WAITING) == []


def test_events_published_long_ago_are_deleted_in_batches(
    database: Database, outbox: OutboxStore, account_id: AccountId
) -> None:
    write(database, account_id, 1, 2, 3, 4)
    rows(
        database,
        "UPDATE mailsync.outbox SET published_at = now() - interval '31 days'"
        " WHERE detail->>'n' <> '4'",
    )

    assert outbox.delete_published_events(days=30, limit=2) == 2
    assert outbox.delete_published_events(days=30, limit=2) == 1
    assert rows(database, WAITING) == [["4"]]
