"""Rows and cursor move together, and whichever folder is polled first, the rows are the same."""

import pytest

from mailsync.errors import LeaseLost, SuspiciousRemoval
from mailsync.model import (
    Counts,
    KnownFolder,
    RemoteId,
    Removal,
    RunRef,
    Sealed,
    Unreadable,
    Upsert,
)
from mailsync.store.connection import Database
from mailsync.store.mail_store import MailStore
from tests.builders import a_message, a_page, a_page_write, a_remote_folder
from tests.store.conftest import Apply
from tests.store.rows import emails, one

Folders = tuple[KnownFolder, KnownFolder]


def test_a_page_stores_its_messages_and_moves_the_cursor(
    apply: Apply, folders: Folders, mail: MailStore, run: RunRef, database: Database
) -> None:
    counts = apply(folders[0].ref.id, a_page(Upsert(a_message("m1")), next_cursor="c1"))

    assert counts == Counts(inserted=1)
    assert emails(database) == {"m1": ("F1", False)}
    assert mail.folder(run.account_id, folders[0].ref.id).position.cursor == Sealed(1, b"c1")


def test_a_page_that_arrives_twice_is_refused_the_second_time_and_changes_nothing(
    folders: Folders, mail: MailStore, run: RunRef, database: Database
) -> None:
    page = a_page(Upsert(a_message("m1")))
    write = a_page_write(folders[0], page)
    mail.apply_page(run, write)
    before = one(database, "SELECT xmin::text FROM mailsync.emails")

    assert mail.apply_page(run, write) is None
    assert one(database, "SELECT xmin::text FROM mailsync.emails") == before


def test_without_the_lease_nothing_is_written(
    folders: Folders, mail: MailStore, run: RunRef, database: Database
) -> None:
    zombie = RunRef(run.account_id, run.run_id, run.lease_epoch - 1)
    page = a_page(Upsert(a_message("m1")))

    with pytest.raises(LeaseLost):
        mail.apply_page(zombie, a_page_write(folders[0], page))
    assert emails(database) == {}


@pytest.mark.parametrize("source_first", [True, False])
def test_a_move_ends_in_the_destination_whichever_folder_is_polled_first(
    source_first: bool, apply: Apply, folders: Folders, database: Database
) -> None:
    source, destination = (each.ref.id for each in folders)
    apply(source, a_page(Upsert(a_message("m1", "F1"))))
    polls = [
        (source, a_page(Removal(RemoteId("m1")), next_cursor="c2")),
        (destination, a_page(Upsert(a_message("m1", "F2")))),
    ]

    for folder_id, page in polls if source_first else polls[::-1]:
        apply(folder_id, page)

    assert emails(database) == {"m1": ("F2", False)}


def test_a_removed_message_stays_until_it_is_known_to_be_gone(
    apply: Apply, folders: Folders, mail: MailStore, run: RunRef, database: Database
) -> None:
    apply(folders[0].ref.id, a_page(Upsert(a_message("m1")), Upsert(a_message("m2"))))
    apply(folders[0].ref.id, a_page(Removal(RemoteId("m1")), next_cursor="c2"))

    assert emails(database) == {"m1": ("F1", True), "m2": ("F1", False)}
    assert mail.removed_ids(run, "", 10) == ("m1",)
    assert mail.delete_emails(run, [RemoteId("m1"), RemoteId("m2")]) == 1


def test_a_new_walk_removes_only_at_its_end_what_it_has_not_seen(
    apply: Apply, folders: Folders, mail: MailStore, run: RunRef, database: Database
) -> None:
    folder_id = folders[0].ref.id
    apply(folder_id, a_page(Upsert(a_message("m1")), Upsert(a_message("m2"))))
    mail.restart_walk(run, folder_id)

    apply(folder_id, a_page(Upsert(a_message("m2")), has_more=True))
    assert emails(database) == {"m1": ("F1", False), "m2": ("F1", False)}

    counts = apply(folder_id, a_page(next_cursor="c2"))
    assert counts == Counts(removed=1)
    assert emails(database) == {"m1": ("F1", True), "m2": ("F1", False)}


def test_a_walk_that_would_empty_a_full_folder_is_refused_with_its_page(
    apply: Apply, folders: Folders, mail: MailStore, run: RunRef, database: Database
) -> None:
    folder_id = folders[0].ref.id
    apply(folder_id, a_page(*(Upsert(a_message(f"m{each}")) for each in range(50))))
    mail.save_remote_counts(run, [a_remote_folder("F1", total=50)])
    mail.restart_walk(run, folder_id)

    with pytest.raises(SuspiciousRemoval):
        apply(folder_id, a_page(Upsert(a_message("new"))))
    assert sum(removed for _, removed in emails(database).values()) == 0
    assert "new" not in emails(database)


def test_a_flag_does_not_write_the_body_again(
    apply: Apply, folders: Folders, database: Database
) -> None:
    folder_id = folders[0].ref.id
    apply(folder_id, a_page(Upsert(a_message("m1"))))
    before = one(database, "SELECT xmin::text FROM mailsync.email_bodies")

    apply(folder_id, a_page(Upsert(a_message("m1", is_flagged=True)), next_cursor="c2"))

    assert one(database, "SELECT is_flagged FROM mailsync.emails") == [True]
    assert one(database, "SELECT xmin::text FROM mailsync.email_bodies") == before


def test_what_postgres_cannot_hold_is_replaced_and_the_rest_kept(
    apply: Apply, folders: Folders, database: Database
) -> None:
    apply(folders[0].ref.id, a_page(Upsert(a_message("m1", subject="a\0b\ud83dc😀"))))

    assert one(database, "SELECT subject FROM mailsync.emails") == ["ab�c😀"]


def test_an_unreadable_message_is_named_and_forgotten_when_it_can_be_read(
    apply: Apply, folders: Folders, mail: MailStore, run: RunRef
) -> None:
    folder_id = folders[0].ref.id
    apply(folder_id, a_page(Unreadable(RemoteId("m1"), "corrupt", "no body")))
    assert mail.quarantined(run, folder_id) == {"m1"}

    apply(folder_id, a_page(Upsert(a_message("m1")), next_cursor="c2"))
    assert mail.quarantined(run, folder_id) == frozenset()
