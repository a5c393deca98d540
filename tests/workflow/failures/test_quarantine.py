"""Messages that cannot be read or stored: each is put aside with its cause, and nothing else is."""

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from mailsync.model import Address
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.page_rows import MAX_BODY_CHARS
from mailsync.sync.check import CheckOutcome
from tests.store.rows import rows
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

CAUSES = "SELECT message_id, cause FROM mailsync.email_quarantine"
SILENT = "SELECT message_id FROM mailsync.emails WHERE removed_at IS NOT NULL AND gone_at IS NULL"
PROVEN = "SELECT initial_sync_completed FROM mailsync.email_accounts"
A_DAY_H = 25
# Postgres refuses an index entry of more than a third of a page, and this does not compress.
UNSTORABLE = "".join(chr(each) for each in random.Random(1).choices(range(0x4E00, 0x9FFF), k=9000))


ABSURD = {
    "receivedDateTime": "yesterday",
    "sentDateTime": "10000-01-01T00:00:00Z",
    "subject": {"not": "text"},
    "toRecipients": "everybody",
    "categories": [1, 2],
    "flag": [],
    "hasAttachments": "no",
}


@pytest.fixture(autouse=True)
def operators_own_index(owner: Settings) -> Iterator[None]:
    """Makes Postgres refuse a long Message-ID: the product's own indexes take any."""
    with closing(Database(owner)) as database:
        rows(database, "CREATE INDEX operators_own ON mailsync.emails (internet_message_id)")
        yield
        rows(database, "DROP INDEX mailsync.operators_own")


def put_aside(world: World) -> dict[str, str]:
    return {message_id: cause for message_id, cause in world.rows(CAUSES)}


def unstorable(world: World, minutes: int) -> int:
    item = a_mail("unstorable", minutes=minutes, internet_message_id=UNSTORABLE)
    return world.remote.deliver_message(item)


def with_value(world: World, name: str, value: Any) -> int:
    """A message for which Graph returns this value of a property."""
    message = world.remote.deliver_message(a_mail("with value"))
    world.remote.change_message_fields(message, attributes={name: value})
    return message


def test_a_page_that_the_database_refuses_is_stored_without_the_messages_it_refuses(
    world: World,
) -> None:
    refused = {world.id_of(unstorable(world, minutes)) for minutes in (1, 2, 30)}

    assert world.sync() == "completed"

    assert put_aside(world) == dict.fromkeys(refused, "refused")
    expected = world.in_mailbox()
    assert world.stored() == {each: expected[each] for each in expected.keys() - refused}
    assert world.one(PROVEN) == [True]


def test_items_with_absurd_values_do_not_stop_their_page(synced: World) -> None:
    """Row 31, inside a page."""
    absurd = {synced.id_of(with_value(synced, name, value)) for name, value in ABSURD.items()}
    good = synced.remote.deliver_message(a_mail("good"))

    assert synced.sync() == "completed"

    assert put_aside(synced) == dict.fromkeys(absurd, "malformed")
    assert synced.stores(good)
    assert synced.one(PROVEN) == [True]


def test_a_message_that_exchange_cannot_read_is_put_aside(synced: World) -> None:
    """Row 31, asked for by its id."""
    lost = synced.id_of(synced.newest())
    synced.lose(synced.newest())
    synced.inject_fault("/me/messages/", status=500, code="ErrorCorruptData", times=None)

    assert synced.sync() == "completed"

    assert put_aside(synced) == {lost: "corrupt"}
    assert synced.stored().keys() == synced.in_mailbox().keys() - {lost}


