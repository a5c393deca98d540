"""A folder's part in a run: begun, failed, counted; a stale run writes nothing of it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from mailsync.errors import LeaseLost
from mailsync.store.run_folder_store import RunFolderStore
from tests.store.conftest import Mirror

PART = "SELECT status, attempts, error, finished_at IS NULL FROM mailsync.sync_run_folders"
FOLDER = "SELECT error, error_message FROM mailsync.email_folders WHERE remote_id = 'F1'"
ROUNDS = "SELECT repair_rounds FROM mailsync.sync_runs"


@pytest.fixture
def parts(mirror: Mirror) -> RunFolderStore:
    return RunFolderStore(mirror.database)


def test_a_folder_that_failed_may_begin_again_in_the_same_run(
    parts: RunFolderStore, mirror: Mirror
) -> None:
    run, folder_id = mirror.run, mirror.first
    parts.begin(run, folder_id)
    parts.fail(run, folder_id, "ProviderRejected", "It is so.")
    assert parts.failed(run) == {folder_id}
    assert mirror.one(PART) == ["failed", 1, "ProviderRejected", False]
    assert mirror.one(FOLDER) == ["ProviderRejected", "It is so."]

    parts.begin(run, folder_id)
    assert parts.failed(run) == frozenset()
    assert mirror.one(PART)[:2] == ["running", 2]


def test_a_folder_may_fail_before_it_began(parts: RunFolderStore, mirror: Mirror) -> None:
    parts.fail(mirror.run, mirror.first, "FolderNotRead", "No counts.")

    assert mirror.one(PART) == ["failed", 0, "FolderNotRead", False]
    assert parts.failed(mirror.run) == {mirror.first}


def test_a_folder_that_is_gone_has_not_failed(parts: RunFolderStore, mirror: Mirror) -> None:
    parts.fail(mirror.run, mirror.first, "FolderGone", "It is so.")

    mirror.folders.save(mirror.run, [], [mirror.first])

    assert parts.failed(mirror.run) == frozenset()


def test_the_error_of_a_folder_ends_with_its_verification(
    parts: RunFolderStore, mirror: Mirror
) -> None:
    parts.fail(mirror.run, mirror.first, "ProviderRejected", "It is so.")

    mirror.folders.mark_verified(mirror.run, [mirror.first])

    assert mirror.one(FOLDER) == [None, None]


def test_without_the_lease_a_run_begins_and_fails_nothing(
    parts: RunFolderStore, mirror: Mirror
) -> None:
    late = replace(mirror.run, lease_epoch=mirror.run.lease_epoch - 1)
    writes: tuple[Callable[[], object], ...] = (
        lambda: parts.begin(late, mirror.first),
        lambda: parts.fail(late, mirror.first, "ProviderRejected", "It is so."),
        lambda: parts.count_repair_round(late),
    )

    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    assert mirror.rows(PART) == []
    assert mirror.one(FOLDER) == [None, None]
    assert mirror.one(ROUNDS) == [0]
    parts.count_repair_round(mirror.run)
    assert mirror.one(ROUNDS) == [1]
