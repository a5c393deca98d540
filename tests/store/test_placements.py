"""In which folders a message is: one row for the message, one placement for each folder."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mailsync.errors import SchemaOutdated
from mailsync.model import FolderId, FolderRef, MessageRemovedFromFolder, RemoteId, Role, Upsert
from mailsync.settings import Settings
from mailsync.store import page_rows, placement_store
from mailsync.store import rows as encoded
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction
from mailsync.store.migrate import apply_schema_contraction
from mailsync.store.parameters import JsonBytes
from mailsync.store.placement_store import PlacementBackfillStore
from tests.deploy.previous.database import PreviousDatabase
from tests.store.conftest import Mirror
from tests.support.builders import a_message, a_remote_folder

PLACEMENTS = """
SELECT m.message_id, f.remote_id
  FROM mailsync.email_placements p
  JOIN mailsync.emails m ON m.id = p.email_id
  JOIN mailsync.email_folders f ON f.id = p.folder_id
 ORDER BY 1, 2"""
ROWS = """
SELECT m.message_id, f.remote_id, m.removed_at IS NOT NULL
  FROM mailsync.emails m JOIN mailsync.email_folders f ON f.id = m.folder_id
 ORDER BY 1"""
AS_THE_ROWS_SAY = """
SELECT id, folder_id, walk, received_at FROM mailsync.emails WHERE removed_at IS NULL ORDER BY 1"""
AS_PLACED = """
SELECT email_id, folder_id, generation, received_at FROM mailsync.email_placements ORDER BY 1"""
FOR_THE_VERSION_BEFORE = """
SELECT (SELECT count(*) FROM pg_trigger WHERE tgname IN ('copy_placement', 'name_account')),
       to_regclass('mailsync.folder_cursors') IS NOT NULL"""
SEEN_IN = """
UPDATE mailsync.email_placements SET generation = 7
 WHERE folder_id = (SELECT id FROM mailsync.email_folders WHERE remote_id = '{}')
