"""A check knows what is left to do, and its end says no more than was read."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from mailsync.decisions.verify import FolderCounts
from mailsync.model import (
    FolderId,
    FolderTreeReadingMode,
    ListedMessage,
    MessageListing,
    MessageRemovedFromFolder,
    RemoteId,
    RunId,
    SealedSecret,
    UnreadableMessage,
    distinct_feeds_of_folders,
)
from mailsync.store.check_store import Check, CheckStore, UnchangedMailboxCheckResult
from tests.store.conftest import Mirror
from tests.support.builders import a_remote_folder

Happens = Callable[[Mirror], object]
ACCOUNT = (
    "SELECT verified_at > now() - interval '1 hour', tree_read_at > now() - interval '1 hour',"
    " hidden_read_at > now() - interval '1 hour' FROM mailsync.email_accounts"
)
CURSORS = (
    "SELECT f.remote_id, convert_from(c.cursor_sealed, 'UTF8'), c.read_at > now() - interval '1 h'"
    " FROM mailsync.change_feeds c JOIN mailsync.email_folders f ON f.id = c.folder_id ORDER BY 1"
)
COMPARED = (
    "SELECT compared_at > now() - interval '1 hour', list_total, list_unread"
    " FROM mailsync.email_folders ORDER BY remote_id"
)


@pytest.fixture
def synced(mirror: Mirror) -> Mirror:
    """Both folders were mirrored and verified by a sync two hours ago."""
    for folder_id in (mirror.first, mirror.second):
        mirror.fill(folder_id, 2)
    complete(mirror)
    mirror.let_time_pass(2)
    return mirror


def complete(mirror: Mirror) -> None:
    mirror.folder_store.recount_stored_messages(mirror.run)
    mirror.folder_store.mark_verified_by_counts(mirror.run, [mirror.first, mirror.second])
    mirror.rows("UPDATE mailsync.sync_runs SET started_at = now() - interval '1 day' RETURNING 1")
    assert mirror.run_store.complete_or_fail_run(mirror.run)


def check_of(mirror: Mirror) -> Check:
    check = CheckStore(mirror.database).begin_check(mirror.run.account_id, RunId("check"))
    assert check is not None
    return check


def end(mirror: Mirror, check: Check, **what: object) -> None:
    result = UnchangedMailboxCheckResult(**what)  # type: ignore[arg-type]
    CheckStore(mirror.database).end_check_of_unchanged_mailbox(check, result)


def in_a_sync(mirror: Mirror, *happens: Happens) -> None:
    """What happens in another sync, which ends well."""
    hold = "UPDATE mailsync.email_accounts SET lease_owner = 'arn-1' RETURNING 1"
    mirror.rows(hold)
    mirror.rows("UPDATE mailsync.sync_runs SET status = 'running', finished_at = NULL RETURNING 1")
    for each in happens:
        each(mirror)
    complete(mirror)


def removed(mirror: Mirror) -> None:
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId("F1-0000")))


def said_to_be_gone(mirror: Mirror) -> None:
    wait_s = mirror.removal_store.read_hidden_mail_and_schedule_rechecks(
        mirror.run
    ).min_time_between_gone_reports_s
    ids = mirror.removal_store.hidden_message_ids_due_for_recheck(mirror.run, "", 100)
    mirror.removal_store.mark_gone_or_delete_if_marked(mirror.run, ids, wait_s)


def said_to_be_gone_with_most_of_the_mailbox(mirror: Mirror) -> None:
    ids = mirror.removal_store.hidden_message_ids_due_for_recheck(mirror.run, "", 100)
    mirror.removal_store.mark_gone_or_delete_if_marked(
        mirror.run, ids, timedelta(hours=24).total_seconds()
    )


def folder_gone(mirror: Mirror) -> None:
    mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.first])
    mirror.mail_store.remove_batch_of_stored_unmirrored_mail(mirror.run)


def empty_folder_gone(mirror: Mirror) -> None:
    mirror.folder_store.save_tree_changes(mirror.run, [a_remote_folder("F3")], [])
    third = mirror.folder_store.read_existing_folders(mirror.run.account_id)[-1].ref.id
    mirror.folder_store.save_tree_changes(mirror.run, [], [third])


def quarantined(mirror: Mirror) -> None:
    mirror.apply(mirror.first, UnreadableMessage(RemoteId("odd"), "corrupt", ""))


def feed_failed(mirror: Mirror) -> None:
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(mirror.first), fallback=1)
    mirror.fill(mirror.first, 2)


@pytest.mark.parametrize(
    ("happened", "later_h", "is_fully_verified"),
    [
        ([], 0, True),
        ([removed], 0, False),
        ([removed, said_to_be_gone], 1.9, True),
        ([removed, said_to_be_gone], 2.1, False),
        ([removed, said_to_be_gone_with_most_of_the_mailbox], 23, True),
        ([folder_gone, said_to_be_gone], 1.9, True),
        ([folder_gone, said_to_be_gone], 2.1, False),
        ([folder_gone, said_to_be_gone_with_most_of_the_mailbox], 23, True),
        ([folder_gone, said_to_be_gone_with_most_of_the_mailbox], 25, False),
        ([empty_folder_gone], 1.9, True),
        ([empty_folder_gone], 2.1, False),
        ([quarantined], 0.1, True),
        ([quarantined], 0.2, False),
        ([feed_failed], 23, True),
        ([feed_failed], 25, False),
    ],
)
def test_a_mailbox_is_settled_while_the_provider_need_not_be_asked_about_anything(
    happened: list[Happens], later_h: float, is_fully_verified: bool, synced: Mirror
) -> None:
    in_a_sync(synced, *happened)
    synced.let_time_pass(later_h)

    assert check_of(synced).is_mailbox_fully_verified == is_fully_verified


@pytest.mark.parametrize(
    "change",
    [
        "email_accounts SET sync_status = 'failed'",
        "email_accounts SET verified_at = NULL",
        "email_folders SET differing = 1",
        "email_folders SET selected = false",
    ],
)
def test_a_mailbox_that_was_not_verified_or_holds_too_much_is_not_settled(
    change: str, synced: Mirror
) -> None:
    synced.rows(f"UPDATE mailsync.{change} RETURNING 1")

    assert not check_of(synced).is_mailbox_fully_verified


def test_a_check_knows_the_folders_that_exist_with_both_sides_of_their_counts(
    synced: Mirror,
) -> None:
    counted = [
        a_remote_folder("F1", message_count=5, unread_message_count=4),
        a_remote_folder("F2", message_count=2, unread_message_count=1),
    ]

    def change(mirror: Mirror) -> None:
        mirror.folder_store.save_remote_counts(mirror.run, counted)
        mirror.folder_store.save_remote_overcounts_of_folders(mirror.run, {mirror.first: (2, 3)})
        mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.second])

    in_a_sync(synced, quarantined, change)
    check = check_of(synced)

    assert [each.ref.remote_id for each in check.stored_folders] == ["F1"]
    compared_at = check.message_counts_by_folder_id[synced.first].message_ids_compared_at
    assert check.message_counts_by_folder_id[synced.first] == FolderCounts(
        5, 2, 1, 4, 2, 2, 3, compared_at
    )
    assert compared_at is not None
    assert compared_at < datetime.now(UTC) - timedelta(hours=1)
    assert check.stored_folders == synced.folder_store.read_existing_folders(synced.run.account_id)


def test_a_check_knows_how_long_ago_the_last_sync_was(synced: Mirror) -> None:
    check = check_of(synced)

    assert 7_200 <= check.time_since_last_sync_s < 7_300
    assert 7_200 <= check.time_since_last_stored_change_s < 7_300
    assert (check.folder_tree_read_at, check.hidden_remote_folders_read_at) == (None, None)


@pytest.mark.parametrize(
    ("is_whole", "reading", "dated"),
    [
        (True, FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS, [True, None, None]),
        (True, FolderTreeReadingMode.ALL_LISTED_FOLDERS, [True, True, None]),
        (True, FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS, [True, True, True]),
        (False, FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS, [False, None, None]),
    ],
)
def test_a_check_dates_what_it_has_read_and_nothing_else(
    is_whole: bool, reading: FolderTreeReadingMode, dated: list[bool | None], synced: Mirror
) -> None:
    """A quick reading may show the whole tree, and still is no whole reading."""
    end(
        synced,
        check_of(synced),
        is_list_of_folders_complete=is_whole,
        folder_tree_reading_mode=reading,
    )

    assert synced.one(ACCOUNT) == dated


def test_a_feed_that_is_at_the_same_place_was_read_all_the_same(synced: Mirror) -> None:
    check = check_of(synced)
    first, second = distinct_feeds_of_folders(check.stored_folders)

    end(synced, check, new_cursor_by_feed={first: SealedSecret(1, b"new"), second: None})

    assert synced.rows(CURSORS) == [["F1", "new", True], ["F2", "+", True]]


def test_a_check_dates_the_comparisons_it_has_made(synced: Mirror) -> None:
    listing = MessageListing((ListedMessage(RemoteId("F1-0000"), False),), 1)
    check = check_of(synced)

    end(
        synced, check, compared_listing_by_folder_id={synced.first: listing, FolderId(999): listing}
    )

    assert synced.rows(COMPARED) == [[True, 1, 1], [False, None, None]]
