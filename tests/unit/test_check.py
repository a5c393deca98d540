"""When a look is a proof, when it is a small sync, and when an execution must come."""

from dataclasses import replace

import pytest

from mailsync.model import FolderId, KnownFolder, Page, Position, RemoteId, Removal, Sealed
from mailsync.sync.check import Verdict, judge
from mailsync.sync.folders import FolderPlan
from mailsync.sync.verify import FolderCount
from tests.builders import a_known_folder, a_page, a_remote_folder

SAME = FolderPlan((), ())
EQUAL = FolderCount(remote=3, stored=3, quarantined=0, remote_unread=1, unread=1)


def folder(
    number: int, *, selected: bool = True, walking: bool = False, midway: bool = False
) -> KnownFolder:
    position = Position(Sealed(1, b"link"), 1, walking=walking, midway=midway)
    return a_known_folder(number, f"F{number}", position=position, selected=selected)


def verdict(
    *,
    is_settled: bool = True,
    plan: FolderPlan = SAME,
    folders: tuple[KnownFolder, ...] = (folder(1), folder(2)),
    pages: dict[int, Page] | None = None,
    count: FolderCount = EQUAL,
) -> Verdict:
    shown = {1: a_page(), 2: a_page()} if pages is None else pages
    return judge(
        is_settled=is_settled,
        plan=plan,
        folders=folders,
        pages={FolderId(number): page for number, page in shown.items()},
        counts=[EQUAL, count],
    )


def test_nothing_is_new_where_nothing_changed_and_everything_agrees() -> None:
    assert verdict() is Verdict.NOTHING_NEW
    assert verdict(folders=()) is Verdict.NOTHING_NEW


def test_a_folder_that_is_not_mirrored_is_not_asked_for() -> None:
    unselected = folder(3, selected=False, walking=True)

    assert verdict(folders=(folder(1), folder(2), unselected)) is Verdict.NOTHING_NEW


@pytest.mark.parametrize(
    "seen",
    [
        {"is_settled": False},
        {"pages": {1: a_page(Removal(RemoteId("m1"))), 2: a_page()}},
        {"plan": FolderPlan((a_remote_folder("F1"),), ())},
        {"plan": FolderPlan((), (FolderId(9),))},
        {"count": replace(EQUAL, remote=4)},
        {"count": replace(EQUAL, remote_unread=0)},
    ],
    ids=["unsettled", "a change", "a rename", "a deletion", "a count", "a read state"],
)
def test_what_stands_on_the_pages_is_a_small_sync(seen: dict[str, object]) -> None:
    assert verdict(**seen) is Verdict.ONE_PAGE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "seen",
    [
        {"pages": {1: a_page(), 2: a_page(has_more=True)}},
        {"pages": {1: a_page()}},
        {"folders": (folder(1), folder(2, walking=True))},
        {"folders": (folder(1), folder(2, midway=True))},
        {"plan": FolderPlan((a_remote_folder("new"),), ())},
    ],
    ids=["a second page", "no answer", "a walk", "an old round", "a new folder"],
)
def test_what_takes_more_than_a_page_needs_an_execution(seen: dict[str, object]) -> None:
    assert verdict(**seen) is Verdict.MORE  # type: ignore[arg-type]
