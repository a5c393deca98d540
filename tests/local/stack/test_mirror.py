"""A mailbox is connected, mirrored, changed and mirrored again, through every real part."""

import json

from mailsync.sync.store_page import DEFAULT_PAGE_SIZE
from tests.local.mirror import Mirror

COUNTS = (
    "SELECT coalesce(sum(inserted), 0), coalesce(sum(updated), 0) FROM mailsync.sync_run_folders"
)


def entered(mirror: Mirror, run_id: str) -> list[str]:
    return [
        event["stateEnteredEventDetails"]["name"]
        for event in mirror.history(run_id)
        if "stateEnteredEventDetails" in event
    ]


def test_every_message_of_the_mailbox_is_a_row_with_every_field_in_its_folder(
    mirror: Mirror,
) -> None:
    assert mirror.divergences() == []


def test_the_history_shows_the_guides_steps_and_each_large_folder_with_input_and_times(
    mirror: Mirror,
) -> None:
    run_id = mirror.rows("SELECT id FROM mailsync.sync_runs ORDER BY created_at LIMIT 1")[0][0]
    history = mirror.history(run_id)

    steps = entered(mirror, run_id)
    assert steps[:4] == ["validate-account", "mark-syncing", "lease-acquired?", "get-access-token"]
    assert steps[-1] == "mark-complete"
    folders = {
        json.loads(event["stateEnteredEventDetails"]["input"])["folders"][0]
        for event in history
        if event.get("stateEnteredEventDetails", {}).get("name") == "sync-folder"
    }
    large = mirror.rows(f"SELECT id FROM mailsync.email_folders WHERE total >= {DEFAULT_PAGE_SIZE}")
    assert folders == {each for (each,) in large} != set()
    walked = mirror.rows(
        f"SELECT folder_id FROM mailsync.sync_run_folders WHERE run_id = '{run_id}' AND pages > 0"
    )
    known = mirror.rows("SELECT id FROM mailsync.email_folders")
    assert sorted(walked) == sorted(known), "the others were walked all the same, by sync-folders"
    assert all("timestamp" in event for event in history)


def test_a_sync_without_news_asks_for_each_folder_once_and_writes_no_row(mirror: Mirror) -> None:
    """Besides two readings of the folder tree, of two requests each."""
    before = mirror.rows(COUNTS)
    [[folders]] = mirror.rows("SELECT count(*) FROM mailsync.email_folders")

    run = mirror.synced()

    assert run["status"] == "completed"
    assert run["requests"] == folders + 4
    assert mirror.rows(COUNTS) == before
    assert "sync-folder" not in entered(mirror, run["id"])


def test_one_new_mail_is_the_only_row_that_is_written(mirror: Mirror) -> None:
    before = mirror.rows("SELECT id, xmin::text FROM mailsync.emails")
    mirror.simulate("deliver", subject="only this")

    run = mirror.synced()

    assert run["status"] == "completed"
    after = mirror.rows("SELECT id, xmin::text FROM mailsync.emails")
    written = [row for row in after if row not in before]
    assert len(written) == 1
    assert "sync-folder" not in entered(mirror, run["id"])


def test_a_mail_that_is_moved_read_and_deleted_is_followed(mirror: Mirror) -> None:
    moved = mirror.simulate("deliver", subject="moved")["id"]
    deleted = mirror.simulate("deliver", subject="deleted")["id"]
    mirror.synced()
    mirror.simulate("move", id=moved, destination="archive")
    mirror.simulate("mark-read", id=moved)
    mirror.simulate("delete-permanently", id=deleted)

    mirror.synced()

    found = mirror.rows(
        "SELECT m.subject, f.role, m.is_read FROM mailsync.emails m"
        " JOIN mailsync.email_folders f ON f.id = m.folder_id"
        " WHERE m.subject IN ('moved', 'deleted') AND m.removed_at IS NULL"
    )
    assert found == [["moved", "archive", True]]
