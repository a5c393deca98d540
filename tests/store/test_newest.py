"""What is stored of the newest messages before their feed is read."""

import pytest

from mailsync.model import NewestInboxMessages, RemoteId, Upsert
from tests.store.conftest import Mirror
from tests.support.builders import a_message, a_remote_folder

SUBJECTS = "SELECT message_id, subject FROM mailsync.emails ORDER BY message_id"
SHOWN = "SELECT count(*) FROM mailsync.emails WHERE removed_at IS NULL"
PROGRESS = "SELECT total, remote_total FROM mailsync.email_folders WHERE remote_id = 'F1'"
COUNTED = "SELECT sum(inserted), sum(updated), sum(unchanged) FROM mailsync.sync_run_folders"


def newest(*ids: str, folder: str = "F1", subject: str = "new") -> NewestInboxMessages:
    messages = [a_message(each, folder, subject=subject) for each in ids]
    return NewestInboxMessages(a_remote_folder(folder, message_count=800), tuple(messages))


def test_a_message_that_is_stored_stays_as_it_is(mirror: Mirror) -> None:
    mirror.apply(mirror.second, Upsert(a_message("a", "F2", subject="old")))

    stored = mirror.newest_mail_store.save_newest_mail(mirror.run, newest("a", "b"))

    assert stored.stored_message_count == 1
    assert mirror.rows(SUBJECTS) == [["a", "old"], ["b", "new"]]
    found = mirror.one("SELECT count(*) FROM mailsync.email_placements WHERE generation = 1")
    assert found == [1], "the one that a feed has confirmed"


def test_the_first_full_sync_confirms_what_it_names_and_sweeps_the_rest(mirror: Mirror) -> None:
    mirror.newest_mail_store.save_newest_mail(mirror.run, newest("a", "b", "c"))
    assert mirror.one(PROGRESS) == [3, 800]

    counts = mirror.apply(
        mirror.first, *(Upsert(a_message(each, "F1", subject="new")) for each in ("a", "d"))
    )

    assert counts
    assert (counts.inserted, counts.unchanged, counts.updated, counts.removed) == (1, 1, 0, 2)
    assert mirror.one(SHOWN) == [2]
    assert mirror.one(COUNTED) == [4, 0, 1]


@pytest.mark.parametrize("state", ["read", "deselected"])
def test_nothing_is_stored_in_a_folder_whose_feed_does_not_begin(
    mirror: Mirror, state: str
) -> None:
    if state == "read":
        mirror.apply(mirror.first)
    else:
        mirror.rows("UPDATE mailsync.email_folders SET selected = false RETURNING 1")

    assert (
        mirror.newest_mail_store.save_newest_mail(mirror.run, newest("a")).stored_message_count == 0
    )
    assert mirror.rows(SUBJECTS) == []


def test_an_inbox_without_messages_is_stored(mirror: Mirror) -> None:
    assert (
        mirror.newest_mail_store.save_newest_mail(
            mirror.run, newest(folder="F3")
        ).stored_message_count
        == 0
    )

    known = {
        each.ref.remote_id
        for each in mirror.folder_store.read_existing_folders(mirror.run.account_id)
    }
    assert RemoteId("F3") in known