RETURNING 1"""
EARLIER = (
    "DELETE FROM mailsync.email_placements",
    "UPDATE mailsync.email_accounts SET placements_filled_to = 0",
)


@pytest.fixture
def labels(mirror: Mirror) -> Mirror:
    """A mailbox with the folders F1 and F2, an inbox and All Mail."""
    mirror.folder_store.save_tree_changes(
        mirror.run, [a_remote_folder("inbox", role=Role.INBOX), a_remote_folder("all")], []
    )
    return mirror


@pytest.fixture
def other(settings: Settings) -> Iterator[Database]:
    """The connection of another worker."""
    with closing(Database(settings)) as database:
        yield database


def put(mirror: Mirror, *folders: str) -> None:
    """Store a page with the message `m` in exactly these folders."""
    mirror.apply(mirror.first, Upsert(a_message("m", *folders)))


def placed(mirror: Mirror) -> list[str]:
    return [folder for _, folder in mirror.rows(PLACEMENTS)]


def test_a_message_with_three_labels_is_one_row_in_three_folders(labels: Mirror) -> None:
    put(labels, "all", "F1", "inbox")

    assert placed(labels) == ["F1", "all", "inbox"]
    assert labels.rows(ROWS) == [["m", "inbox", False]]
    counted = labels.folder_store.recount_stored_messages(labels.run)
    assert sorted(each.stored_and_remote_counts.stored_total for each in counted.values()) == [
        0,
        1,
        1,
        1,
    ]


def test_each_change_of_labels_leaves_the_folders_that_the_provider_names(labels: Mirror) -> None:
    put(labels, "all", "F1", "inbox")
    [number] = labels.one("SELECT id FROM mailsync.emails")

    put(labels, "all", "inbox")  # a label is removed
    assert placed(labels) == ["all", "inbox"]
    put(labels, "all")  # archived
    assert placed(labels) == ["all"]
    assert labels.rows(ROWS) == [["m", "all", False]]
    labels.apply(labels.first, MessageRemovedFromFolder(RemoteId("m")))  # it is not in that folder
    assert placed(labels) == ["all"]
    removed = labels.removal_store.hide_messages_removed_from_folder(
        labels.run, folder_of(labels, "all"), [RemoteId("m")]
    )
    assert (removed, placed(labels)) == (1, [])  # deleted
    assert labels.rows(ROWS) == [["m", "all", True]]
    put(labels, "all", "F2")  # restored
    assert placed(labels) == ["F2", "all"]
    assert labels.rows(ROWS) == [["m", "F2", False]]
    assert labels.one("SELECT id FROM mailsync.emails") == [number]


@pytest.mark.parametrize("is_mailbox_feed", [False, True])
def test_a_folder_that_is_not_stored_yet_is_mirrored_for_the_feed_of_a_folder_alone(
    mirror: Mirror, is_mailbox_feed: bool
) -> None:
    messages = [a_message("m", "F1"), a_message("n", "new"), a_message("o", "F1", "new")]
    folder = None if is_mailbox_feed else FolderRef(mirror.first, RemoteId("F1"))

    with FencedTransaction(mirror.database, mirror.run) as tx:
        kept, left = page_rows.split_into_mirrored_and_unmirrored(tx, mirror.run, folder, messages)

    folders = [(each.remote_id, *each.folder_remote_ids) for each in kept]
    if is_mailbox_feed:
        assert (folders, [*left]) == ([("m", "F1"), ("o", "F1")], ["n"])
    else:
        assert (folders, [*left]) == ([("m", "F1"), ("n", "new"), ("o", "F1", "new")], [])


def test_a_sweep_ends_only_placements_that_its_full_sync_has_not_seen(mirror: Mirror) -> None:
    put(mirror, "F1", "F2")
    mirror.rows(SEEN_IN.format("F2"))

    with FencedTransaction(mirror.database, mirror.run) as tx:
        locked = tx.run(
            "lock_messages", account_id=mirror.run.account_id, ids=encoded.to_jsonb(["m"])
        )
        ended = page_rows.end_placements_of_locked_messages(tx, locked, None, unseen_before=7)

    assert (ended, placed(mirror)) == (1, ["F2"])


def folder_of(mirror: Mirror, remote_id: str) -> FolderId:
    folders = mirror.folder_store.read_existing_folders(mirror.run.account_id)
    return next(each.ref.id for each in folders if each.ref.remote_id == remote_id)


def test_a_message_that_leaves_one_of_two_folders_stays_in_the_other(labels: Mirror) -> None:
    put(labels, "F1", "F2")

    labels.apply(labels.first, MessageRemovedFromFolder(RemoteId("m")))

    assert placed(labels) == ["F2"]
    assert labels.rows(ROWS) == [["m", "F2", False]]


def test_two_workers_that_each_take_a_message_out_of_one_folder_leave_it_hidden(
    labels: Mirror, other: Database
) -> None:
    put(labels, "F1", "F2")

    with ThreadPoolExecutor(1) as thread:
        with FencedTransaction(labels.database, labels.run) as tx:
            page_rows.end_placements(tx, labels.run, [RemoteId("m")], folder_id=labels.first)
            late = Mirror(other, labels.run, labels.first, labels.second)
            waiting = thread.submit(
                late.removal_store.hide_messages_removed_from_folder,
                labels.run,
                labels.second,
                [RemoteId("m")],
            )
            wait_for_lock(labels)
        assert waiting.result(30) == 1

    assert placed(labels) == []
    assert labels.rows(ROWS) == [["m", "F2", True]]


def wait_for_lock(mirror: Mirror) -> None:
    """Wait until another session waits for a lock of this transaction."""
    with closing(Database(mirror.database._settings)) as watching:
        while not Mirror(watching, mirror.run, mirror.first, mirror.second).rows(
            "SELECT 1 FROM pg_locks WHERE NOT granted"
        ):
            pass


def test_of_two_workers_that_place_a_new_message_the_last_one_is_right(
    labels: Mirror, other: Database
) -> None:
    late = Mirror(other, labels.run, labels.first, labels.second)

    with ThreadPoolExecutor(1) as thread:
        with FencedTransaction(labels.database, labels.run) as tx:
            page_rows.save_messages(tx, labels.run, None, [a_message("m", "F1")], savepoints=False)
            waiting = thread.submit(
                late.mail_store.write_fetched_messages,
                labels.run,
                None,
                [a_message("m", "F2", subject="moved")],
            )
            wait_for_lock(labels)
        waiting.result(30)

    assert placed(labels) == ["F2"]
    assert labels.rows(ROWS) == [["m", "F2", False]]


def test_a_folder_that_is_gone_or_deselected_hides_or_deletes_what_is_in_no_other(
    labels: Mirror,
) -> None:
    labels.apply(
        labels.first,
        Upsert(a_message("both", "F1", "F2")),
        Upsert(a_message("one", "F1")),
        Upsert(a_message("two", "F2")),
    )

    labels.folder_store.save_tree_changes(labels.run, [], [labels.first])
    assert labels.mail_store.remove_batch_of_stored_unmirrored_mail(labels.run) == 2
    assert labels.rows(ROWS) == [["both", "F2", False], ["one", "F1", True], ["two", "F2", False]]

    labels.rows(f"UPDATE mailsync.email_folders SET selected = false WHERE id = {labels.second}")
    assert labels.mail_store.remove_batch_of_stored_unmirrored_mail(labels.run) == 2
    assert labels.rows(ROWS) == [["one", "F1", True]]
    assert labels.rows(PLACEMENTS) == []


def test_what_the_version_before_writes_is_placed_as_its_rows_say(
    mirror: Mirror, settings: Settings
) -> None:
    """While a deployment runs, functions of both versions work on one mailbox."""
    account_id = mirror.run.account_id
    ids = encoded.to_jsonb(["m2"])

    def page(*names: str, folder: str) -> JsonBytes:
        rows = [encoded.message_to_row(a_message(each, folder)) for each in names]
        return next(
            encoded.chunk_rows_by_size([{**row, "folder_remote_id": folder} for row in rows])
        )

    with closing(PreviousDatabase(settings)) as before:
        steps = (
            ("upsert_emails", {"folder_id": None, "page": page("m1", "m2", folder="F1")}),
            ("upsert_emails", {"folder_id": None, "page": page("m1", folder="F2")}),
            ("mark_removed", {"folder_id": mirror.first, "ids": ids}),
            ("upsert_emails", {"folder_id": None, "page": page("m2", folder="F2")}),
        )
        for statement, values in steps:
            with before.transaction() as tx:
                tx.run(statement, account_id=account_id, **values)
            assert mirror.rows(AS_PLACED) == mirror.rows(AS_THE_ROWS_SAY)

    assert mirror.rows(PLACEMENTS) == [["m1", "F2"], ["m2", "F2"]]


def test_the_messages_of_the_version_before_are_placed_batch_by_batch(
    mirror: Mirror, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on writing meanwhile, and the function is killed after each batch."""
    monkeypatch.setattr(placement_store, "MESSAGES_PER_PLACEMENT_BATCH", 7)
    ids = mirror.fill(mirror.first, 50)
    mirror.apply(mirror.first, *(MessageRemovedFromFolder(RemoteId(each)) for each in ids[::9]))
    for statement in EARLIER:
        mirror.rows(statement)
    chosen, account_id = random.Random(15), mirror.run.account_id
    backfill = PlacementBackfillStore(mirror.database)

    with closing(PreviousDatabase(settings)) as before:
        while backfill.create_placements_of_next_batch(account_id):
            page = encoded.message_to_row(a_message(chosen.choice(ids), "F2"))
            with before.transaction() as tx:
                tx.run(
                    "upsert_emails",
                    account_id=account_id,
                    folder_id=None,
                    page=next(encoded.chunk_rows_by_size([{**page, "folder_remote_id": "F2"}])),
                )

    assert len(mirror.rows(AS_PLACED)) > 40
    assert mirror.rows(AS_PLACED) == mirror.rows(AS_THE_ROWS_SAY)
    assert mirror.one("SELECT placements_filled_to FROM mailsync.email_accounts") == [None]
    assert backfill.create_placements_of_next_batch(account_id) is False


def test_the_contract_step_waits_for_every_account(mirror: Mirror, settings: Settings) -> None:
    """It is run by a person, when no function of the version before is left."""
    mirror.fill(mirror.first, 3)
    for statement in (*EARLIER, "UPDATE mailsync.email_accounts SET status = 'disconnected'"):
        mirror.rows(statement)

    with pytest.raises(SchemaOutdated, match="1 accounts have messages without placements"):
        apply_schema_contraction(settings)
    assert mirror.one(FOR_THE_VERSION_BEFORE) == [3, True]

    assert list(PlacementBackfillStore(mirror.database).create_placements_account_by_account()) == [
        mirror.run.account_id
    ]
    for _ in range(2):
        apply_schema_contraction(settings)
    assert mirror.one(FOR_THE_VERSION_BEFORE) == [0, False]
    assert mirror.rows(AS_PLACED) == mirror.rows(AS_THE_ROWS_SAY)
    mirror.apply(mirror.first, Upsert(a_message("later")))
    assert mirror.rows(AS_PLACED) == mirror.rows(AS_THE_ROWS_SAY)
