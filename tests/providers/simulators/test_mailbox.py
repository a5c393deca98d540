"""The neutral mailbox: placements, the journal, and what Graph's server makes of both."""

from datetime import UTC, datetime

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.folders import FolderNumberOrRole
from localdev.simulators.graph.outlook import OutlookMailbox
from localdev.simulators.graph.owner import OutlookMailboxEditor
from localdev.simulators.journal import ChangeKind
from localdev.simulators.mailbox import Mailbox, MessageNotInFolder
from tests.providers.simulators.graph_client import INBOX_DELTA, delta_round, error_of
from tests.providers.simulators.test_faults import control
from tests.support.mail import a_mail
from tests.support.outlook_form import OutlookForm


def counts(mailbox: Mailbox, folder: FolderNumberOrRole) -> tuple[int, int]:
    found = mailbox.folders.find_folder(folder)
    return found.total, found.unread


def test_a_message_under_three_labels_is_one_message_that_each_of_them_counts(
    mailbox: Mailbox,
) -> None:
    number = mailbox.deliver_message(a_mail())
    label = mailbox.create_folder("Label")
    mailbox.add_message_to_folder(number, label)
    mailbox.add_message_to_folder(number, "archive")
    mailbox.set_message_read(number)

    assert [
        each.message_number for each in mailbox.list_messages_in_folders("inbox", label, "archive")
    ] == [number]
    assert counts(mailbox, "inbox") == counts(mailbox, "archive") == (1, 0)
    assert mailbox.count_messages_in_folders("inbox", label, "archive") == 1

    folders: tuple[FolderNumberOrRole, ...] = ("inbox", label, "archive")
    for folder in folders:
        mailbox.remove_message_from_folder(number, folder)
    assert mailbox.find_message(number).placements == ()
    assert counts(mailbox, "inbox") == (0, 0)


def test_every_change_is_one_entry_with_a_number_that_grows(mailbox: Mailbox) -> None:
    since = mailbox.journal.newest_global_change_number
    number = mailbox.deliver_message(a_mail())
    inbox, archive = (mailbox.folders.find_folder(role).number for role in ("inbox", "archive"))
    mailbox.move_message(number, "archive")
    mailbox.set_message_flagged(number)
    mailbox.change_message_fields(number, subject="other", is_read=True)
    mailbox.delete_message_from_database(number)

    entries = mailbox.journal.list_entries_after_change_number(since)

    assert [
        (each.kind, each.source_folder_number, each.folder_number, each.changed_field_names)
        for each in entries
    ] == [
        (ChangeKind.MESSAGE_ADDED_TO_FOLDER, None, inbox, frozenset()),
        (ChangeKind.MESSAGE_MOVED, inbox, archive, frozenset()),
        (ChangeKind.MESSAGE_CHANGED, None, archive, {"is_flagged"}),
        (ChangeKind.MESSAGE_CHANGED, None, archive, {"subject", "is_read"}),
        (ChangeKind.MESSAGE_REMOVED_FROM_FOLDER, archive, None, frozenset()),
    ]
    numbers = [each.change_number for each in entries]
    assert numbers == sorted({*numbers})
    assert mailbox.journal.list_entries_after_change_number(since, folder=inbox) == entries[:2]


def test_a_copy_shares_the_content_until_one_of_them_changes(mailbox: Mailbox) -> None:
    number = mailbox.deliver_message(a_mail("same"))
    copied = mailbox.copy_message(number, "archive")
    assert (
        mailbox.find_message(copied).content_blob_id == mailbox.find_message(number).content_blob_id
    )

    mailbox.change_message_fields(
        copied, subject="changed", sent_at=datetime(2026, 1, 1, tzinfo=UTC)
    )

    assert mailbox.find_message(number).mail_item.subject == "same"
    assert mailbox.find_message(copied).mail_item.subject == "changed"
    blobs = [mailbox.find_message(each).content_blob_id for each in (number, copied)]
    mailbox.delete_message_from_database(number)
    mailbox.delete_message_from_database(copied)
    assert mailbox.database.fetch_rows("SELECT 1 FROM blob WHERE number IN (?, ?)", *blobs) == []