def test_a_body_beyond_the_limit_is_put_aside_and_one_below_is_stored(world: World) -> None:
    large = world.remote.deliver_message(
        a_mail("large", body="x" * (MAX_BODY_CHARS + 1), body_type="html")
    )
    body = "é" * (MAX_BODY_CHARS // 8)
    small = world.remote.deliver_message(a_mail("small", body=body, body_type="html"))

    assert world.sync() == "completed"

    assert put_aside(world) == {world.id_of(large): "too_large"}
    assert world.stored()[world.id_of(small)]["html"] == body


def test_mail_at_the_edge_is_stored_as_it_is(world: World) -> None:
    crowd = tuple(Address(f"Person {n}", f"p{n}@example.com") for n in range(5_000))
    nested = "<div>" * 50_000 + "deep"
    plain = a_mail("edge")
    for item in (
        replace(plain, to=crowd, cc=crowd),
        replace(plain, body=nested, body_type="html"),
        replace(plain, received_at=plain.received_at.replace(year=1000)),
        replace(plain, received_at=plain.received_at.replace(year=9999)),
        replace(plain, subject=""),
    ):
        world.remote.deliver_message(item)
    # What Exchange shows where a draft has no date.
    dateless = world.remote.deliver_message(plain)
    world.remote.change_message_fields(
        dateless, sent_at=plain.sent_at.replace(year=1, month=1, day=1, hour=0)
    )

    assert world.sync() == "completed"

    assert put_aside(world) == {}
    assert world.is_mirrored()


def test_what_was_put_aside_is_stored_once_it_can_be(world: World) -> None:
    malformed = with_value(world, "receivedDateTime", "yesterday")
    refused = unstorable(world, 1)
    world.sync()
    # Behind the back of the change feed: nothing is told of it.
    database = world.remote.database
    database.execute_write("UPDATE message SET attributes = '{}' WHERE number = ?", malformed)
    database.execute_write(
        "UPDATE blob SET content = json_set(content, '$.internet_message_id', '<short@x.org>')"
        " WHERE number = (SELECT blob FROM message WHERE number = ?)",
        refused,
    )

    world.sync()
    assert put_aside(world).keys() == {world.id_of(malformed), world.id_of(refused)}

    world.let_time_pass(A_DAY_H)
    assert world.sync() == "completed"
    assert put_aside(world) == {}
    assert world.is_mirrored()


@pytest.mark.parametrize("is_told", [True, False])
def test_what_was_put_aside_and_is_gone_is_forgotten(world: World, is_told: bool) -> None:
    message = unstorable(world, 1)
    world.sync()
    world.remote.delete_message_from_database(message)
    if not is_told:
        world.remote.database.execute_write("DELETE FROM change WHERE message = ?", message)

    assert world.sync() == "completed"

    assert put_aside(world) == {}
    assert world.is_mirrored()


def test_what_was_put_aside_may_move(world: World) -> None:
    """Whichever folder is told first: its new one puts it aside, its old one forgets it there."""
    message = unstorable(world, 1)
    other = world.remote.deliver_message(a_mail("x", internet_message_id=UNSTORABLE), "archive")
    world.sync()
    world.remote.move_message(message, "archive")
    world.remote.move_message(other, "inbox")

    assert world.sync() == "completed"

    found = world.rows(
        "SELECT q.message_id, f.role FROM mailsync.email_quarantine q"
        " JOIN mailsync.email_folders f ON f.id = q.folder_id"
    )
    assert sorted(found) == sorted(
        [[world.id_of(message), "archive"], [world.id_of(other), "inbox"]]
    )
    assert world.one("SELECT max(repair_rounds) FROM mailsync.sync_runs") == [0]
    assert world.one(PROVEN) == [True]


def test_the_last_version_that_could_be_stored_stays(synced: World) -> None:
    message = synced.newest()
    before = synced.stored()[synced.id_of(message)]
    synced.remote.change_message_fields(message, internet_message_id=UNSTORABLE)

    synced.sync()
    synced.remote.expire_cursors()
    assert synced.sync() == "completed"

    assert put_aside(synced) == {synced.id_of(message): "refused"}
    assert synced.stored()[synced.id_of(message)] == before


def test_a_message_that_is_never_answered_stays_put_aside_and_stops_nothing(world: World) -> None:
    silent = world.id_of(unstorable(world, 1))
    world.sync()
    world.let_time_pass(A_DAY_H)
    new = world.remote.deliver_message(a_mail("new"))
    world.inject_fault(f"/me/messages/{silent}", status=500, times=None)

    assert world.sync() == "completed"
    assert put_aside(world) == {silent: "unanswered"}
    assert world.stores(new)
    assert world.check().outcome is CheckOutcome.NOTHING_NEW


@pytest.mark.parametrize("status", [400, 500])
def test_a_removal_of_which_nothing_is_said_stays_a_removal_and_stops_nothing(
    synced: World, status: int
) -> None:
    gone, silent = (
        each.message_number for each in synced.remote.list_messages_in_folders("inbox")[:2]
    )
    for each in (gone, silent):
        synced.remote.move_message_to_purged_folder(each)
    silent_id = synced.id_of(silent)
    synced.inject_fault(f"/me/messages/{silent_id}", status=status, times=None)

    assert synced.sync() == "completed"
    assert synced.rows(SILENT) == [[silent_id]]

    synced.clear_faults()
    assert synced.check().outcome is CheckOutcome.SYNCED
    assert synced.rows(SILENT) == []
    assert synced.is_mirrored()


def test_when_the_mailbox_does_not_answer_either_the_sync_fails_as_the_provider_does(
    synced: World,
) -> None:
    synced.remote.move_message_to_purged_folder(synced.newest())
    synced.inject_fault("/me/messages/", status=500, times=None)
    synced.inject_fault("/mailFolders/inbox", status=500, times=None)

    assert synced.sync() == "ProviderUnavailable"

    synced.clear_faults()
    assert synced.mirrors()


def test_a_page_that_the_database_refuses_takes_no_other_page_with_it(synced: World) -> None:
    odd = unstorable(synced, 2)
    good = synced.remote.deliver_message(a_mail("good"), "archive")

    assert synced.check().outcome is CheckOutcome.SYNCED

    assert put_aside(synced) == {synced.id_of(odd): "refused"}
    assert synced.stores(good)
