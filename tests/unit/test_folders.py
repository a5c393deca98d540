import time

from mailsync.model import FolderId, KnownFolder, Position, RemoteFolder, Role, Sealed
from mailsync.sync.folders import (
    BATCH_FOLDERS,
    BATCH_MESSAGES,
    SMALL_MESSAGES,
    biggest_first,
    diff_folders,
    known_roles,
    small_walks,
)
from tests.builders import a_known_folder, a_remote_folder


def test_an_unchanged_tree_needs_no_write() -> None:
    plan = diff_folders([a_remote_folder("F1")], [a_known_folder(1, "F1")])

    assert (plan.changed, plan.gone) == ((), ())


def test_a_new_a_renamed_and_a_moved_folder_are_changes() -> None:
    remote = [
        a_remote_folder("new"),
        a_remote_folder("renamed", display_name="Bills"),
        a_remote_folder("moved", parent_remote_id="new"),
    ]
    known = [a_known_folder(1, "renamed"), a_known_folder(2, "moved")]

    plan = diff_folders(remote, known)

    assert [each.remote_id for each in plan.changed] == ["new", "renamed", "moved"]


def test_a_folder_made_again_under_its_old_name_is_a_new_one_and_the_old_one_is_gone() -> None:
    plan = diff_folders(
        [a_remote_folder("F2", display_name="Bills")],
        [a_known_folder(1, "F1", display_name="Bills")],
    )

    assert [each.remote_id for each in plan.changed] == ["F2"]
    assert plan.gone == (1,)


def test_the_biggest_folder_starts_first() -> None:
    known = [a_known_folder(1, "small"), a_known_folder(2, "big")]
    remote = [a_remote_folder("small", total=3), a_remote_folder("big", total=4000)]

    assert biggest_first(known, remote) == (2, 1)


def test_known_roles_are_by_the_providers_id() -> None:
    assert known_roles([a_known_folder(1, "F1", role=Role.INBOX)]) == {"F1": Role.INBOX}


def batches(*totals: int) -> list[list[int]]:
    """The messages of each folder of each batch."""
    known: list[KnownFolder] = []
    remote: list[RemoteFolder] = []
    for number, total in enumerate(totals):
        known.append(a_known_folder(number, f"F{number}"))
        remote.append(a_remote_folder(f"F{number}", total=total))
    found = small_walks(known, remote, page_size=100)
    return [[totals[FolderId(each.ref.id)] for each in batch] for batch in found]


def test_small_folders_are_walked_together_and_large_ones_are_not() -> None:
    assert batches(3, 100, 0, 99, 4_000) == [[0, 3, 99]]


def test_batches_hold_few_folders_and_few_messages() -> None:
    assert [len(each) for each in batches(*[0] * 45)] == [BATCH_FOLDERS, BATCH_FOLDERS, 5]
    assert all(sum(each) <= BATCH_MESSAGES for each in batches(*[90] * 10))


def test_not_more_is_walked_at_once_than_a_function_does_quickly() -> None:
    walked = sum(sum(each) for each in batches(*[90] * 40))

    assert SMALL_MESSAGES - 90 < walked <= SMALL_MESSAGES


def test_folders_whose_walk_has_begun_or_ended_are_left_alone() -> None:
    sealed = Sealed(1, b"cursor")
    known = [
        a_known_folder(1, "begun", position=Position(sealed, 1, True)),
        a_known_folder(2, "walked", position=Position(sealed, 1, False)),
        a_known_folder(3, "unknown to the provider"),
    ]
    remote = [a_remote_folder("begun", total=1), a_remote_folder("walked", total=1)]

    assert list(small_walks(known, remote, page_size=100)) == []


def test_ten_thousand_folders_are_compared_within_a_second() -> None:
    """What grows with their square took five seconds of each look."""
    names = [f"F{number}" for number in range(10_000)]
    remote = [a_remote_folder(each) for each in names]
    known = [a_known_folder(number, each) for number, each in enumerate(names)]
    began = time.process_time()

    plan = diff_folders(remote[1:], known)

    assert plan.gone == (FolderId(0),)
    assert time.process_time() - began < 1
