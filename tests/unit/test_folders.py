import time
from datetime import timedelta

import pytest

from mailsync.decisions.folders import (
    MAX_FOLDERS_PER_SMALL_FOLDER_BATCH,
    MAX_MESSAGES_PER_SMALL_FOLDER_BATCH,
    batch_small_folders_for_full_sync,
    diff_folders,
    find_folders_with_changed_counts,
    find_reason_of_incomplete_listing,
    sort_feeds_by_reading_priority,
    sort_folders_by_last_change,
)
from mailsync.model import (
    FeedPosition,
    FolderId,
    FolderListing,
    RemoteFolder,
    RemoteId,
    Role,
    SealedSecret,
    StoredFolder,
    distinct_feeds_of_folders,
)
from tests.support.builders import A_MOMENT, a_known_folder, a_listing, a_remote_folder

FIXED = (Role.INBOX, Role.SENT, Role.DRAFTS, Role.TRASH)


def folders_by_role(*roles: Role) -> tuple[list[RemoteFolder], list[StoredFolder]]:
    remote = [a_remote_folder(each, role=each) for each in roles]
    return remote, [a_known_folder(at, each, role=each) for at, each in enumerate(roles)]


def test_an_unchanged_tree_needs_no_write_nor_does_a_name_that_the_database_cannot_hold() -> None:
    plan = diff_folders(FolderListing((a_remote_folder("F1"),)), [a_known_folder(1, "F1")])

    assert (plan.new_and_changed_folders, plan.gone_folder_ids) == ((), ())
    odd = a_remote_folder("F1", display_name="a\0b\ud83d")
    known = a_known_folder(1, "F1", display_name="ab\ufffd")

    assert diff_folders(FolderListing((odd,)), [known]).new_and_changed_folders == ()


@pytest.mark.parametrize(
    "change",
    [
        {"display_name": "Bills"},
        {"parent_remote_id": "F2"},
        {"role": Role.ARCHIVE},
        {"is_hidden_at_provider": True},
    ],
)
def test_a_folder_that_is_shown_otherwise_is_a_change(change: dict[str, object]) -> None:
    remote = a_remote_folder("F1", **change)

    assert diff_folders(
        FolderListing((remote,)), [a_known_folder(1, "F1")]
    ).new_and_changed_folders == (remote,)


def test_a_folder_made_again_under_its_old_name_is_a_new_one_and_the_old_one_is_gone() -> None:
    plan = diff_folders(
        a_listing(a_remote_folder("F2", display_name="Bills"), gone_folder_remote_ids=["F1"]),
        [a_known_folder(1, "F1", display_name="Bills"), a_known_folder(2, "inbox")],
    )

    assert "F2" in [each.remote_id for each in plan.new_and_changed_folders]
    assert plan.gone_folder_ids == (1,)


def test_a_folder_that_is_merely_missing_from_the_listing_stays() -> None:
    known = [a_known_folder(at, f"F{at}") for at in range(4)]
    listing = a_listing(
        existing_unlisted_folder_remote_ids=["F0"],
        failure_reason_by_folder_remote_id={RemoteId("F1"): "403"},
        is_whole_tree=False,
    )

    assert diff_folders(listing, known).gone_folder_ids == ()


@pytest.mark.parametrize("role", FIXED)
def test_a_folder_that_every_mailbox_has_is_never_gone(role: Role) -> None:
    listing = FolderListing((), gone_folder_remote_ids=frozenset({RemoteId("F1")}))

    assert diff_folders(listing, [a_known_folder(1, "F1", role=role)]).gone_folder_ids == ()


def test_a_provider_may_let_its_users_delete_the_folder_of_a_role() -> None:
    remote, known = folders_by_role(*FIXED)
    gone = frozenset({RemoteId(Role.TRASH)})
    only_inbox = frozenset({Role.INBOX})
    listing = FolderListing(
        tuple(remote[:3]), gone_folder_remote_ids=gone, permanent_roles=only_inbox
    )

    assert diff_folders(listing, known).gone_folder_ids == (known[3].ref.id,)
    assert find_reason_of_incomplete_listing(listing, known) is None


