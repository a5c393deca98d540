from mailsync.model import Gone, Message, RemoteEntry, RemoteId, Unreadable
from mailsync.sync.verify import (
    Cause,
    Difference,
    FolderCount,
    IdDifference,
    agrees,
    compare_ids,
    what_stays,
)
from tests.builders import a_message


def a_count(remote: int, stored: int, quarantined: int = 0, unread: int = 0) -> FolderCount:
    return FolderCount(remote, stored, quarantined, remote_unread=0, unread=unread)


def test_counts_agree_when_everything_is_stored_or_named_in_quarantine() -> None:
    assert agrees(a_count(remote=10, stored=9, quarantined=1))


def test_one_missing_message_is_a_difference() -> None:
    assert not agrees(a_count(remote=10, stored=9))


def test_one_message_too_many_is_a_difference() -> None:
    assert not agrees(a_count(remote=10, stored=11))


def test_a_read_state_that_differs_is_a_difference() -> None:
    assert not agrees(a_count(remote=10, stored=10, unread=1))


def test_ids_are_compared_in_both_directions_and_by_their_read_state() -> None:
    remote = [
        RemoteEntry(RemoteId("same"), True),
        RemoteEntry(RemoteId("missing"), False),
        RemoteEntry(RemoteId("misread"), True),
        RemoteEntry(RemoteId("odd"), False),
    ]
    stored = {RemoteId("same"): True, RemoteId("surplus"): True, RemoteId("misread"): False}

    difference = compare_ids(remote, stored, quarantined=frozenset({RemoteId("odd")}))

    assert difference.missing == ("missing",)
    assert difference.surplus == ("surplus",)
    assert difference.misread == ("misread",)


def test_equal_folders_have_no_difference() -> None:
    entry = RemoteEntry(RemoteId("m1"), True)

    difference = compare_ids([entry], {RemoteId("m1"): True}, frozenset())

    assert difference == IdDifference(missing=(), surplus=(), misread=())


def test_what_is_said_by_id_against_the_listing_stays_with_its_cause() -> None:
    listed = dict.fromkeys(map(RemoteId, ("phantom", "read", "fine", "odd", "elsewhere")), False)
    answers: list[Message | Gone | Unreadable] = [
        Gone(RemoteId("phantom")),
        Gone(RemoteId("deleted")),
        Unreadable(RemoteId("odd"), "corrupt", ""),
        a_message("fine", "F1", is_read=False),
        a_message("read", "F1", is_read=True),
        a_message("unlisted", "F1"),
        a_message("elsewhere", "F2"),
    ]

    assert list(what_stays(listed, answers, RemoteId("F1"))) == [
        Difference(RemoteId("phantom"), Cause.MISSING),
        Difference(RemoteId("read"), Cause.MISREAD),
        Difference(RemoteId("unlisted"), Cause.SURPLUS),
    ]
