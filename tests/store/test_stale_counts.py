"""A count of stored messages reads the folders whose messages have changed, and no others."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mailsync.model import MessageRemovedFromFolder, RemoteId, Upsert
from tests.store.conftest import Mirror
from tests.support.builders import a_message

WRONG = 99
FALSIFY = (
    f"UPDATE mailsync.email_folders SET total = {WRONG}, unread = {WRONG},"
    f" remote_total = {WRONG}, remote_unread = {WRONG}"
)
"""Counts that show whether a folder was counted: they are those of the provider, but not of the
rows."""


def counted(mirror: Mirror, *, every: bool = False) -> list[int]:
    """Count; return the numbers of the two folders."""
    found = mirror.folder_store.recount_stored_messages(mirror.run, counts_every_folder=every)
    return [
        found[each].stored_and_remote_counts.stored_total for each in (mirror.first, mirror.second)
    ]


def test_folders_without_a_change_are_not_counted_unless_all_are(mirror: Mirror) -> None:
    mirror.fill(mirror.first, 3)
    mirror.fill(mirror.second, 2)
    assert counted(mirror) == [3, 2]
    mirror.rows(FALSIFY)

    assert counted(mirror) == [WRONG, WRONG]
    mirror.apply(mirror.first, Upsert(a_message("new", "F1")))
    assert counted(mirror) == [4, WRONG]
    assert counted(mirror, every=True) == [4, 2]


def test_a_folder_whose_counts_differ_from_the_provider_is_counted(mirror: Mirror) -> None:
    mirror.fill(mirror.first, 3)
    counted(mirror)
    mirror.rows(f"UPDATE mailsync.email_folders SET total = {WRONG}, remote_total = 3")

    assert counted(mirror) == [3, 0]


CHANGES: dict[str, Callable[[Mirror], object]] = {
    "new": lambda mirror: mirror.apply(mirror.first, Upsert(a_message("new", "F1"))),
    "read": lambda mirror: mirror.apply(
        mirror.first,
        Upsert(replace(a_message("F1-0000", "F1"), is_read=True, remote_version="read")),
    ),
    "removed": lambda mirror: mirror.apply(
        mirror.first, MessageRemovedFromFolder(RemoteId("F1-0000"))
    ),
    "moved away": lambda mirror: mirror.apply(
        mirror.second, Upsert(replace(a_message("F1-0000", "F2"), remote_version="moved"))
    ),
    "moved here": lambda mirror: mirror.apply(
        mirror.first, Upsert(replace(a_message("F2-0000", "F1"), remote_version="moved"))
    ),
    "deleted": lambda mirror: mirror.rows(
        "DELETE FROM mailsync.emails WHERE message_id = 'F1-0000'"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_message_has_its_folder_counted(mirror: Mirror, change: str) -> None:
    mirror.fill(mirror.first, 3)
    mirror.fill(mirror.second, 1)
    counted(mirror)

    CHANGES[change](mirror)

    mirror.rows(FALSIFY)
    assert counted(mirror)[0] != WRONG
