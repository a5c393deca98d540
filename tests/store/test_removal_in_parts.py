"""Much mail leaves in parts: each is a transaction of its own, and what is left continues."""

from dataclasses import replace

import pytest

from mailsync.model import RemoteId, Upsert
from mailsync.store import mail_store, removal_store, sweep
from tests.store.conftest import Mirror
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

PART = 10
NUMBER = 35
SHOWN = "SELECT count(*) FROM mailsync.emails WHERE removed_at IS NULL"
PARTS = (
    "SELECT count(*) FROM mailsync.emails WHERE removed_at IS NOT NULL GROUP BY xmin::text"
    " ORDER BY 1 DESC"
)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal_store, "MAX_RECHECKS_SCHEDULED_PER_STATEMENT", PART)
    monkeypatch.setattr(mail_store, "MESSAGES_PER_DELETE_BATCH", PART)
    monkeypatch.setattr(sweep, "MAX_MESSAGES_HIDDEN_PER_TRANSACTION", PART)


def test_the_mail_of_a_folder_that_is_gone_is_hidden_in_parts(mirror: Mirror) -> None:
    mirror.fill(mirror.first, NUMBER)
    mirror.fill(mirror.second, 1)
    mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.first])

    removed = [
        mirror.mail_store.remove_batch_of_stored_unmirrored_mail(mirror.run) for _ in range(5)
    ]

    assert removed == [10, 10, 10, 5, 0]
    assert mirror.rows(PARTS) == [[10], [10], [10], [5]]
    assert mirror.one(SHOWN) == [1]


def test_the_mail_of_a_deselected_folder_is_deleted_in_parts(mirror: Mirror) -> None:
    mirror.fill(mirror.first, NUMBER)
    mirror.fill(mirror.second, 1)
    mirror.rows(f"UPDATE mailsync.email_folders SET selected = false WHERE id = {mirror.first}")

    left = []
    while mirror.mail_store.remove_batch_of_stored_unmirrored_mail(mirror.run):
        left += mirror.one("SELECT count(*) FROM mailsync.emails")

    # A part takes twice as many at most: by their placements, and by their rows.
    assert all(before - after <= 2 * PART for before, after in zip([36, *left], left, strict=False))
    assert left[-1] == 1


def test_a_full_sync_hides_what_it_did_not_see_in_parts_and_goes_on_after_a_time_out(
    mirror: Mirror,
) -> None:
    ids = mirror.fill(mirror.first, NUMBER)
    mirror.folder_store.save_remote_counts(mirror.run, [a_remote_folder("F1", message_count=2)])
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(mirror.first))
    feed, last = mirror.folder(mirror.first).feed, ids[:2]
    write = a_page_write(feed, a_page(*(Upsert(a_message(each, "F1")) for each in last)))
    has_time = iter([True, False])

    seen = [RemoteId(each) for each in last]
    store = mirror.full_sync_sweep_store
    assert not store.hide_unseen_messages_before_last_page(
        mirror.run, feed, seen, lambda: next(has_time)
    )
    assert mirror.one(SHOWN) == [NUMBER - PART]
    assert store.hide_unseen_messages_before_last_page(mirror.run, feed, seen, lambda: True)
    assert mirror.folder(mirror.first).feed.position == feed.position
    counts = mirror.mail_store.write_page(mirror.run, write)

    assert counts is not None
    assert counts.removed <= PART
    assert all(number <= PART for [number] in mirror.rows(PARTS))
    assert mirror.rows(
        "SELECT message_id FROM mailsync.emails WHERE removed_at IS NULL ORDER BY 1"
    ) == [[each] for each in last]


def test_a_worker_whose_page_is_stored_already_hides_nothing(mirror: Mirror) -> None:
    mirror.fill(mirror.first, NUMBER)
    mirror.folder_store.save_remote_counts(mirror.run, [a_remote_folder("F1", message_count=0)])
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(mirror.first))
    feed = mirror.folder(mirror.first).feed
    late = replace(
        feed,
        position=replace(
            feed.position, full_sync_generation=feed.position.full_sync_generation + 1
        ),
    )

    assert mirror.full_sync_sweep_store.hide_unseen_messages_before_last_page(
        mirror.run, late, [], lambda: True
    )

    assert mirror.one(SHOWN) == [NUMBER]


def test_all_gone_messages_are_scheduled_whatever_one_statement_takes(mirror: Mirror) -> None:
    ids = [RemoteId(each) for each in mirror.fill(mirror.first, NUMBER)]
    mirror.removal_store.hide_messages_removed_from_folder(mirror.run, mirror.first, ids)
    mirror.removal_store.mark_gone_or_delete_if_marked(mirror.run, ids, 7200.0)

    assert mirror.removal_store.read_hidden_mail_and_schedule_rechecks(
        mirror.run
    ).is_unconfirmed_mass_removal

    tomorrow = "SELECT count(*) FROM mailsync.emails WHERE confirm_at > now() + interval '23 hours'"
    assert mirror.one(tomorrow) == [NUMBER]