@pytest.mark.parametrize("role", [*FIXED, Role.JUNK])
def test_in_a_mailbox_that_was_created_again_the_folder_of_a_role_gets_its_new_id(
    role: Role,
) -> None:
    remote, _ = folders_by_role(*FIXED, Role.JUNK)
    known = [a_known_folder(1, "old", role=role), a_known_folder(2, "own")]
    listing = a_listing(*remote, gone_folder_remote_ids=["old", "own"])

    plan = diff_folders(listing, known)

    assert (plan.replacement_remote_id_by_folder_id, plan.gone_folder_ids) == (
        {1: RemoteId(role)},
        (2,),
    )
    assert {each.remote_id for each in plan.new_and_changed_folders} >= {role}
    assert find_reason_of_incomplete_listing(listing, known) is None


@pytest.mark.parametrize(("gone", "stored"), [([], []), (["old"], ["inbox"])])
def test_a_folder_keeps_its_id_while_it_exists_or_another_folder_has_the_new_one(
    gone: list[str], stored: list[str]
) -> None:
    remote, _ = folders_by_role(*FIXED)
    known = [a_known_folder(1, "old", role=Role.INBOX)]
    known += [a_known_folder(2, each, role=Role.INBOX) for each in stored]

    plan = diff_folders(a_listing(*remote, gone_folder_remote_ids=gone), known)

    assert (plan.replacement_remote_id_by_folder_id, plan.gone_folder_ids) == (
        {},
        (1,) if gone else (),
    )


def test_a_listing_is_whole_with_every_folder_but_those_gone_unread_or_not_looked_for() -> None:
    remote, known = folders_by_role(*FIXED, Role.ARCHIVE)

    assert find_reason_of_incomplete_listing(FolderListing(tuple(remote)), known) is None
    assert find_reason_of_incomplete_listing(FolderListing(tuple(remote)), []) is None
    remote, known = folders_by_role(*FIXED, Role.ARCHIVE, Role.JUNK, Role.OTHER)
    failures = {RemoteId(Role.SENT): "403", RemoteId(Role.ARCHIVE): "500"}
    shown = (remote[0], remote[2], remote[3])
    listing = FolderListing(
        shown, False, frozenset({RemoteId(Role.JUNK)}), failure_reason_by_folder_remote_id=failures
    )

    assert find_reason_of_incomplete_listing(listing, known) is None


def test_a_listing_that_lacks_what_exists_is_at_fault() -> None:
    remote, known = folders_by_role(*FIXED)
    listing = FolderListing(
        tuple(remote),
        existing_unlisted_folder_remote_ids=frozenset({RemoteId("F1"), RemoteId("F2")}),
    )

    assert (
        find_reason_of_incomplete_listing(listing, known)
        == "The list of folders lacks 2 that exist."
    )


@pytest.mark.parametrize("role", FIXED)
def test_a_listing_without_a_folder_that_every_mailbox_has_is_at_fault(role: Role) -> None:
    remote, known = folders_by_role(*FIXED)
    shown = tuple(each for each in remote if each.role is not role)

    for gone in (frozenset[RemoteId](), frozenset({RemoteId(role)})):
        fault = find_reason_of_incomplete_listing(
            FolderListing(shown, gone_folder_remote_ids=gone), known
        )
        assert fault is not None
        assert f"lacks {role}," in fault


def test_a_listing_without_an_inbox_is_at_fault_also_where_none_is_known() -> None:
    assert (
        find_reason_of_incomplete_listing(FolderListing((a_remote_folder("F1"),)), []) is not None
    )
    assert find_reason_of_incomplete_listing(FolderListing(()), []) is not None


def test_a_count_has_moved_when_either_number_is_another_than_last_time() -> None:
    counts = {"same": (5, 2), "total": (6, 2), "unread": (5, -1), "new": (1, 1), "none": (0, 0)}
    remote = [
        a_remote_folder(name, message_count=a, unread_message_count=b)
        for name, (a, b) in counts.items()
    ]
    known = [
        a_known_folder(at, name, remote_total=5, remote_unread=2)
        for at, name in enumerate(("same", "total", "unread", "left out"))
    ]
    uncounted = a_remote_folder("uncounted", message_count=None, unread_message_count=None)
    listing = a_listing(*remote, uncounted)
    known += [
        a_known_folder(8, "uncounted", remote_total=5),
        a_known_folder(9, "none", remote_total=0, remote_unread=0),
    ]

    assert find_folders_with_changed_counts(listing, known) == {"total", "unread"}


