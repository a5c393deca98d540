"""When a check is a verification, when it is a small sync, and when an execution must come."""

from dataclasses import replace

import pytest

from mailsync.decisions.check import CheckResult, classify_check
from mailsync.decisions.folders import FolderTreeDiff
from mailsync.decisions.verify import FolderCount
from mailsync.model import (
    FeedPosition,
    FolderId,
    FolderListing,
    Page,
    RemoteId,
    RemovedMessage,
    Role,
    SealedSecret,
    StoredFolder,
)
from tests.support.builders import a_known_folder, a_listing, a_page, a_remote_folder

SAME = FolderTreeDiff((), ())
WHOLE = a_listing(a_remote_folder("F1", role=Role.INBOX), a_remote_folder("F2"))
EQUAL = FolderCount(
    remote_total=3, stored_total=3, quarantined_total=0, remote_unread=1, stored_unread=1
)


def folder(
    number: int, *, selected: bool = True, full_sync_running: bool = False, mid_round: bool = False
) -> StoredFolder:
    position = FeedPosition(
        SealedSecret(1, b"link"), 1, full_sync_running=full_sync_running, mid_round=mid_round
    )
    role = Role.INBOX if number == 1 else Role.OTHER
    return a_known_folder(number, f"F{number}", position=position, selected=selected, role=role)


def result(
    *,
    is_fully_verified: bool = True,
    listing: FolderListing = WHOLE,
    plan: FolderTreeDiff = SAME,
    folders: tuple[StoredFolder, ...] = (folder(1), folder(2)),
    pages: dict[int, Page] | None = None,
    waiting: tuple[int, ...] = (),
    moved: tuple[str, ...] = (),
    count: FolderCount = EQUAL,
) -> CheckResult:
    shown = {1: a_page(), 2: a_page()} if pages is None else pages
    return classify_check(
        is_fully_verified=is_fully_verified,
        listing=listing,
        plan=plan,
        folders=folders,
        pages={FolderId(number): page for number, page in shown.items()},
        waiting=[FolderId(each) for each in waiting],
        moved=[RemoteId(each) for each in moved],
        counts=[EQUAL, count],
    )


def test_nothing_is_new_where_nothing_changed_and_everything_agrees() -> None:
    assert result() is CheckResult.NOTHING_NEW
    assert result(folders=()) is CheckResult.NOTHING_NEW


def test_a_folder_that_is_not_mirrored_is_not_read() -> None:
    unselected = folder(3, selected=False, full_sync_running=True)

    assert result(folders=(folder(1), folder(2), unselected)) is CheckResult.NOTHING_NEW


def test_a_folder_that_waits_for_its_turn_is_not_missed() -> None:
    assert result(pages={1: a_page()}, waiting=(2,)) is CheckResult.NOTHING_NEW


def test_a_count_that_is_wrong_as_ever_is_nothing_new() -> None:
    wrong = FolderCount(
        4, 3, 0, remote_unread=-1, stored_unread=1, remote_total_error=1, remote_unread_error=-2
    )

    assert result(count=wrong) is CheckResult.NOTHING_NEW


@pytest.mark.parametrize(
    "seen",
    [
        {"is_fully_verified": False},
        {"pages": {1: a_page(RemovedMessage(RemoteId("m1"))), 2: a_page()}},
        {"plan": FolderTreeDiff((a_remote_folder("F1"),), ())},
        {"plan": FolderTreeDiff((), (FolderId(9),))},
        {"moved": ("F1",)},
        {"count": replace(EQUAL, remote_total=4)},
        {"count": replace(EQUAL, remote_unread=0)},
        {"count": replace(EQUAL, remote_total_error=1)},
    ],
    ids=[
        "unsettled",
        "a change",
        "a rename",
        "a deletion",
        "moved",
        "a count",
        "a read state",
        "a right count",
    ],
)
def test_what_stands_on_the_pages_is_a_small_sync(seen: dict[str, object]) -> None:
    assert result(**seen) is CheckResult.ONLY_READ_PAGES  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "seen",
    [
        {"pages": {1: a_page(), 2: a_page(has_more=True)}},
        {"pages": {1: a_page()}},
        {"folders": (folder(1), folder(2, full_sync_running=True))},
        {"folders": (folder(1), folder(2, full_sync_running=True)), "waiting": (2,)},
        {"folders": (folder(1), folder(2, mid_round=True))},
        {"plan": FolderTreeDiff((a_remote_folder("new"),), ())},
        {"listing": replace(WHOLE, omitted_folder_ids=frozenset({RemoteId("F3")}))},
        {"listing": replace(WHOLE, failures={RemoteId("F2"): "No sub-folders."})},
        {"listing": FolderListing((a_remote_folder("F2"),))},
    ],
    ids=[
        "a second page",
        "no page",
        "a full sync",
        "waiting full sync",
        "an old round",
        "a new folder",
        "an omission",
        "an unread folder",
        "no inbox",
    ],
)
def test_what_takes_more_than_a_page_needs_an_execution(seen: dict[str, object]) -> None:
    assert result(**seen) is CheckResult.NEEDS_EXECUTION  # type: ignore[arg-type]
