"""Folders: hidden with their mail, kept with their choice and their cursor, dropped at the end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailsync.decisions.safety import GONE_FOLDER_DESELECTION_RETENTION
from mailsync.decisions.verify import (
    FAILED_FOLDER_COMPARISON_RETRY_DELAY,
    FolderCounts,
    ListingContradictionKind,
    MessageContradictingListing,
    find_folders_due_for_comparison,
)
from mailsync.errors import FolderGone
from mailsync.model import (
    FeedPosition,
    ListedMessage,
    MessageListing,
    MessageRemovedFromFolder,
    RemoteId,
    StoredFolder,
    UnreadableMessage,
    Upsert,
)
from tests.store.conftest import Mirror
from tests.support.builders import a_message, a_remote_folder

F1 = RemoteId("F1")
COMPARED = "SELECT remote_id, compared_at IS NOT NULL FROM mailsync.email_folders"
DIFFERING = "SELECT differing, (SELECT count(*) FROM mailsync.proof_differences)"
READINGS = (
    "SELECT tree_read_at > now() - interval '1 min', hidden_read_at > now() - interval '1 min'"
    " FROM mailsync.email_accounts"
)


def hide_first(mirror: Mirror) -> None:
    mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.first])


def known(mirror: Mirror) -> dict[str, StoredFolder]:
    return {
        each.ref.remote_id: each
        for each in mirror.folder_store.read_existing_folders(mirror.run.account_id)
    }


def asked_about(mirror: Mirror) -> list[str]:
    return [
        each.ref.remote_id
        for each in mirror.folder_store.read_existing_and_gone_folders(mirror.run.account_id)[1]
    ]


def count_of(mirror: Mirror) -> FolderCounts:
    return mirror.folder_store.recount_stored_messages(mirror.run)[
        mirror.first
    ].stored_and_remote_counts


def test_a_folder_that_comes_back_has_its_choice_its_cursor_and_is_compared_at_once(
    mirror: Mirror,
) -> None:
    mirror.fill(mirror.first, 2)
    mirror.rows("UPDATE mailsync.email_folders SET selected = false WHERE remote_id = 'F1'")
    before = known(mirror)["F1"]
    hide_first(mirror)
    mirror.let_time_pass(24)

    mirror.folder_store.save_tree_changes(
        mirror.run, [a_remote_folder("F1", display_name="Back")], []
    )

    after = known(mirror)["F1"]
    kept = replace(
        before,
        display_name="Back",
        feed=after.feed,
        last_change_found_at=after.last_change_found_at,
    )
    assert after == kept
    assert after.feed.position == before.feed.position
    assert not after.is_mirrored
    assert sorted(map(tuple, mirror.rows(COMPARED))) == [("F1", False), ("F2", False)]


def test_a_folder_that_is_renamed_is_compared_no_sooner_for_it(mirror: Mirror) -> None:
    mirror.fill(mirror.first, 1)

    mirror.folder_store.save_tree_changes(
        mirror.run, [a_remote_folder("F1", display_name="Renamed")], []
    )

    assert dict(map(tuple, mirror.rows(COMPARED)))["F1"]
    assert known(mirror)["F1"].display_name == "Renamed"


@pytest.mark.parametrize(
    ("hours", "gone", "has_mail", "is_dropped"),
    [
        (2.1, ["F1"], False, True),
        (1.9, ["F1"], False, False),
        (2.1, [], False, False),
        (2.1, ["F2"], False, False),
        (2.1, ["F1"], True, False),
    ],
    ids=["twice gone", "too soon", "not asked", "another one is gone", "its mail is still there"],
)
def test_a_hidden_folder_is_dropped_when_it_is_gone_twice_and_holds_nothing(
    hours: float, gone: list[str], has_mail: bool, is_dropped: bool, mirror: Mirror
) -> None:
    mirror.fill(mirror.first, 1 if has_mail else 0)
    hide_first(mirror)
    mirror.let_time_pass(hours)

    mirror.folder_store.delete_folders_reported_gone_twice(mirror.run, map(RemoteId, gone))

    assert (mirror.one("SELECT count(*) FROM mailsync.email_folders") == [1]) == is_dropped


def test_the_choice_not_to_mirror_a_folder_outlives_it_by_a_month(mirror: Mirror) -> None:
    mirror.rows("UPDATE mailsync.email_folders SET selected = false WHERE remote_id = 'F1'")
    hide_first(mirror)
    month_h = GONE_FOLDER_DESELECTION_RETENTION / timedelta(hours=1)
    for hours, left in ((month_h - 1, 2), (2, 1)):
        mirror.let_time_pass(hours)
        assert asked_about(mirror) == ([] if left == 2 else ["F1"])
        mirror.folder_store.delete_folders_reported_gone_twice(mirror.run, [F1])
        assert len(mirror.rows("SELECT 1 FROM mailsync.email_folders")) == left

    with pytest.raises(FolderGone):
        mirror.folder(mirror.first)


def test_counts_that_the_provider_left_out_leave_those_of_before(mirror: Mirror) -> None:
    counted = [
        a_remote_folder("F1", message_count=5, unread_message_count=-1),
        a_remote_folder("F2", message_count=2, unread_message_count=0),
    ]
    mirror.folder_store.save_remote_counts(mirror.run, counted)
    half = [
        a_remote_folder("F1", message_count=None, unread_message_count=7),
        a_remote_folder("F2", unread_message_count=None),
    ]
    mirror.folder_store.save_remote_counts(mirror.run, half)

    counts = {name: (each.remote_total, each.remote_unread) for name, each in known(mirror).items()}
    assert counts == {"F1": (5, -1), "F2": (2, 0)}


def test_a_recount_counts_what_is_shown_and_what_is_only_in_quarantine(mirror: Mirror) -> None:
    names = mirror.fill(mirror.first, 3)
    hidden = RemoteId(names[0])
    mirror.apply(
        mirror.first, MessageRemovedFromFolder(hidden), Upsert(a_message(names[1], is_read=True))
    )
    odd = [UnreadableMessage(RemoteId(each), "corrupt", "") for each in (names[1], "unstored")]
    mirror.apply(mirror.first, *odd)
    mirror.folder_store.save_remote_counts(
        mirror.run, [a_remote_folder("F1", message_count=4, unread_message_count=2)]
    )

    counted = mirror.folder_store.recount_stored_messages(mirror.run)[mirror.first]

    assert replace(counted.stored_and_remote_counts, message_ids_compared_at=None) == FolderCounts(
        4, 2, 1, 2, 1
    )
    assert (counted.is_full_sync_complete, counted.total_and_unread_of_last_listing) == (True, None)


def test_what_a_count_is_wrong_by_is_kept_until_it_is_wrong_by_another_number(
    mirror: Mirror,
) -> None:
    for offsets in ((1, -5), (0, 0)):
        mirror.folder_store.save_remote_overcounts_of_folders(mirror.run, {mirror.first: offsets})
        count = count_of(mirror)
        assert (count.remote_total_overcount, count.remote_unread_overcount) == offsets
        assert (
            mirror.folder_store.recount_stored_messages(mirror.run)[
                mirror.second
            ].stored_and_remote_counts.remote_total_overcount
            == 0
        )


def test_a_comparison_keeps_what_was_listed_only_of_a_complete_list(mirror: Mirror) -> None:
    entries = tuple(ListedMessage(RemoteId(each), each == "m1") for each in ("m1", "m2", "m3"))
    for total, listed in ((3, (3, 2)), (None, None), (4, None)):
        mirror.folder_store.save_id_comparison(
            mirror.run, mirror.first, MessageListing(entries, total), []
        )
        assert (
            mirror.folder_store.recount_stored_messages(mirror.run)[
                mirror.first
            ].total_and_unread_of_last_listing
            == listed
        )
        assert mirror.first in mirror.folder_store.mark_verified_by_counts(mirror.run, [])


def test_what_stays_different_is_counted_named_and_settled_by_the_next_comparison(
    mirror: Mirror,
) -> None:
    left = [
        MessageContradictingListing(
            RemoteId(f"m{each:03}"), ListingContradictionKind.FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED
        )
        for each in range(120)
    ]
    state = f"{DIFFERING} FROM mailsync.email_folders WHERE remote_id = 'F1'"

    mirror.folder_store.save_id_comparison(mirror.run, mirror.first, MessageListing(()), left)
    assert mirror.one(state) == [120, 100]
    mirror.folder_store.save_id_comparison(mirror.run, mirror.first, MessageListing(()), left[:1])
    assert mirror.one(state) == [1, 1]
    mirror.folder_store.mark_verified_by_counts(mirror.run, [mirror.first])
    assert mirror.one(state) == [0, 0]


def test_a_comparison_that_failed_is_due_again_within_a_day_and_never_forgotten(
    mirror: Mirror,
) -> None:
    def is_due(now: datetime) -> bool:
        return find_folders_due_for_comparison({mirror.first: count_of(mirror)}, now=now) == (
            mirror.first,
        )

    mirror.fill(mirror.first, 1)
    now = datetime.now(UTC)
    mirror.folder_store.postpone_message_id_comparison(mirror.run, [mirror.first, mirror.second])
    assert not is_due(now)
    assert is_due(now + FAILED_FOLDER_COMPARISON_RETRY_DELAY)
    assert (
        mirror.folder_store.recount_stored_messages(mirror.run)[
            mirror.second
        ].stored_and_remote_counts.message_ids_compared_at
        is None
    )

    mirror.folder_store.make_message_id_comparison_due(mirror.run, [mirror.first])
    assert is_due(now)
    mirror.folder_store.postpone_message_id_comparison(mirror.run, [mirror.first])
    assert is_due(now), "a folder that must be compared is left so"


def test_a_full_sync_is_a_comparison_unless_one_is_demanded_since(mirror: Mirror) -> None:
    assert count_of(mirror).message_ids_compared_at is None
    mirror.fill(mirror.first, 1)
    compared_at = count_of(mirror).message_ids_compared_at
    assert compared_at is not None
    assert mirror.folder_store.mark_verified_by_counts(mirror.run, []) == frozenset(), (
        "not in its run"
    )

    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(mirror.first))
    mirror.apply(mirror.first, Upsert(a_message("F1-0000")))
    assert count_of(mirror).message_ids_compared_at == compared_at


def test_a_folder_in_which_changes_are_found_is_active_and_one_that_was_read_is_read(
    mirror: Mirror,
) -> None:
    mirror.fill(mirror.first, 1)
    read = known(mirror)
    assert read["F1"].last_change_found_at is None, "a full sync finds what is old"
    assert read["F1"].feed.last_read_at is not None
    assert read["F2"].feed.last_read_at is None

    mirror.apply(mirror.first)
    assert known(mirror)["F1"].last_change_found_at is None
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId("F1-0000")))
    assert known(mirror)["F1"].last_change_found_at is not None


def test_a_feed_that_failed_is_remembered_until_a_full_sync_is_asked_for(mirror: Mirror) -> None:
    mirror.fill(mirror.first, 1)
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(mirror.first), fallback=2)
    begun = FeedPosition(None, 2, is_full_sync_running=True, feed_kind_index=2)
    assert mirror.folder(mirror.first).feed.position == begun

    mirror.apply(mirror.first)
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(mirror.first))
    assert mirror.folder(mirror.first).feed.position.feed_kind_index == 2, (
        "an expired cursor is no reason"
    )

    mirror.apply(mirror.first)
    mirror.feed_store.restart_full_syncs(mirror.run, [mirror.first])
    assert mirror.folder(mirror.first).feed.position.feed_kind_index == 2, "it was read in this run"

    mirror.rows("UPDATE mailsync.sync_runs SET started_at = now()")
    mirror.feed_store.restart_full_syncs(mirror.run, [mirror.first])
    assert mirror.folder(mirror.first).feed.position.feed_kind_index == 0


def test_a_feed_that_failed_is_tried_again_after_a_day_unless_its_message_still_does_not_answer(
    mirror: Mirror,
) -> None:
    for folder_id in (mirror.first, mirror.second):
        mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(folder_id), fallback=1)
        mirror.apply(folder_id)
    mirror.apply(mirror.second, UnreadableMessage(RemoteId("m1"), "unanswered", ""))
    for hours, fallbacks in ((23, {"F1": 1, "F2": 1}), (2, {"F1": 0, "F2": 1})):
        mirror.let_time_pass(hours)
        mirror.feed_store.switch_fallback_feeds_to_preferred_kind(mirror.run)
        found = {name: each.feed.position.feed_kind_index for name, each in known(mirror).items()}
        assert found == fallbacks


@pytest.mark.parametrize("is_thorough", [True, False])
def test_readings_of_the_tree_are_dated(is_thorough: bool, mirror: Mirror) -> None:
    mirror.folder_store.record_folder_tree_reading(mirror.run, is_thorough=is_thorough)

    assert mirror.one(READINGS) == [True, is_thorough or None]
