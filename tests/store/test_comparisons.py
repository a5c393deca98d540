"""What a listing of a folder is compared with, and how rows that are equal to it are mended."""

from dataclasses import replace

import pytest

from mailsync.decisions.verify import StoredMessageState
from mailsync.model import (
    ListedMessage,
    MessageRemovedFromFolder,
    RemoteId,
    UnreadableMessage,
    Upsert,
)
from tests.store.conftest import Mirror
from tests.store.rows import emails
from tests.support.builders import A_MOMENT, a_message

ROW = StoredMessageState(is_read=False, remote_version="v1", remote_modified_at=A_MOMENT)
GENERATIONS = "SELECT message_id, walk FROM mailsync.emails"


def ids(*names: str) -> list[RemoteId]:
    return [RemoteId(each) for each in names]


@pytest.fixture
def compared(mirror: Mirror) -> Mirror:
    """`here` and `hidden` are of the first folder, `elsewhere` and `other` of the second."""
    for folder_id, remote_id, names in (
        (mirror.first, "F1", ("here", "hidden")),
        (mirror.second, "F2", ("elsewhere", "other")),
    ):
        of = {"remote_version": "v1", "modified_at": A_MOMENT}
        mirror.apply(folder_id, *(Upsert(a_message(each, remote_id, **of)) for each in names))
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId("hidden")))
    return mirror


def test_a_listing_is_compared_with_the_rows_of_its_folder_and_with_what_it_names_elsewhere(
    compared: Mirror,
) -> None:
    away = replace(ROW, is_placed_in_compared_folder=False)

    found = compared.mail_store.stored_message_states(
        compared.run, compared.first, ids("here", "elsewhere", "unknown")
    )

    assert found == {"here": ROW, "elsewhere": away}


def test_a_message_that_is_listed_is_shown_in_that_folder_under_its_number(
    compared: Mirror,
) -> None:
    numbers = "SELECT message_id, id FROM mailsync.emails ORDER BY 1"
    before = compared.rows(numbers)
    compared.feed_store.restart_full_sync(compared.run, compared.feed_id(compared.first))

    shown = compared.removal_store.show_messages_again(
        compared.run, compared.first, ids("hidden", "elsewhere"), is_only_folder=True
    )

    assert shown == 2
    assert emails(compared.database) == {
        "here": ("F1", False),
        "hidden": ("F1", False),
        "elsewhere": ("F1", False),
        "other": ("F2", False),
    }
    assert compared.rows(numbers) == before
    assert dict(map(tuple, compared.rows(GENERATIONS))) == {
        "here": 1,
        "hidden": 2,
        "elsewhere": 2,
        "other": 1,
    }, "a full sync that is under way must not take them for unseen"


def test_a_version_is_saved_only_where_there_was_none(compared: Mirror) -> None:
    compared.rows("UPDATE mailsync.emails SET version = NULL WHERE message_id = 'here'")
    entries = [ListedMessage(each, False, "v2") for each in ids("here", "other")]

    compared.mail_store.save_listed_message_versions(compared.run, entries)

    versions = dict(map(tuple, compared.rows("SELECT message_id, version FROM mailsync.emails")))
    assert versions == {"here": "v2", "hidden": "v1", "elsewhere": "v1", "other": "v1"}


@pytest.mark.parametrize("version", [None, "v2"])
def test_a_message_that_comes_with_another_version_is_stored_with_it(
    version: str | None, compared: Mirror
) -> None:
    same = a_message("here", remote_version=version, modified_at=A_MOMENT)

    compared.apply(compared.first, Upsert(same))

    found = compared.mail_store.stored_message_states(compared.run, compared.first, ())
    assert found[RemoteId("here")] == replace(ROW, remote_version=version)


def test_what_left_a_folder_leaves_its_quarantine_and_no_other_one(compared: Mirror) -> None:
    for folder_id, name in ((compared.first, "odd"), (compared.second, "odder")):
        compared.apply(folder_id, UnreadableMessage(RemoteId(name), "corrupt", ""))

    compared.quarantine_store.remove_messages_from_quarantine(
        compared.run, ids("odd", "odder"), compared.first
    )

    assert (
        compared.quarantine_store.quarantined_ids_of_folder(compared.run, compared.first)
        == frozenset()
    )
    assert compared.quarantine_store.quarantined_ids_of_folder(compared.run, compared.second) == {
        "odder"
    }
    compared.apply(compared.second, MessageRemovedFromFolder(RemoteId("odder")))
    assert (
        compared.quarantine_store.quarantined_ids_of_folder(compared.run, compared.second)
        == frozenset()
    )
