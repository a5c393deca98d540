"""A slice stores what the feed has named, as it was named, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mailsync.model import (
    ListedMessage,
    Message,
    PartialChange,
    RemoteId,
    RemovedMessage,
    Slice,
    SlicePage,
    StoredFeed,
)
from mailsync.store.slice_store import Claimant, SlicesLeft
from tests.store.conftest import Mirror
from tests.store.rows import emails
from tests.support.builders import a_message, a_page, a_page_write

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
WORKER, OTHER = Claimant(1, 2), Claimant(2, 2)


def a_named(number: int, version: str = "v1") -> PartialChange:
    remote_id = RemoteId(f"m{number}")
    state = ListedMessage(remote_id, False, version)
    return PartialChange(remote_id, state, BEGAN + timedelta(minutes=number))


def a_full(number: int, version: str = "v1") -> Message:
    received_at = BEGAN + timedelta(minutes=number)
    return replace(a_message(f"m{number}"), version=version, received_at=received_at)


def name(
    mirror: Mirror,
    *changes: PartialChange,
    removed: Sequence[str] = (),
    has_more: bool = False,
) -> StoredFeed:
    """Store a page of the feed that names messages; return the feed."""
    feed = mirror.folder(mirror.first).feed
    gone = (RemovedMessage(RemoteId(each)) for each in removed)
    page = a_page(*changes, *gone, has_more=has_more)
    write = a_page_write(feed, page)
    ids = tuple(each.remote_id for each in changes)
    plan = replace(write.plan, to_fetch_by_id=(), pending=ids, slice_changes=changes)
    assert mirror.mail.write_page(mirror.run, replace(write, plan=plan))
    return mirror.folder(mirror.first).feed


def claim(mirror: Mirror, feed: StoredFeed, claimant: Claimant = WORKER) -> list[list[str]]:
    found = mirror.slices.claim(mirror.run, feed.ref.id, claimant, 2)
    return [sorted(each.received_at) for each in found]


def save(mirror: Mirror, feed: StoredFeed, part: Slice, *messages: Message) -> int:
    page = SlicePage(messages, is_complete=True)
    return mirror.slices.save_slice(mirror.run, feed, part, page, next_for=None).stored


def left(mirror: Mirror, feed: StoredFeed) -> SlicesLeft:
    return mirror.slices.left(mirror.run.account_id, feed.ref.id)


def pending_ids(mirror: Mirror, feed: StoredFeed) -> list[str]:
    return sorted(mirror.feeds.pending_ids(feed.ref.id, 100))


def test_each_worker_claims_the_newest_messages_that_no_other_has(mirror: Mirror) -> None:
    feed = name(mirror, *map(a_named, range(1, 5)), has_more=True)

    assert claim(mirror, feed) == [["m3", "m4"], ["m1", "m2"]]
    assert left(mirror, feed) == SlicesLeft(True, False, True)
    name(mirror, a_named(0), has_more=True)
    assert claim(mirror, feed, OTHER) == [], "the next page completes the slice"
    name(mirror)
    assert claim(mirror, feed, OTHER) == [["m0"]]
    assert left(mirror, feed) == SlicesLeft(True, False, False)

    mirror.slices.release_claims(mirror.run, [feed.ref.id], OTHER.number)
    assert claim(mirror, feed, OTHER) == [["m0"]]
    mirror.let_time_pass(hours=1)
    assert claim(mirror, feed, OTHER) == [["m3", "m4"], ["m1", "m2"]], "the worker died"


def test_only_messages_in_the_version_that_the_feed_named_are_stored(mirror: Mirror) -> None:
    feed = name(mirror, a_named(1), a_named(2), a_named(3))
    [part] = mirror.slices.claim(mirror.run, feed.ref.id, Claimant(1, 3), 1)

    stored = save(mirror, feed, part, a_full(1), a_full(2, "older"), a_full(4))

    assert stored == 1
    assert emails(mirror.database) == {"m1": ("F1", False)}
    assert pending_ids(mirror, feed) == ["m2", "m3"]
    assert not left(mirror, feed).is_any, "the others are fetched by their ids"


def test_a_message_that_the_feed_named_again_meanwhile_waits_for_its_new_version(
    mirror: Mirror,
) -> None:
    feed = name(mirror, a_named(1), a_named(2))
    [part] = mirror.slices.claim(mirror.run, feed.ref.id, WORKER, 1)
    name(mirror, a_named(2, "v2"))

    assert save(mirror, feed, part, a_full(1), a_full(2)) == 1
    assert emails(mirror.database) == {"m1": ("F1", False)}
    assert pending_ids(mirror, feed) == ["m2"]


def test_a_message_that_left_the_folder_after_the_slice_was_read_is_not_stored(
    mirror: Mirror,
) -> None:
    feed = name(mirror, a_named(1), a_named(2))
    [part] = mirror.slices.claim(mirror.run, feed.ref.id, WORKER, 1)
    name(mirror, removed=["m2"])

    assert save(mirror, feed, part, a_full(1), a_full(2)) == 1
    assert emails(mirror.database) == {"m1": ("F1", False)}


def test_a_slice_of_an_earlier_full_sync_stores_nothing(mirror: Mirror) -> None:
    feed = name(mirror, a_named(1))
    [part] = mirror.slices.claim(mirror.run, feed.ref.id, WORKER, 1)
    mirror.feeds.restart_full_sync(mirror.run, feed.ref.id)

    assert save(mirror, feed, part, a_full(1)) == 0
    assert emails(mirror.database) == {}
    assert pending_ids(mirror, feed) == ["m1"]


def test_a_page_that_ends_early_leaves_the_older_messages_to_another_slice(mirror: Mirror) -> None:
    feed = name(mirror, *map(a_named, range(1, 5)))
    [part] = mirror.slices.claim(mirror.run, feed.ref.id, Claimant(1, 4), 1)
    page = SlicePage((a_full(4), a_full(2)), is_complete=False)

    saved = mirror.slices.save_slice(mirror.run, feed, part, page, next_for=OTHER)

    assert saved.following
    assert sorted(saved.following.received_at) == ["m1"]
    assert pending_ids(mirror, feed) == ["m3"], "the page should have had it"


def test_a_slice_without_a_message_of_its_own_leads_nowhere(mirror: Mirror) -> None:
    feed = name(mirror, a_named(1), a_named(2))
    [part] = mirror.slices.claim(mirror.run, feed.ref.id, WORKER, 1)

    mirror.slices.save_slice(
        mirror.run, feed, part, SlicePage((a_full(9),), is_complete=False), next_for=None
    )

    assert pending_ids(mirror, feed) == ["m1", "m2"]
    assert not left(mirror, feed).is_any