def test_the_folder_in_which_something_changed_last_comes_first() -> None:
    hours = (None, 3, 1, None, 2)
    known = [
        a_known_folder(at, last_change_found_at=A_MOMENT - timedelta(hours=ago) if ago else None)
        for at, ago in enumerate(hours)
    ]

    assert [each.ref.id for each in sort_folders_by_last_change(known)] == [2, 4, 1, 0, 3]


def test_the_inbox_starts_first_and_then_the_biggest_folder() -> None:
    inbox = a_known_folder(3, role=Role.INBOX, remote_total=1)
    known = [a_known_folder(1, remote_total=3), a_known_folder(2, remote_total=4000), inbox]

    assert [
        each.ref.id
        for each in sort_feeds_by_reading_priority(distinct_feeds_of_folders(known), known)
    ] == [3, 2, 1]


def batches(*totals: int) -> list[list[int]]:
    """The messages of each folder of each batch."""
    known: list[StoredFolder] = []
    remote: list[RemoteFolder] = []
    for number, total in enumerate(totals):
        known.append(a_known_folder(number, f"F{number}"))
        remote.append(a_remote_folder(f"F{number}", message_count=total))
    found = batch_small_folders_for_full_sync(known, remote, page_size=100, max_messages=1_000)
    return [[totals[each.ref.id] for each in batch] for batch in found]


def test_small_folders_are_walked_together_and_large_ones_are_not() -> None:
    assert batches(3, 100, 0, 99, 4_000) == [[0, 3, 99]]


def test_batches_hold_few_folders_and_few_messages() -> None:
    assert [len(each) for each in batches(*[0] * 45)] == [
        MAX_FOLDERS_PER_SMALL_FOLDER_BATCH,
        MAX_FOLDERS_PER_SMALL_FOLDER_BATCH,
        5,
    ]
    assert all(sum(each) <= MAX_MESSAGES_PER_SMALL_FOLDER_BATCH for each in batches(*[90] * 10))


def test_four_pages_are_requested_together() -> None:
    assert [len(each) for each in batches(*[84] * 11)] == [4, 4, 3]


def test_not_more_is_walked_at_once_than_a_function_does_quickly() -> None:
    walked = sum(sum(each) for each in batches(*[90] * 40))

    assert 910 < walked <= 1_000


def test_folders_whose_walk_has_begun_or_ended_or_needs_another_feed_are_left_alone() -> None:
    sealed = SealedSecret(1, b"cursor")
    known = [
        a_known_folder(1, "begun", position=FeedPosition(sealed, 1, True)),
        a_known_folder(2, "walked", position=FeedPosition(sealed, 1, False)),
        a_known_folder(3, "unknown to the provider"),
        a_known_folder(4, "failed", position=FeedPosition(None, 2, True, feed_kind_index=1)),
    ]
    remote = [a_remote_folder(each, message_count=1) for each in ("begun", "walked", "failed")]

    assert (
        list(batch_small_folders_for_full_sync(known, remote, page_size=100, max_messages=1_000))
        == []
    )


def test_ten_thousand_folders_are_compared_within_a_second() -> None:
    """What grows with their square took five seconds of each check."""
    names = [f"F{number}" for number in range(10_000)]
    remote = tuple(a_remote_folder(each) for each in names)
    known = [a_known_folder(number, each) for number, each in enumerate(names)]
    listing = FolderListing(remote[1:], gone_folder_remote_ids=frozenset({RemoteId("F0")}))
    began = time.process_time()

    plan = diff_folders(listing, known)
    find_reason_of_incomplete_listing(listing, known)
    find_folders_with_changed_counts(listing, known)

    assert plan.gone_folder_ids == (FolderId(0),)
    assert time.process_time() - began < 1