def test_a_change_that_fails_leaves_neither_a_journal_entry_nor_a_change(mailbox: Mailbox) -> None:
    number = mailbox.deliver_message(a_mail())
    newest = mailbox.journal.newest_global_change_number

    with pytest.raises(TypeError):
        mailbox.change_message_fields(number, no_such_field=1)
    with pytest.raises(MessageNotInFolder):
        mailbox.remove_message_from_folder(number, "archive")

    assert mailbox.journal.newest_global_change_number == newest


def test_graph_refuses_a_mailbox_with_a_message_in_two_folders(mailbox: Mailbox) -> None:
    number = mailbox.deliver_message(a_mail())
    mailbox.add_message_to_folder(number, "archive")

    with pytest.raises(ValueError, match="exactly one folder"):
        OutlookMailbox(mailbox).list_messages_in_folder("inbox")


@pytest.mark.parametrize("kind", ["mailFolders", "messages"])
def test_an_id_that_leads_nowhere_is_refused_as_gone_foreign_or_malformed(
    kind: str, simulators: Simulators, mailbox: Mailbox, graph: httpx.Client, form: OutlookForm
) -> None:
    number, folder = mailbox.deliver_message(a_mail()), mailbox.create_folder("Old")
    own = form.message_id(number) if kind == "messages" else form.folder_id(folder)
    OutlookMailboxEditor(mailbox).recreate_empty_mailbox()
    forged = own[:-2] + ("A" if own[-2] != "A" else "B") + own[-1]

    for foreign in (own, forged):
        for path in (f"/me/{kind}/{foreign}", f"/me/{kind}('{foreign}')"):
            assert error_of(graph.get(path)) == (404, "ErrorInvalidMailboxItemId")
    for malformed in ("no-id", own[:-4], own.lower(), f"{own} ", "\N{SNOWMAN}"):
        assert error_of(graph.get(f"/me/{kind}/{malformed}")) == (400, "ErrorInvalidIdMalformed")
    gone = form.folder_id("archive")
    mailbox.folders.remove_empty_folder("archive")
    for missing in (gone, "archive", "clutter"):
        assert error_of(graph.get(f"/me/mailFolders/{missing}")) == (404, "ErrorItemNotFound")


def test_a_mailbox_that_is_created_again_has_the_user_and_nothing_else_of_the_old_one(
    simulators: Simulators, mailbox: Mailbox, graph: httpx.Client, form: OutlookForm
) -> None:
    inbox = form.folder_id("inbox")
    mailbox.deliver_message(a_mail("old"))
    links = [delta_round(graph, path)[1] for path in (INBOX_DELTA, "/me/mailFolders/delta")]

    control(simulators, "POST", "recreate-mailbox", mailbox=mailbox.address)
    mailbox.deliver_message(a_mail("new"))

    assert graph.get("/me").json()["id"] == mailbox.user_id
    [new] = graph.get("/me/messages").json()["value"]
    assert (new["subject"], new["parentFolderId"] == inbox) == ("new", False)
    assert [error_of(graph.get(link)) for link in links] == [
        (404, "ErrorInvalidMailboxItemId"),
        (400, "BadRequest"),
    ]
    assert len(graph.get("/me/mailFolders?includeHiddenFolders=true").json()["value"]) == 8


def test_positions_expire_in_one_folder_or_in_all(mailbox: Mailbox) -> None:
    journal, issued = mailbox.journal, mailbox.journal.newest_global_change_number
    inbox, archive = (mailbox.folders.find_folder(role).number for role in ("inbox", "archive"))

    mailbox.expire_cursors("inbox")
    assert [journal.has_position_expired(issued, each) for each in (inbox, archive, None)] == [
        *(True, False, False)
    ]
    mailbox.expire_cursors()
    assert journal.has_position_expired(issued, archive)
    assert not journal.has_position_expired(journal.newest_global_change_number, archive)
