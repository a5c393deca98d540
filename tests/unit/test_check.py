"""When a check is a verification, when it is a small sync, and when an execution must come."""

from dataclasses import replace
from typing import Any

import pytest

from mailsync.decisions.check import WorkFoundByCheck, classify_work_found_by_check
from mailsync.decisions.folders import FolderTreeDiff
from mailsync.decisions.verify import FolderCounts
from mailsync.model import (
    FeedPosition,
    FolderId,
    FolderListing,
    MessageRemovedFromFolder,
    RemoteId,
    Role,
    SealedSecret,
    StoredFolder,
)
from tests.support.builders import a_known_folder, a_listing, a_page, a_remote_folder

SAME = FolderTreeDiff((), ())
WHOLE = a_listing(a_remote_folder("F1", role=Role.INBOX), a_remote_folder("F2"))
EQUAL = FolderCounts(
    remote_total=3, stored_total=3, quarantined_message_count=0, remote_unread=1, stored_unread=1
)


def folder(
    number: int, *, selected: bool = True, full_sync_running: bool = False, mid_round: bool = False
) -> StoredFolder:
    position = FeedPosition(
        SealedSecret(1, b"link"),
        1,
        is_full_sync_running=full_sync_running,
        has_unfinished_round=mid_round,
    )
    role = Role.INBOX if number == 1 else Role.OTHER
    return a_known_folder(number, f"F{number}", position=position, is_mirrored=selected, role=role)


def result(**seen: Any) -> WorkFoundByCheck:
    """The result of a check of two folders that sees nothing else than usual but this."""
    usual = {
        "is_fully_verified": True,
        "listing": WHOLE,
        "plan": SAME,
        "folders": (folder(1), folder(2)),
        "pages": {1: a_page(), 2: a_page()},
        "waiting": (),
        "moved": (),
        "counts": (EQUAL,),
    }
    return classify_work_found_by_check(**{**usual, **seen})


def test_nothing_is_new_where_nothing_changed_and_everything_agrees() -> None:
    assert result() is WorkFoundByCheck.NOTHING_NEW
    assert result(folders=()) is WorkFoundByCheck.NOTHING_NEW


def test_a_folder_that_is_not_mirrored_is_not_read() -> None:
    unselected = folder(3, selected=False, full_sync_running=True)

    assert result(folders=(folder(1), folder(2), unselected)) is WorkFoundByCheck.NOTHING_NEW


def test_a_folder_that_waits_for_its_turn_is_not_missed() -> None:
    assert result(pages={1: a_page()}, waiting=(2,)) is WorkFoundByCheck.NOTHING_NEW


SMALL_SYNCS: dict[str, dict[str, object]] = {
    "unsettled": {"is_fully_verified": False},
    "a change": {"pages": {1: a_page(MessageRemovedFromFolder(RemoteId("m1"))), 2: a_page()}},
    "a rename": {"plan": FolderTreeDiff((a_remote_folder("F1"),), ())},
    "a deletion": {"plan": FolderTreeDiff((), (FolderId(9),))},
    "moved": {"moved": ("F1",)},
    "a count": {"counts": (EQUAL, replace(EQUAL, remote_total=4))},
    "a read state": {"counts": (EQUAL, replace(EQUAL, remote_unread=0))},
    "a right count": {"counts": (EQUAL, replace(EQUAL, remote_total_overcount=1))},
}


@pytest.mark.parametrize("seen", SMALL_SYNCS.values(), ids=SMALL_SYNCS.keys())
def test_what_stands_on_the_pages_is_a_small_sync(seen: dict[str, object]) -> None:
    assert result(**seen) is WorkFoundByCheck.CHECK_CAN_STORE_ALL_CHANGES


EXECUTIONS: dict[str, dict[str, object]] = {
    "a second page": {"pages": {1: a_page(), 2: a_page(has_more=True)}},
    "no page": {"pages": {1: a_page()}},
    "a full sync": {"folders": (folder(1), folder(2, full_sync_running=True))},
    "waiting full sync": {
        "folders": (folder(1), folder(2, full_sync_running=True)),
        "waiting": (2,),
    },
    "an old round": {"folders": (folder(1), folder(2, mid_round=True))},
    "a new folder": {"plan": FolderTreeDiff((a_remote_folder("new"),), ())},
    "an omission": {
        "listing": replace(WHOLE, existing_unlisted_folder_remote_ids=frozenset({RemoteId("F3")}))
    },
    "an unread folder": {
        "listing": replace(
            WHOLE, failure_reason_by_folder_remote_id={RemoteId("F2"): "No sub-folders."}
        )
    },
    "no inbox": {"listing": FolderListing((a_remote_folder("F2"),))},
}


@pytest.mark.parametrize("seen", EXECUTIONS.values(), ids=EXECUTIONS.keys())
def test_what_takes_more_than_a_page_needs_an_execution(seen: dict[str, object]) -> None:
    assert result(**seen) is WorkFoundByCheck.NEEDS_EXECUTION
