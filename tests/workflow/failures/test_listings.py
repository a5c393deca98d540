"""A mailbox-wide feed whose full sync lists ids, and a provider where each message and each count
costs a request."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from localdev.simulators import Simulators
from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.model import (
    Cursor,
    FeedRef,
    ListedMessage,
    Message,
    MessageNotFoundByIdResult,
    MessageRemovedFromFolder,
    Page,
    RemoteId,
    SyncType,
)
from mailsync.settings import Settings
from mailsync.store.connection import Database
from tests.support.listing_toy import ALL_MAIL, ListingToy
from tests.support.mail import a_mail
from tests.workflow.failures.conftest import Prepared
from tests.workflow.failures.test_labels import ToyWorld

PLACES = """
SELECT array_agg(f.remote_id ORDER BY f.remote_id) FROM mailsync.emails m
  JOIN mailsync.email_placements p ON p.email_id = m.id
  JOIN mailsync.email_folders f ON f.id = p.folder_id WHERE m.message_id = '{}'"""
VERIFIED = "SELECT verified_at FROM mailsync.email_accounts"
STORED = "SELECT message_id FROM mailsync.emails WHERE removed_at IS NULL ORDER BY id"
SELECTED = "UPDATE mailsync.email_folders SET selected = {} RETURNING 1"
LARGEST_CHECK_UNITS = 30
MAX_VISITS = 100


class RecordedToy(ListingToy):
    do_counts_cost = has_all_mail = True
    fetched: list[RemoteId]

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult]:
        self.fetched += ids
        return super().fetch_messages(ids)


class ListedWorld(ToyWorld):
    kind = "listing"

    def _toy(self) -> ListingToy:
        return RecordedToy(self.remote, self.access, self.kind)

    def places(self, number: int) -> list[str]:
        """Where the row of a message is, sorted."""
        return self.one(PLACES.format(self.id_of(number)))[0] or []

    def are_placements_exact(self) -> bool:
        """Those of all messages are the provider's; shows the difference when it is asserted."""
        toy = self._toy()
        wanted = {each.remote_id: sorted(each.folder_remote_ids) for each in toy.all_messages()}
        found = {key: sorted(row["folders"]) for key, row in self.stored().items()}
        assert found == wanted
        flags = {each.remote_id: (each.is_read, each.is_flagged) for each in toy.all_messages()}
        rows = self.stored().items()
        assert {key: (row["is read"], row["is flagged"]) for key, row in rows} == flags
        return True


@pytest.fixture
def listed(
    prepared: Prepared, simulators: Simulators, shared: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ListedWorld]:
    """A mailbox with mail in three labels, connected and not yet synced."""
    prepared.connected.restore()
    monkeypatch.setattr(RecordedToy, "fetched", [], raising=False)
    with closing(Database(shared)) as database:
        world = ListedWorld(simulators, prepared.remote, shared, database, prepared.account_id)
        world.install(monkeypatch)
        yield world


@pytest.fixture
def synced(listed: ListedWorld) -> ListedWorld:
    assert listed.sync() == "completed"
    RecordedToy.fetched.clear()
    return listed


def test_a_first_sync_fetches_every_message_once_the_newest_first(listed: ListedWorld) -> None:
    assert listed.sync() == "completed"

    numbers = [folder.number for folder in listed.remote.folders.list_all_folders()]
    newest_first = [
        listed.id_of(each.message_number)
        for each in listed.remote.list_messages_in_folders(*numbers)
    ]
    assert RecordedToy.fetched == newest_first
    assert listed.are_placements_exact()


