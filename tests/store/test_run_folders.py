"""A folder's part in a run: begun, failed, counted; a stale run writes nothing of it."""

from tests.store.conftest import Mirror

PART = "SELECT status, attempts, error, finished_at IS NULL FROM mailsync.sync_run_folders"
FOLDER = "SELECT error, error_message FROM mailsync.email_folders WHERE remote_id = 'F1'"
ROUNDS = "SELECT repair_rounds FROM mailsync.sync_runs"


def test_a_folder_that_failed_may_begin_again_in_the_same_run(mirror: Mirror) -> None:
    run, folder_id = mirror.run, mirror.first
    mirror.run_folder_store.begin_feed(run, mirror.folder(folder_id).feed.ref)
    mirror.run_folder_store.fail_folder(run, folder_id, "ProviderRejected", "It is so.")
    assert mirror.run_folder_store.read_repair_rounds_and_failed_folders(run)[1] == {folder_id}
    assert mirror.one(PART) == ["failed", 1, "ProviderRejected", False]
    assert mirror.one(FOLDER) == ["ProviderRejected", "It is so."]

    mirror.run_folder_store.begin_feed(run, mirror.folder(folder_id).feed.ref)
    assert mirror.run_folder_store.read_repair_rounds_and_failed_folders(run)[1] == frozenset()
    assert mirror.one(PART)[:2] == ["running", 2]


def test_a_folder_may_fail_before_it_began(mirror: Mirror) -> None:
    mirror.run_folder_store.fail_folder(mirror.run, mirror.first, "FolderNotRead", "No counts.")

    assert mirror.one(PART) == ["failed", 0, "FolderNotRead", False]
    assert mirror.run_folder_store.read_repair_rounds_and_failed_folders(mirror.run)[1] == {
        mirror.first
    }


def test_a_folder_that_is_gone_has_not_failed(mirror: Mirror) -> None:
    mirror.run_folder_store.fail_folder(mirror.run, mirror.first, "FolderGone", "It is so.")

    mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.first])

    assert (
        mirror.run_folder_store.read_repair_rounds_and_failed_folders(mirror.run)[1] == frozenset()
    )


def test_the_error_of_a_folder_ends_with_its_verification(mirror: Mirror) -> None:
    mirror.run_folder_store.fail_folder(mirror.run, mirror.first, "ProviderRejected", "It is so.")

    mirror.folder_store.mark_verified_by_counts(mirror.run, [mirror.first])

    assert mirror.one(FOLDER) == [None, None]


def test_rounds_of_repair_are_counted(mirror: Mirror) -> None:
    for _ in range(2):
        mirror.run_folder_store.increment_repair_round_count(mirror.run)

    assert mirror.one(ROUNDS) == [2]
