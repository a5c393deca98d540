"""Counts and ids that are compared: by examples, and of any."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.verify import (
    MAX_TIME_BETWEEN_FOLDER_COMPARISONS,
    FolderCounts,
    ListingContradictionKind,
    ListingDifference,
    StoredMessageState,
    compare_listing_with_rows,
    do_counts_match_provider,
    find_folders_due_for_comparison,
    find_listing_contradictions,
)
from mailsync.model import (
    FolderId,
    ListedMessage,
    Message,
    MessageNotFoundByIdResult,
    RemoteId,
    UnreadableMessage,
)
from tests.support.builders import A_MOMENT, a_message

LATER = A_MOMENT + timedelta(seconds=1)


def a_count(remote: int, stored: int, quarantined: int = 0, unread: int = 0) -> FolderCounts:
    return FolderCounts(remote, stored, quarantined, remote_unread=0, stored_unread=unread)


@pytest.mark.parametrize(
    ("count", "agree"),
    [
        (a_count(remote=10, stored=9, quarantined=1), True),
        (a_count(remote=10, stored=9, quarantined=1, unread=1), True),
        (a_count(remote=10, stored=9), False),
        (a_count(remote=10, stored=11), False),
        (a_count(remote=10, stored=10, unread=1), False),
    ],
    ids=["in quarantine", "unread in quarantine", "one missing", "one too many", "a read state"],
)
def test_counts_agree_when_everything_is_stored_or_named_in_quarantine(
    count: FolderCounts, agree: bool
) -> None:
    assert do_counts_match_provider(count) == agree


def listed(name: str, *, is_read: bool = True, version: str | None = "v") -> ListedMessage:
    return ListedMessage(RemoteId(name), is_read, version, A_MOMENT)


ROW = StoredMessageState(is_read=True, remote_version="v", remote_modified_at=A_MOMENT)


def differences(
    *entries: ListedMessage, quarantined: str = "", **stored: StoredMessageState
) -> object:
    """Without those fields that are empty."""
    rows = {RemoteId(name): row for name, row in stored.items()}
    found = compare_listing_with_rows(entries, rows, frozenset(map(RemoteId, quarantined.split())))
    assert found.is_mirror_equal_to_listing == (
        replace(found, listed_messages_stored_without_version=()) == ListingDifference()
    )
    return {name: value for name in ListingDifference.__slots__ if (value := getattr(found, name))}


def test_ids_are_compared_in_both_directions_and_by_their_state() -> None:
    entries = [listed(each) for each in ("same", "missing", "misread", "edited", "odd")]
    misread, edited = replace(ROW, is_read=False), replace(ROW, remote_version="older")

    found = differences(
        *entries, same=ROW, misread=misread, edited=edited, surplus=ROW, quarantined="odd"
    )

    assert found == {
        "unstored_remote_ids": ("missing",),
        "remote_ids_with_differing_state": ("edited", "misread"),
        "unlisted_remote_ids": ("surplus",),
    }


def test_what_is_hidden_or_elsewhere_is_shown_again_where_it_is_listed() -> None:
    away = replace(ROW, is_placed_in_compared_folder=False)

    assert differences(listed("m1"), m1=away) == {"stored_but_unplaced_remote_ids": ("m1",)}
    assert differences(listed("m1", version="newer"), m1=away) == {
        "remote_ids_with_differing_state": ("m1",)
    }
    assert differences(m1=away) == {}


def test_what_is_quarantined_and_no_longer_listed_is_released() -> None:
    assert differences(listed("m1"), quarantined="m1 m2") == {
        "unlisted_quarantined_remote_ids": ("m2",)
    }


def test_a_row_of_a_release_without_versions_is_equal_if_it_was_not_modified_since() -> None:
    before = replace(ROW, remote_version=None)
    unversioned = ListedMessage(RemoteId("m1"), True, None, A_MOMENT)

    assert differences(listed("m1"), m1=before) == {
        "listed_messages_stored_without_version": (listed("m1"),)
    }
    assert differences(listed("m1"), m1=replace(before, remote_modified_at=LATER)) == {
        "remote_ids_with_differing_state": ("m1",)
    }
    assert differences(listed("m1"), m1=replace(before, remote_modified_at=None)) == {
        "remote_ids_with_differing_state": ("m1",)
    }
    assert differences(listed("m1", is_read=False), m1=before) == {
        "remote_ids_with_differing_state": ("m1",)
    }
    assert differences(unversioned, m1=ROW) == {}
    assert differences(unversioned, m1=replace(ROW, remote_modified_at=LATER)) == {
        "remote_ids_with_differing_state": ("m1",)
    }


def test_a_version_wins_over_the_time_of_the_last_modification() -> None:
    """The provider may leave that out, and keeps it when only the read state changes."""
    assert differences(listed("m1"), m1=replace(ROW, remote_modified_at=LATER)) == {}


def test_what_is_said_by_id_against_the_listing_stays_with_its_cause() -> None:
    listed = dict.fromkeys(map(RemoteId, ("phantom", "read", "fine", "odd", "elsewhere")), False)
    answers: list[Message | MessageNotFoundByIdResult | UnreadableMessage] = [
        MessageNotFoundByIdResult(RemoteId("phantom")),
        MessageNotFoundByIdResult(RemoteId("deleted")),
        UnreadableMessage(RemoteId("odd"), "corrupt", ""),
        a_message("fine", "F1", is_read=False),
        a_message("read", "F1", is_read=True),
        a_message("unlisted", "F1"),
        a_message("elsewhere", "F2"),
        a_message("moved", "F2"),
        UnreadableMessage(RemoteId("unlisted and odd"), "unanswered", ""),
    ]

    found = find_listing_contradictions(listed, answers, RemoteId("F1"))

    assert [(each.remote_id, each.kind) for each in found] == [
        ("phantom", ListingContradictionKind.LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER),
        ("read", ListingContradictionKind.LISTED_READ_FLAG_DIFFERS_FROM_BY_ID),
        ("unlisted", ListingContradictionKind.FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED),
        ("elsewhere", ListingContradictionKind.LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER),
        ("unlisted and odd", ListingContradictionKind.FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED),
    ]


def due(now: datetime, **compared: datetime | None) -> list[int]:
    """The numbers of the folders that are due, whose names are `f` and a number."""
    counts = {
        FolderId(int(name[1:])): replace(a_count(1, 1), message_ids_compared_at=compared_at)
        for name, compared_at in compared.items()
    }
    return list(find_folders_due_for_comparison(counts, now=now))


def test_a_folder_is_compared_within_a_week() -> None:
    assert due(A_MOMENT + MAX_TIME_BETWEEN_FOLDER_COMPARISONS, f24=A_MOMENT) == [24]
    assert (
        due(A_MOMENT + MAX_TIME_BETWEEN_FOLDER_COMPARISONS - timedelta(seconds=1), f24=A_MOMENT)
        == []
    )


def test_a_folder_whose_count_has_moved_silently_comes_first_then_who_has_waited_longest() -> None:
    days = {"f1": 8, "f2": 10, "f3": 9, "f4": 1}
    compared = {each: A_MOMENT - timedelta(days=ago) for each, ago in days.items()}

    assert due(A_MOMENT, **compared, f5=None) == [5, 2, 3, 1]


@pytest.mark.parametrize("first", [1, 1_000])
def test_folders_that_were_compared_together_are_due_at_different_hours(first: int) -> None:
    together = {f"f{number}": A_MOMENT for number in range(first, first + 480)}
    hours = [
        A_MOMENT + MAX_TIME_BETWEEN_FOLDER_COMPARISONS - timedelta(hours=ago)
        for ago in range(24, -1, -1)
    ]

    counted = [len(due(hour, **together)) for hour in hours]

    assert counted == [20 * each for each in range(25)]


IDS = st.sampled_from([RemoteId(each) for each in "abcdef"])
VERSIONS = st.sampled_from([None, "1", "2"])
TIMES = st.sampled_from([None, A_MOMENT, A_MOMENT + timedelta(hours=1)])
ENTRIES = st.builds(ListedMessage, IDS, st.booleans(), VERSIONS, TIMES)
ROWS = st.dictionaries(
    IDS, st.builds(StoredMessageState, st.booleans(), VERSIONS, TIMES, st.booleans())
)
Rows = Mapping[RemoteId, StoredMessageState]
COUNTS = st.integers(-3, 9)


def mended(rows: Rows, entries: list[ListedMessage], difference: ListingDifference) -> Rows:
    """The rows after what differs was fetched, shown, or hidden, and versions were saved."""
    known = {each.remote_id: each for each in entries}
    fetched = difference.unstored_remote_ids + difference.remote_ids_with_differing_state
    after = {
        **rows,
        **{
            each: StoredMessageState(
                bool(known[each].is_read), known[each].remote_version, known[each].modified_at
            )
            for each in fetched
        },
    }
    for remote_id in difference.stored_but_unplaced_remote_ids:
        after[remote_id] = replace(after[remote_id], is_placed_in_compared_folder=True)
    for remote_id in difference.unlisted_remote_ids:
        after[remote_id] = replace(after[remote_id], is_placed_in_compared_folder=False)
    for entry in difference.listed_messages_stored_without_version:
        after[entry.remote_id] = replace(
            after[entry.remote_id], remote_version=entry.remote_version
        )
    return after


@given(st.lists(ENTRIES, max_size=8), ROWS, st.frozensets(IDS, max_size=3))
def test_a_folder_that_was_mended_has_no_difference_and_shows_what_is_listed(
    entries: list[ListedMessage], rows: Rows, quarantined: frozenset[RemoteId]
) -> None:
    difference = compare_listing_with_rows(entries, rows, quarantined)
    after = mended(rows, entries, difference)
    quarantined -= set(difference.unlisted_quarantined_remote_ids)

    assert compare_listing_with_rows(entries, after, quarantined).is_mirror_equal_to_listing
    shown = {remote_id for remote_id, row in after.items() if row.is_placed_in_compared_folder}
    assert shown | quarantined == {each.remote_id for each in entries} | (quarantined & shown)


@given(st.lists(ENTRIES, max_size=8), ROWS, st.frozensets(IDS, max_size=3))
def test_each_message_differs_in_one_way_at_most(
    entries: list[ListedMessage], rows: Rows, quarantined: frozenset[RemoteId]
) -> None:
    found = compare_listing_with_rows(entries, rows, quarantined)
    ways = (
        found.unstored_remote_ids
        + found.remote_ids_with_differing_state
        + found.stored_but_unplaced_remote_ids
        + found.unlisted_remote_ids
    )

    assert len(set(ways)) == len(ways)
    assert not set(found.unstored_remote_ids) & (rows.keys() | quarantined)
    assert {
        each.remote_id for each in found.listed_messages_stored_without_version
    } <= rows.keys() - set(ways)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 2))
def test_a_count_agrees_with_what_it_was_found_to_be_wrong_by_and_with_nothing_else(
    remote: int, stored: int, remote_unread: int, unread: int, quarantined: int
) -> None:
    count = FolderCounts(remote, stored, quarantined, remote_unread, unread)
    offset, unread_offset = count.remote_minus_stored_total_and_unread
    known = replace(count, remote_total_overcount=offset, remote_unread_overcount=unread_offset)

    assert do_counts_match_provider(known)
    assert do_counts_match_provider(count) == (
        offset == 0 and (unread_offset == 0 or quarantined > 0)
    )
    for moved in (-1, 1):
        assert not do_counts_match_provider(replace(known, remote_total=remote + moved))
        assert not do_counts_match_provider(replace(known, stored_total=stored + moved))
        assert do_counts_match_provider(replace(known, stored_unread=unread + moved)) == (
            quarantined > 0
        )
