"""Rows and cursor move together, and whichever folder is polled first, the rows are the same."""

from dataclasses import replace

import pytest

from mailsync.model import (
    ListedMessage,
    MessageRemovedFromFolder,
    MessageToFetchById,
    RemoteId,
    SealedSecret,
    Upsert,
    WrittenRowCounts,
)
from tests.store.conftest import Mirror
from tests.store.rows import emails
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder


def test_a_page_stores_its_messages_and_moves_the_cursor(mirror: Mirror) -> None:
    counts = mirror.apply(mirror.first, Upsert(a_message("m1")))

    assert counts == WrittenRowCounts(inserted=1)
    assert emails(mirror.database) == {"m1": ("F1", False)}
    assert mirror.folder(mirror.first).feed.position.sealed_cursor == SealedSecret(1, b"+")


def test_a_page_that_arrives_twice_is_refused_the_second_time_and_changes_nothing(
    mirror: Mirror,
) -> None:
    page = a_page(Upsert(a_message("m1")))
    write = a_page_write(mirror.folder(mirror.first).feed, page)
    mirror.mail_store.write_page(mirror.run, write)
    before = mirror.one("SELECT xmin::text FROM mailsync.emails")

    assert mirror.mail_store.write_page(mirror.run, write) is None
    assert mirror.one("SELECT xmin::text FROM mailsync.emails") == before


@pytest.mark.parametrize("source_first", [True, False])
def test_a_move_ends_in_the_destination_whichever_folder_is_polled_first(
    source_first: bool, mirror: Mirror
) -> None:
    source, destination = mirror.first, mirror.second
    mirror.apply(source, Upsert(a_message("m1", "F1")))
    polls = [
        (source, MessageRemovedFromFolder(RemoteId("m1"))),
        (destination, Upsert(a_message("m1", "F2"))),
    ]

    for folder_id, change in polls if source_first else polls[::-1]:
        mirror.apply(folder_id, change)

    assert emails(mirror.database) == {"m1": ("F2", False)}


def test_a_new_walk_hides_only_at_its_end_what_it_has_not_seen(mirror: Mirror) -> None:
    folder_id = mirror.first
    mirror.apply(folder_id, Upsert(a_message("m1")), Upsert(a_message("m2")))
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(folder_id))

    mirror.apply(folder_id, Upsert(a_message("m2")), has_more=True)
    assert emails(mirror.database) == {"m1": ("F1", False), "m2": ("F1", False)}

    counts = mirror.apply(folder_id)
    assert counts == WrittenRowCounts(removed=1)
    assert emails(mirror.database) == {"m1": ("F1", True), "m2": ("F1", False)}


@pytest.mark.parametrize(("remote_total", "hidden"), [(50, 0), (1, 50)])
def test_a_walk_that_would_empty_a_folder_is_doubted_if_the_provider_calls_the_folder_full(
    remote_total: int, hidden: int, mirror: Mirror
) -> None:
    """Then nothing is hidden, and the next verification compares the folder by ids."""
    folder_id = mirror.first
    mirror.fill(folder_id, 50)
    mirror.folder_store.save_remote_counts(
        mirror.run, [a_remote_folder("F1", message_count=remote_total)]
    )
    mirror.feed_store.restart_full_sync(mirror.run, mirror.feed_id(folder_id))

    counts = mirror.apply(folder_id, Upsert(a_message("new")))

    assert counts == WrittenRowCounts(inserted=1, removed=hidden)
    assert sum(removed for _, removed in emails(mirror.database).values()) == hidden
    is_doubted = (
        mirror.folder_store.recount_stored_messages(mirror.run)[
            folder_id
        ].stored_and_remote_counts.message_ids_compared_at
        is None
    )
    assert is_doubted == (hidden == 0)


def test_what_a_page_names_in_the_state_that_is_stored_is_seen_by_the_walk(mirror: Mirror) -> None:
    run, folder_id = mirror.run, mirror.first
    mirror.apply(
        folder_id, *(Upsert(a_message(each, remote_version="v1")) for each in ("m1", "m2"))
    )
    mirror.feed_store.restart_full_sync(run, mirror.feed_id(folder_id), fallback=1)
    named = [ListedMessage(RemoteId("m1"), False, "v1"), ListedMessage(RemoteId("m2"), False, "v2")]
    page = a_page(*(MessageToFetchById(each.remote_id, each) for each in named))
    write = a_page_write(mirror.folder(folder_id).feed, page)

    unchanged = mirror.mail_store.find_unchanged_message_ids(run, folder_id, named)
    counts = mirror.mail_store.write_page(run, replace(write, unchanged_message_ids=unchanged))

    assert unchanged == ("m1",)
    assert counts == WrittenRowCounts(unchanged=1, removed=1)
    assert emails(mirror.database) == {"m1": ("F1", False), "m2": ("F1", True)}


def test_a_message_that_is_hidden_or_elsewhere_or_differs_is_not_unchanged(mirror: Mirror) -> None:
    run, mail = mirror.run, mirror.mail_store
    ids = [RemoteId(each) for each in ("m1", "m2", "m3")]
    mirror.apply(mirror.first, *(Upsert(a_message(each, remote_version="v1")) for each in ids[:2]))
    mirror.apply(mirror.first, MessageRemovedFromFolder(ids[0]))
    entries = [ListedMessage(each, False, "v1") for each in ids]

    assert mail.find_unchanged_message_ids(run, mirror.first, entries) == ("m2",)
    assert mail.find_unchanged_message_ids(run, mirror.second, entries) == ()
    assert (
        mail.find_unchanged_message_ids(run, mirror.first, [ListedMessage(ids[1], True, "v1")])
        == ()
    )


def test_a_flag_does_not_write_the_body_again(mirror: Mirror) -> None:
    folder_id = mirror.first
    mirror.apply(folder_id, Upsert(a_message("m1")))
    before = mirror.one("SELECT xmin::text FROM mailsync.email_bodies")

    mirror.apply(folder_id, Upsert(a_message("m1", is_flagged=True)))

    assert mirror.one("SELECT is_flagged FROM mailsync.emails") == [True]
    assert mirror.one("SELECT xmin::text FROM mailsync.email_bodies") == before


def test_what_postgres_cannot_hold_is_replaced_and_the_rest_kept(mirror: Mirror) -> None:
    mirror.apply(mirror.first, Upsert(a_message("m1", subject="a\0b\ud83dc😀")))

    assert mirror.one("SELECT subject FROM mailsync.emails") == ["ab�c😀"]


def test_pages_of_several_feeds_are_one_transaction_and_a_page_that_came_too_late_is_left_out(
    mirror: Mirror,
) -> None:
    writes = [
        a_page_write(mirror.folder(each).feed, a_page(Upsert(a_message(f"of {name}", name))))
        for each, name in ((mirror.second, "F2"), (mirror.first, "F1"))
    ]
    assert mirror.mail_store.write_pages(mirror.run, writes) == (WrittenRowCounts(inserted=1),) * 2
    assert len(mirror.rows("SELECT DISTINCT xmin::text FROM mailsync.emails")) == 1

    late = writes[0]
    fresh = a_page_write(
        mirror.folder(mirror.first).feed, a_page(MessageRemovedFromFolder(RemoteId("of F1")))
    )
    counts = mirror.mail_store.write_pages(mirror.run, [late, fresh])

    assert counts == (None, WrittenRowCounts(removed=1))
    assert emails(mirror.database) == {"of F1": ("F1", True), "of F2": ("F2", False)}
