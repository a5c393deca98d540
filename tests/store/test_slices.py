"""A slice stores what the feed has named, as it was named, and nothing else."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from mailsync.decisions import slices as decisions
from mailsync.model import (
    FeedRef,
    ListedMessage,
    Message,
    MessageRemovedFromFolder,
    MessageToFetchById,
    Page,
    RemoteId,
    StoredFeed,
    TimeSlice,
    TimeSlicePage,
)
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction
from mailsync.store.slice_store import PendingMessagesStatus, SliceClaimant
from mailsync.sync.slices import SliceWorker
from tests.store.conftest import Mirror
from tests.store.rows import emails, wait_until_it_waits_for_a_lock
from tests.support.builders import a_message, a_page, a_page_write

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WORKER, OTHER = SliceClaimant(1, 2), SliceClaimant(2, 2)


def a_named(number: int, version: str = "v1") -> MessageToFetchById:
    remote_id = RemoteId(f"m{number}")
    state = ListedMessage(remote_id, False, version)
    return MessageToFetchById(remote_id, state, BEGAN + timedelta(minutes=number))


def a_full(number: int, version: str = "v1") -> Message:
    received_at = BEGAN + timedelta(minutes=number)
    return replace(a_message(f"m{number}"), remote_version=version, received_at=received_at)


def name(
    mirror: Mirror,
    *changes: MessageToFetchById,
    removed: Sequence[str] = (),
    has_more: bool = False,
) -> StoredFeed:
    """Store a page of the feed that names messages; return the feed."""
    feed = mirror.folder(mirror.first).feed
    gone = (MessageRemovedFromFolder(RemoteId(each)) for each in removed)
    page = a_page(*changes, *gone, has_more=has_more)
    write = a_page_write(feed, page)
    ids = tuple(each.remote_id for each in changes)
    plan = replace(
        write.planned_message_writes,
        messages_to_fetch_now=(),
        pending_message_ids=ids,
        messages_to_fetch_in_slices=changes,
    )
    assert mirror.mail_store.write_page(mirror.run, replace(write, planned_message_writes=plan))
    return mirror.folder(mirror.first).feed


def claim(mirror: Mirror, feed: StoredFeed, claimant: SliceClaimant = WORKER) -> list[list[str]]:
    found = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, claimant, 2)
    return [sorted(each.received_at_by_pending_message_id) for each in found]


def save(mirror: Mirror, feed: StoredFeed, part: TimeSlice, *messages: Message) -> int:
    page = TimeSlicePage(messages, has_all_messages_of_slice=True)
    return mirror.slice_store.save_slice(
        mirror.run, feed, part, page, next_for=None
    ).stored_message_count


def left(mirror: Mirror, feed: StoredFeed) -> PendingMessagesStatus:
    return mirror.slice_store.read_pending_messages_status(mirror.run.account_id, feed.ref.id)


def pending_ids(mirror: Mirror, feed: StoredFeed) -> list[str]:
    return sorted(mirror.feed_store.next_pending_message_ids(feed.ref.id, 100))


def test_each_worker_claims_the_newest_messages_that_no_other_has(mirror: Mirror) -> None:
    feed = name(mirror, *map(a_named, range(1, 5)), has_more=True)

    assert claim(mirror, feed) == [["m3", "m4"], ["m1", "m2"]]
    assert left(mirror, feed) == PendingMessagesStatus(True, False, True)
    name(mirror, a_named(0), has_more=True)
    assert claim(mirror, feed, OTHER) == [], "the next page completes the slice"
    name(mirror)
    assert claim(mirror, feed, OTHER) == [["m0"]]
    assert left(mirror, feed) == PendingMessagesStatus(True, False, False)

    mirror.slice_store.release_claims_of_worker(mirror.run, [feed.ref.id], OTHER.worker_index)
    assert claim(mirror, feed, OTHER) == [["m0"]]
    mirror.let_time_pass(hours=1)
    assert claim(mirror, feed, OTHER) == [["m3", "m4"], ["m1", "m2"]], "the worker died"


def test_workers_share_the_last_messages_so_that_they_end_together(mirror: Mirror) -> None:
    feed = name(mirror, *map(a_named, range(120)), has_more=True)
    claimant = SliceClaimant(1, 70, worker_count=4)

    assert len(claim(mirror, feed, claimant)[0]) == 70, "more may be named"
    mirror.slice_store.release_claims_of_worker(mirror.run, [feed.ref.id], None)
    name(mirror)
    found = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, claimant, 9)
    assert [len(each.received_at_by_pending_message_id) for each in found] == [30, 25, 25, 25, 15]


def test_only_messages_in_the_version_that_the_feed_named_are_stored(mirror: Mirror) -> None:
    feed = name(mirror, a_named(1), a_named(2), a_named(3))
    [part] = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, SliceClaimant(1, 3), 1)

    stored = save(mirror, feed, part, a_full(1), a_full(2, "older"), a_full(4))

    assert stored == 1
    assert emails(mirror.database) == {"m1": ("F1", False)}
    assert pending_ids(mirror, feed) == ["m2", "m3"]
    assert not left(mirror, feed).has_pending_messages, "the others are fetched by their ids"


def test_a_message_that_the_feed_named_again_meanwhile_waits_for_its_new_version(
    mirror: Mirror,
) -> None:
    feed = name(mirror, a_named(1), a_named(2))
    [part] = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, WORKER, 1)
    name(mirror, a_named(2, "v2"))

    assert save(mirror, feed, part, a_full(1), a_full(2)) == 1
    assert emails(mirror.database) == {"m1": ("F1", False)}
    assert pending_ids(mirror, feed) == ["m2"]


def test_a_message_that_left_the_folder_after_the_slice_was_read_is_not_stored(
    mirror: Mirror,
) -> None:
    feed = name(mirror, a_named(1), a_named(2))
    [part] = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, WORKER, 1)
    name(mirror, removed=["m2"])

    assert save(mirror, feed, part, a_full(1), a_full(2)) == 1
    assert emails(mirror.database) == {"m1": ("F1", False)}


def test_a_slice_of_an_earlier_full_sync_stores_nothing(mirror: Mirror) -> None:
    feed = name(mirror, a_named(1))
    [part] = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, WORKER, 1)
    mirror.feed_store.restart_full_sync(mirror.run, feed.ref.id)

    assert save(mirror, feed, part, a_full(1)) == 0
    assert emails(mirror.database) == {}
    assert pending_ids(mirror, feed) == ["m1"]


def test_a_page_that_ends_early_leaves_the_older_messages_to_another_slice(mirror: Mirror) -> None:
    feed = name(mirror, *map(a_named, range(1, 5)))
    [part] = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, SliceClaimant(1, 4), 1)
    page = TimeSlicePage((a_full(4), a_full(2)), has_all_messages_of_slice=False)

    saved = mirror.slice_store.save_slice(mirror.run, feed, part, page, next_for=OTHER)

    assert saved.next_claimed_slice
    assert sorted(saved.next_claimed_slice.received_at_by_pending_message_id) == ["m1"]
    assert pending_ids(mirror, feed) == ["m3"], "the page should have had it"


def test_a_slice_without_a_message_of_its_own_leads_nowhere(mirror: Mirror) -> None:
    feed = name(mirror, a_named(1), a_named(2))
    [part] = mirror.slice_store.claim_slices(mirror.run, feed.ref.id, WORKER, 1)

    mirror.slice_store.save_slice(
        mirror.run,
        feed,
        part,
        TimeSlicePage((a_full(9),), has_all_messages_of_slice=False),
        next_for=None,
    )

    assert pending_ids(mirror, feed) == ["m1", "m2"]
    assert not left(mirror, feed).has_pending_messages


def test_a_worker_claims_once_the_claim_of_another_is_committed(
    mirror: Mirror, settings: Settings
) -> None:
    """Else both skip messages that the other one has locked, and their spans overlap."""
    feed = name(mirror, *map(a_named, range(1, 5)))
    claimed: list[list[str]] = []
    with closing(Database(settings)) as other, closing(Database(settings)) as observer:
        second = replace(mirror, database=other)
        thread = Thread(target=lambda: claimed.extend(claim(second, feed, OTHER)))
        with FencedTransaction(mirror.database, mirror.run) as tx:
            tx.run("lock_claims", feed_id=feed.ref.id)
            thread.start()
            wait_until_it_waits_for_a_lock(observer, thread)
            assert claimed == []
        thread.join()

    assert claimed == [["m3", "m4"], ["m1", "m2"]]


class Reader:
    """A provider that has every message, but no page of more than `largest`, and one worker.

    meanwhile: called during the first request.
    asked: for each request, the number of messages of its slice and of the following one.
    """

    max_requests_in_flight = 1

    def __init__(self, largest: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.largest, self.meanwhile = largest, meanwhile
        self.asked: list[tuple[int, int]] = []

    def fetch_first_page_of_message_ids(self, feed: FeedRef, *, limit: int) -> Page | None:
        return None

    def fetch_time_slice(
        self, feed: FeedRef, part: TimeSlice, *, following: TimeSlice | None = None
    ) -> TimeSlicePage | None:
        if not self.asked:
            self.meanwhile()
        size = len(part.received_at_by_pending_message_id)
        self.asked.append(
            (size, len(following.received_at_by_pending_message_id) if following else 0)
        )
        if size > self.largest:
            return None
        found = [
            a_full(int(each.removeprefix("m"))) for each in part.received_at_by_pending_message_id
        ]
        return TimeSlicePage(tuple(found), has_all_messages_of_slice=True)


def worker_of(mirror: Mirror, feed: StoredFeed, reader: Reader) -> SliceWorker:
    mailbox: Any = SimpleNamespace(
        slice_store=mirror.slice_store,
        run_ref=mirror.run,
        provider=reader,
        feed_reading_log=SimpleNamespace(record_stored_page_of_feed=lambda _: None),
    )
    return SliceWorker(mailbox, feed, WORKER.worker_index)


def test_a_worker_that_found_one_slice_requests_the_next_one_ahead_when_there_are_more(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "INITIAL_MESSAGES_PER_SLICE", 2)
    monkeypatch.setattr(decisions, "MAX_MESSAGES_PER_SLICE", 2)
    feed = name(mirror, a_named(8), a_named(7), has_more=True)
    reader = Reader(largest=2, meanwhile=lambda: name(mirror, *map(a_named, range(1, 7))))
    worker = worker_of(mirror, feed, reader)

    while worker.store_next_slice():
        pass

    assert reader.asked == [(2, 0), (2, 2), (2, 2), (2, 0)]
    assert len(emails(mirror.database)) == 8


def test_a_slice_that_is_too_large_for_the_provider_is_read_in_parts(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "INITIAL_MESSAGES_PER_SLICE", 8)
    monkeypatch.setattr(decisions, "MIN_MESSAGES_PER_SLICE", 1)
    feed = name(mirror, *map(a_named, range(20)))
    reader = Reader(largest=3)
    worker = worker_of(mirror, feed, reader)

    while worker.store_next_slice():
        assert len(reader.asked) < 40

    assert len(emails(mirror.database)) == 20
    assert pending_ids(mirror, feed) == [], "none is fetched by its id"
