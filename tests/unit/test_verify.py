from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from mailsync.decisions.verify import (
    MAX_COMPARISON_AGE,
    FolderCount,
    IdDifference,
    ListingContradiction,
    ListingContradictionKind,
    StoredEntry,
    compare_ids,
    counts_agree,
    find_contradictions,
    folders_due_for_id_comparison,
)
from mailsync.model import FolderId, GoneMessage, Message, RemoteEntry, RemoteId, UnreadableMessage
from tests.support.builders import A_MOMENT, a_message

LATER = A_MOMENT + timedelta(seconds=1)


def a_count(remote: int, stored: int, quarantined: int = 0, unread: int = 0) -> FolderCount:
    return FolderCount(remote, stored, quarantined, remote_unread=0, stored_unread=unread)


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
    count: FolderCount, agree: bool
) -> None:
    assert counts_agree(count) == agree


def test_a_count_agrees_as_long_as_it_is_wrong_by_what_is_known() -> None:
    """A count of less than nothing, too."""
    wrong = FolderCount(
        11, 10, 0, remote_unread=-2, stored_unread=3, remote_total_error=1, remote_unread_error=-5
    )

    assert wrong.excess == (1, -5)
    assert counts_agree(wrong)
    assert not counts_agree(replace(wrong, remote_total=10))
    assert not counts_agree(replace(wrong, stored_total=11))
    assert not counts_agree(replace(wrong, remote_unread=0))
    assert counts_agree(replace(wrong, remote_total=12, quarantined_total=1, remote_unread=0))


def listed(name: str, *, is_read: bool = True, version: str | None = "v") -> RemoteEntry:
    return RemoteEntry(RemoteId(name), is_read, version, A_MOMENT)


ROW = StoredEntry(is_read=True, version="v", modified_at=A_MOMENT)


def differences(*entries: RemoteEntry, quarantined: str = "", **stored: StoredEntry) -> object:
    """Without those fields that are empty."""
    rows = {RemoteId(name): row for name, row in stored.items()}
    found = compare_ids(entries, rows, frozenset(map(RemoteId, quarantined.split())))
    assert found.is_empty == (replace(found, entries_lacking_version=()) == IdDifference())
    return {name: value for name in IdDifference.__slots__ if (value := getattr(found, name))}


def test_ids_are_compared_in_both_directions_and_by_their_state() -> None:
    entries = [listed(each) for each in ("same", "missing", "misread", "edited", "odd")]
    misread, edited = replace(ROW, is_read=False), replace(ROW, version="older")

    found = differences(
        *entries, same=ROW, misread=misread, edited=edited, surplus=ROW, quarantined="odd"
    )

    assert found == {
        "missing_ids": ("missing",),
        "changed_ids": ("edited", "misread"),
        "surplus_ids": ("surplus",),
    }


def test_equal_folders_have_no_difference() -> None:
    assert differences(listed("m1"), m1=ROW) == {}
    assert differences() == {}


def test_what_is_hidden_or_elsewhere_is_shown_again_where_it_is_listed() -> None:
    away = replace(ROW, is_in_listed_folder=False)

    assert differences(listed("m1"), m1=away) == {"ids_to_show_again": ("m1",)}
    assert differences(listed("m1", version="newer"), m1=away) == {"changed_ids": ("m1",)}
    assert differences(m1=away) == {}


def test_what_is_quarantined_and_no_longer_listed_is_released() -> None:
    assert differences(listed("m1"), quarantined="m1 m2") == {"ids_gone_from_quarantine": ("m2",)}


def test_a_row_of_a_release_without_versions_is_equal_if_it_was_not_modified_since() -> None:
    before = replace(ROW, version=None)
    unversioned = RemoteEntry(RemoteId("m1"), True, None, A_MOMENT)

    assert differences(listed("m1"), m1=before) == {"entries_lacking_version": (listed("m1"),)}
    assert differences(listed("m1"), m1=replace(before, modified_at=LATER)) == {
        "changed_ids": ("m1",)
    }
    assert differences(listed("m1"), m1=replace(before, modified_at=None)) == {
        "changed_ids": ("m1",)
    }
    assert differences(listed("m1", is_read=False), m1=before) == {"changed_ids": ("m1",)}
    assert differences(unversioned, m1=ROW) == {}
    assert differences(unversioned, m1=replace(ROW, modified_at=LATER)) == {"changed_ids": ("m1",)}


def test_a_version_wins_over_the_time_of_the_last_modification() -> None:
    """The provider may leave that out, and keeps it when only the read state changes."""
    assert differences(listed("m1"), m1=replace(ROW, modified_at=LATER)) == {}


def test_what_is_said_by_id_against_the_listing_stays_with_its_cause() -> None:
    listed = dict.fromkeys(map(RemoteId, ("phantom", "read", "fine", "odd", "elsewhere")), False)
    answers: list[Message | GoneMessage | UnreadableMessage] = [
        GoneMessage(RemoteId("phantom")),
        GoneMessage(RemoteId("deleted")),
        UnreadableMessage(RemoteId("odd"), "corrupt", ""),
        a_message("fine", "F1", is_read=False),
        a_message("read", "F1", is_read=True),
        a_message("unlisted", "F1"),
        a_message("elsewhere", "F2"),
        a_message("moved", "F2"),
        UnreadableMessage(RemoteId("unlisted and odd"), "unanswered", ""),
    ]

    assert list(find_contradictions(listed, answers, RemoteId("F1"))) == [
        ListingContradiction(RemoteId("phantom"), ListingContradictionKind.MISSING),
        ListingContradiction(RemoteId("read"), ListingContradictionKind.MISREAD),
        ListingContradiction(RemoteId("unlisted"), ListingContradictionKind.SURPLUS),
        ListingContradiction(RemoteId("elsewhere"), ListingContradictionKind.MISSING),
        ListingContradiction(RemoteId("unlisted and odd"), ListingContradictionKind.SURPLUS),
    ]


def due(now: datetime, **compared: datetime | None) -> list[int]:
    """The numbers of the folders that are due, whose names are `f` and a number."""
    counts = {
        FolderId(int(name[1:])): replace(a_count(1, 1), compared_at=compared_at)
        for name, compared_at in compared.items()
    }
    return list(folders_due_for_id_comparison(counts, now=now))


def test_a_folder_is_compared_within_a_week() -> None:
    assert due(A_MOMENT + MAX_COMPARISON_AGE, f24=A_MOMENT) == [24]
    assert due(A_MOMENT + MAX_COMPARISON_AGE - timedelta(seconds=1), f24=A_MOMENT) == []


def test_a_folder_whose_count_has_moved_silently_is_compared_now_and_first() -> None:
    week_ago = A_MOMENT - MAX_COMPARISON_AGE

    assert due(A_MOMENT, f1=week_ago, f2=None) == [2, 1]


def test_the_folder_that_has_waited_longest_is_compared_first() -> None:
    days = {"f1": 8, "f2": 10, "f3": 9, "f4": 1}

    found = due(A_MOMENT, **{each: A_MOMENT - timedelta(days=ago) for each, ago in days.items()})

    assert found == [2, 3, 1]


@pytest.mark.parametrize("first", [1, 1_000])
def test_folders_that_were_compared_together_are_due_at_different_hours(first: int) -> None:
    together = {f"f{number}": A_MOMENT for number in range(first, first + 480)}
    hours = [A_MOMENT + MAX_COMPARISON_AGE - timedelta(hours=ago) for ago in range(24, -1, -1)]

    counted = [len(due(hour, **together)) for hour in hours]

    assert counted == [20 * each for each in range(25)]
