"""What holds of any comparison by ids, of any count, and of any turn."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mailsync.decisions.verify import (
    FolderCount,
    IdDifference,
    StoredEntry,
    compare_ids,
    counts_agree,
)
from mailsync.model import RemoteEntry, RemoteId
from tests.support.builders import A_MOMENT

IDS = st.sampled_from([RemoteId(each) for each in "abcdef"])
VERSIONS = st.sampled_from([None, "1", "2"])
TIMES = st.sampled_from([None, A_MOMENT, A_MOMENT + timedelta(hours=1)])
ENTRIES = st.builds(RemoteEntry, IDS, st.booleans(), VERSIONS, TIMES)
ROWS = st.dictionaries(IDS, st.builds(StoredEntry, st.booleans(), VERSIONS, TIMES, st.booleans()))
Rows = Mapping[RemoteId, StoredEntry]
COUNTS = st.integers(-3, 9)


def mended(rows: Rows, entries: list[RemoteEntry], difference: IdDifference) -> Rows:
    """The rows after what differs was fetched, shown, or hidden, and versions were saved."""
    known = {each.remote_id: each for each in entries}
    fetched = difference.missing_ids + difference.changed_ids
    after = {
        **rows,
        **{
            each: StoredEntry(known[each].is_read, known[each].version, known[each].modified_at)
            for each in fetched
        },
    }
    for remote_id in difference.ids_to_show_again:
        after[remote_id] = replace(after[remote_id], is_in_listed_folder=True)
    for remote_id in difference.surplus_ids:
        after[remote_id] = replace(after[remote_id], is_in_listed_folder=False)
    for entry in difference.entries_lacking_version:
        after[entry.remote_id] = replace(after[entry.remote_id], version=entry.version)
    return after


@given(st.lists(ENTRIES, max_size=8), ROWS, st.frozensets(IDS, max_size=3))
def test_a_folder_that_was_mended_has_no_difference_and_shows_what_is_listed(
    entries: list[RemoteEntry], rows: Rows, quarantined: frozenset[RemoteId]
) -> None:
    difference = compare_ids(entries, rows, quarantined)
    after = mended(rows, entries, difference)
    quarantined -= set(difference.ids_gone_from_quarantine)

    assert compare_ids(entries, after, quarantined).is_empty
    shown = {remote_id for remote_id, row in after.items() if row.is_in_listed_folder}
    assert shown | quarantined == {each.remote_id for each in entries} | (quarantined & shown)


@given(st.lists(ENTRIES, max_size=8), ROWS, st.frozensets(IDS, max_size=3))
def test_each_message_differs_in_one_way_at_most(
    entries: list[RemoteEntry], rows: Rows, quarantined: frozenset[RemoteId]
) -> None:
    found = compare_ids(entries, rows, quarantined)
    ways = found.missing_ids + found.changed_ids + found.ids_to_show_again + found.surplus_ids

    assert len(set(ways)) == len(ways)
    assert not set(found.missing_ids) & (rows.keys() | quarantined)
    assert {each.remote_id for each in found.entries_lacking_version} <= rows.keys() - set(ways)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.integers(0, 2))
def test_a_count_agrees_with_what_it_was_found_to_be_wrong_by_and_with_nothing_else(
    remote: int, stored: int, remote_unread: int, unread: int, quarantined: int
) -> None:
    count = FolderCount(remote, stored, quarantined, remote_unread, unread)
    offset, unread_offset = count.excess
    known = replace(count, remote_total_error=offset, remote_unread_error=unread_offset)

    assert counts_agree(known)
    assert counts_agree(count) == (offset == 0 and (unread_offset == 0 or quarantined > 0))
    for moved in (-1, 1):
        assert not counts_agree(replace(known, remote_total=remote + moved))
        assert not counts_agree(replace(known, stored_total=stored + moved))
        assert counts_agree(replace(known, stored_unread=unread + moved)) == (quarantined > 0)
