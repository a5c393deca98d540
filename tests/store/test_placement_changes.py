"""Changes of placements: they add up in any division into pages, and hide what is then nowhere."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from mailsync.decisions.plan import plan_database_writes_of_page
from mailsync.model import PlacementOrFlagChange, RemoteId, Role
from mailsync.settings import Settings
from mailsync.store import placement_changes
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction
from tests.store.conftest import Mirror
from tests.support.builders import a_message, a_page, a_remote_folder

ALL_MAIL = RemoteId("all")
LABELS = ("inbox", "work", "trash")
PLACES = """
SELECT m.message_id, m.removed_at IS NULL, m.is_read,
       ARRAY(SELECT f.remote_id FROM mailsync.email_placements p
               JOIN mailsync.email_folders f ON f.id = p.folder_id
              WHERE p.email_id = m.id ORDER BY 1)
  FROM mailsync.emails m ORDER BY 1"""
FIRST = """
SELECT f.remote_id FROM mailsync.emails m JOIN mailsync.email_folders f ON f.id = m.folder_id
 WHERE m.message_id = 'm0'"""


@pytest.fixture
def labels(mirror: Mirror) -> Mirror:
    """Four labels, of which one is the folder of all mail, and eight messages of the inbox."""
    roles = {"inbox": Role.INBOX, "trash": Role.TRASH}
    folders = (a_remote_folder(each, role=roles.get(each, Role.OTHER)) for each in LABELS)
    mirror.folder_store.save_tree_changes(mirror.run, [*folders, a_remote_folder(ALL_MAIL)], [])
    names = ("inbox", ALL_MAIL)
    mirror.mail_store.write_fetched_messages(
        mirror.run, None, [a_message(f"m{each}", *names) for each in range(8)]
    )
    return mirror


def save(database: Database, mirror: Mirror, *changes: PlacementOrFlagChange) -> None:
    """Store one page of changes."""
    with FencedTransaction(database, mirror.run) as tx:
        planned = plan_database_writes_of_page(a_page(*changes)).placement_or_flag_changes
        placement_changes.save_placement_changes(tx, mirror.run, planned, ALL_MAIL)


def places(mirror: Mirror) -> dict[str, tuple[bool, bool, list[str]]]:
    return {key: (shown, read, where) for key, shown, read, where in mirror.rows(PLACES)}


@pytest.mark.parametrize("seed", range(6))
def test_changes_add_up_in_any_division_into_pages(labels: Mirror, seed: int) -> None:
    dice = random.Random(seed)
    held = {f"m{each}": ({"inbox"}, False) for each in range(8)}
    changes = []
    for _ in range(60):
        key, label = dice.choice(list(held)), dice.choice(LABELS)
        where, is_read = held[key]
        if dice.random() < 0.3:
            held[key] = (where, not is_read)
            changes.append(PlacementOrFlagChange(RemoteId(key), is_read=not is_read))
        elif label in where:
            held[key] = (where - {label}, is_read)
            gone = (RemoteId(label),)
            changes.append(PlacementOrFlagChange(RemoteId(key), removed_folder_remote_ids=gone))
        else:
            held[key] = (where | {label}, is_read)
            added = (RemoteId(label),)
            changes.append(PlacementOrFlagChange(RemoteId(key), added_folder_remote_ids=added))

    while changes:
        size = dice.randint(1, 20)
        save(labels.database, labels, *changes[:size])
        changes = changes[size:]

    wanted = {
        key: (True, is_read, sorted(where | ({"trash"} & where or {ALL_MAIL})))
        for key, (where, is_read) in held.items()
    }
    assert places(labels) == wanted


def test_of_two_workers_that_end_one_placement_each_the_second_hides_the_message(
    labels: Mirror, settings: Settings
) -> None:
    labels.rows(
        f"UPDATE mailsync.email_folders SET selected = remote_id <> '{ALL_MAIL}' RETURNING 1"
    )
    labels.rows(
        "DELETE FROM mailsync.email_placements p USING mailsync.email_folders f"
        f" WHERE f.id = p.folder_id AND f.remote_id = '{ALL_MAIL}' RETURNING 1"
    )
    ids = [RemoteId(f"m{each}") for each in range(8)]
    save(
        labels.database,
        labels,
        *(PlacementOrFlagChange(each, added_folder_remote_ids=(RemoteId("work"),)) for each in ids),
    )

    def end(label: str) -> None:
        with closing(Database(settings)) as database:
            changes = (
                PlacementOrFlagChange(each, removed_folder_remote_ids=(RemoteId(label),))
                for each in ids
            )
            save(database, labels, *changes)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(end, ("inbox", "work")))

    assert set(map(str, places(labels).values())) == {str((False, False, []))}


def test_a_row_names_its_first_folder_and_unknown_ones_are_left_out(labels: Mirror) -> None:
    m0 = RemoteId("m0")

    save(
        labels.database, labels, PlacementOrFlagChange(m0, (RemoteId("work"), RemoteId("unknown")))
    )
    assert labels.one(FIRST) == ["inbox"]
    save(
        labels.database,
        labels,
        PlacementOrFlagChange(m0, (RemoteId("trash"),), (RemoteId("inbox"),)),
    )

    assert labels.one(FIRST) == ["trash"]
    assert places(labels)["m0"][2] == ["trash", "work"]