def test_a_pause_within_the_backfill_loses_no_fetched_message(
    listed: ListedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, calls = ListingToy.fetch_messages, list[int]()

    def throttled(toy: ListingToy, ids: Sequence[RemoteId], **_: object) -> Any:
        calls.append(len(ids))
        if len(calls) % 2 == 0:
            del RecordedToy.fetched[-len(ids) :]  # not one of them was answered
            raise ProviderThrottled("The quota is used up.", retry_after_s=30)
        return fetch(toy, ids)[:7]

    monkeypatch.setattr(ListingToy, "fetch_messages", throttled)

    assert listed.sync() == "completed"

    assert len(calls) > 8
    assert len(set(listed.waits)) == 1
    assert len(listed.stored()) == 36
    assert listed.are_placements_exact()


def test_news_come_before_the_rest_of_a_backfill(
    listed: ListedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailsync.sync.store_page.DEFAULT_PAGE_SIZE", 5)
    limits = ListingToy.provider_tuning
    monkeypatch.setattr(ListingToy, "provider_tuning", _with_interval(limits, 0.0))
    fetch, arrived = RecordedToy.fetch_messages, list[int]()

    def delivering(toy: RecordedToy, ids: Sequence[RemoteId], **_: object) -> Any:
        if not arrived:
            arrived.append(listed.remote.deliver_message(a_mail()))
        return fetch(toy, ids)

    monkeypatch.setattr(RecordedToy, "fetch_messages", delivering)

    assert listed.sync() == "completed"

    assert RecordedToy.fetched.index(RemoteId(listed.id_of(arrived[0]))) == 5
    assert len(RecordedToy.fetched) == 37
    assert listed.are_placements_exact()


def test_a_backfill_that_gets_no_message_ends_although_the_feed_repeats_a_removal(
    listed: ListedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = RecordedToy.fetch_feed_page

    def repeating(toy: RecordedToy, feed: FeedRef, cursor: Cursor | None, **how: Any) -> Page:
        page = read(toy, feed, cursor, **how)
        return replace(page, changes=(*page.changes, MessageRemovedFromFolder(RemoteId("gone"))))

    def unavailable(*_: object, **__: object) -> Any:
        raise ProviderUnavailable("The toy is broken; trying again.")

    visits = iter(range(MAX_VISITS))
    listed.before["sync_folder"] = lambda: next(visits)
    with monkeypatch.context() as broken:
        broken.setattr(RecordedToy, "fetch_feed_page", repeating)
        broken.setattr(RecordedToy, "fetch_messages", unavailable)
        assert listed.sync() == "FoldersFailed"

    assert listed.sync() == "completed"
    assert listed.are_placements_exact()


def _with_interval(limits: Any, seconds: float) -> Any:
    return type(limits)(
        limits.messages_per_fetch, 100, max_feed_read_interval_while_pending_s=seconds
    )


def test_an_expired_position_costs_no_message_that_is_stored(synced: ListedWorld) -> None:
    box, number = synced.remote, synced.newest()
    box.add_message_to_folder(number, "archive")
    both = box.list_messages_in_folders("inbox")[1].message_number
    box.move_message(both, "archive", source="inbox")
    box.add_message_to_folder(box.list_messages_in_folders("inbox")[2].message_number, "archive")
    box.set_message_read(number, is_read=not box.find_message(number).mail_item.is_read)
    box.set_message_flagged(box.list_messages_in_folders("inbox")[3].message_number)
    gone = box.list_messages_in_folders("inbox")[4].message_number
    box.delete_message_from_database(gone)
    new = RemoteId(synced.id_of(box.deliver_message(a_mail())))
    box.expire_cursors()

    assert synced.sync() == "completed"
    synced.let_time_pass(hours=2.1)
    assert synced.sync() == "completed"

    assert set(RecordedToy.fetched) == {new, RemoteId(f"{gone}.0")}
    assert synced.are_placements_exact()


def test_the_folder_of_all_mail_follows_from_the_others(synced: ListedWorld) -> None:
    box, number = synced.remote, synced.newest()
    [trash, archive, inbox] = [synced.folder_id(each) for each in ("trash", "archive", "inbox")]

    for change, places in (
        (partial(box.add_message_to_folder, number, "trash"), [inbox, trash]),
        (partial(box.remove_message_from_folder, number, "trash"), [inbox, ALL_MAIL]),
        (partial(box.move_message, number, "trash"), [trash]),
        (partial(box.move_message, number, "archive"), [archive, ALL_MAIL]),
    ):
        change()
        assert synced.sync() == "completed"
        assert synced.places(number) == sorted(places)
    assert RecordedToy.fetched == []


def test_without_all_mail_only_messages_of_mirrored_labels_are_fetched(listed: ListedWorld) -> None:
    listed.remote.add_message_to_folder(listed.newest(), "archive")
    assert listed.sync() == "completed"
    archived = {
        listed.id_of(each.message_number)
        for each in listed.remote.list_messages_in_folders("archive")
    }
    others = f"remote_id = '{listed.folder_id('archive')}'"
    listed.rows(SELECTED.format(others))
    listed.rows("DELETE FROM mailsync.emails RETURNING 1")
    listed.rows(
        "UPDATE mailsync.change_feeds SET walk = walk + 1, walking = true,"
        " cursor_sealed = NULL, cursor_key_id = NULL RETURNING 1"
    )
    RecordedToy.fetched.clear()

    assert listed.sync() == "completed"
    assert set(RecordedToy.fetched) == set(listed.stored()) == archived

    listed.remote.deliver_message(a_mail())
    number = listed.remote.list_messages_in_folders("inbox")[-1].message_number
    listed.remote.add_message_to_folder(number, "archive")
    assert listed.sync() == "completed"
    assert set(listed.stored()) == archived | {listed.id_of(number)}


def test_a_label_that_no_list_names_is_ignored_until_one_does(
    synced: ListedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = synced.newest()
    label = synced.remote.create_folder("Late")
    real = ListingToy.list_folders

    def without(toy: ListingToy, *given: Any) -> Any:
        listing = real(toy, *given)
        kept = tuple(each for each in listing.folders if each.remote_id != str(label))
        return type(listing)(kept, gone_folder_remote_ids=listing.gone_folder_remote_ids)

    with monkeypatch.context() as patched:
        patched.setattr(ListingToy, "list_folders", without)
        synced.remote.add_message_to_folder(number, label)
        assert synced.sync() == "completed"
        assert str(label) not in synced.places(number)

    assert synced.sync() == "completed"
    assert synced.are_placements_exact()
    assert RecordedToy.fetched == []


def test_an_idle_check_costs_two_units_and_verifies_nothing(synced: ListedWorld) -> None:
    verified = synced.one(VERIFIED)

    checked = synced.check()

    assert (checked.outcome, checked.request_count) == ("idle", 2)
    assert synced.one(VERIFIED) == verified
    synced.let_time_pass(hours=1.1)
    assert synced.check().outcome == "idle"
    assert synced.one(VERIFIED) > verified


def test_a_check_with_one_new_mail_costs_the_counts_of_its_labels(synced: ListedWorld) -> None:
    for _ in range(20):
        synced.remote.create_folder("Label")
    synced.check_to_the_end()
    synced.let_time_pass(hours=0.1)
    verified = synced.one(VERIFIED)
    synced.remote.deliver_message(a_mail())

    checked = synced.check()

    assert checked.outcome == "synced"
    assert checked.request_count <= LARGEST_CHECK_UNITS
    assert synced.one(VERIFIED) == verified
    assert synced.are_placements_exact()
    assert synced.check().outcome == "idle"


def test_a_check_whose_count_contradicts_the_rows_is_left_to_an_execution(
    synced: ListedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = ListingToy.fetch_feed_page

    def less(*given: Any, **named: Any) -> Page:
        found = page(*given, **named)
        return type(found)(found.changes[1:], found.next_cursor, found.has_more)

    synced.remote.deliver_message(a_mail())
    synced.remote.deliver_message(a_mail())
    with monkeypatch.context() as patched:
        patched.setattr(ListingToy, "fetch_feed_page", less)
        assert synced.check().outcome == "handedOver"
        assert synced.resume(synced.started[-1]) == "completed"
    assert synced.are_placements_exact()


def test_a_short_list_takes_no_label_from_a_message(
    synced: ListedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = ListingToy.list_folder_messages

    def short(toy: ListingToy, folder: Any, **named: bool) -> Any:
        found = listing(toy, folder, **named)
        entries: tuple[ListedMessage, ...] = found.messages[1:]
        return type(found)(entries, len(entries))

    with monkeypatch.context() as patched:
        patched.setattr(ListingToy, "list_folder_messages", short)
        assert synced.sync(SyncType.FULL) == "completed"
        assert synced.are_placements_exact()
