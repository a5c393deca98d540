"""Lists of messages and labels, and their counts."""

from pathlib import Path

from localdev.mail.generate import generate_mail_items
from localdev.simulators import Simulators
from localdev.simulators.gmail.owner import GmailMailboxEditor
from localdev.simulators.imap.gmail import GmailMailboxView
from localdev.simulators.imap.options import GMAIL_SERVER_EXTENSIONS, ImapOptions
from tests.providers.simulators.gmail.client import WITH_TRASH, GmailClient
from tests.support.mail import a_mail


def test_pages_list_each_message_once_newest_first(gmail: GmailClient) -> None:
    gmail.mailbox.import_mail_items(generate_mail_items(700, owner=gmail.mailbox.address, seed=3))

    pages = list(gmail.pages("messages", maxResults=900, **WITH_TRASH))

    assert [len(each["messages"]) for each in pages] == [500, 200]
    listed = [each["id"] for page in pages for each in page["messages"]]
    owned = gmail.owner.gmail.list_every_message_newest_first()
    assert len({*listed}) == 700
    assert {*listed} == {each.id for each in owned}
    received = {each.id: each.received_at for each in owned}
    dates = [received[each] for each in listed]
    assert dates == sorted(dates, reverse=True)
    threads = {each["id"]: each["threadId"] for page in pages for each in page["messages"]}
    assert threads == {each.id: each.thread_id for each in owned}


def test_a_list_has_the_messages_with_all_of_its_labels(gmail: GmailClient) -> None:
    owner = gmail.owner
    label = owner.create_label("work")
    both = owner.deliver_message(a_mail("both"), ["INBOX", label])
    inbox = owner.deliver_message(a_mail("inbox", is_read=True, minutes=1))
    archived = owner.deliver_message(a_mail("archived", minutes=2), [])
    trashed = owner.deliver_message(a_mail("trashed", minutes=3), ["INBOX", label])
    owner.trash_message(trashed)
    chat = owner.store_chat_message("hello")

    assert gmail.listed(**WITH_TRASH) == [chat, trashed, archived, inbox, both]
    assert gmail.listed() == [chat, archived, inbox, both]
    assert gmail.listed(labelIds=[label]) == [both]
    assert gmail.listed(labelIds=[label], **WITH_TRASH) == [trashed, both]
    assert gmail.listed(labelIds=["INBOX", "UNREAD"]) == [both]
    assert gmail.listed(labelIds="TRASH") == [trashed]
    assert gmail.listed(labelIds="CHAT") == [chat]
    assert gmail.get("messages", labelIds="CATEGORY_SOCIAL") == {"resultSizeEstimate": 0}
    assert gmail.error("messages", labelIds="Label_99999")[:2] == (400, "invalidArgument")
    assert gmail.error("messages", pageToken="no token")[2] == "Invalid pageToken"
    assert gmail.get(f"messages/{archived}", format="minimal")["labelIds"] == ["UNREAD"]
    owner.set_message_read(archived)
    assert "labelIds" not in gmail.get(f"messages/{archived}", format="minimal")
    owner.archive_message(inbox)
    archive = gmail.mailbox.list_messages_in_folders("archive")
    assert {owner.message_id_of_number(each.message_number) for each in archive} == {
        archived,
        inbox,
    }


def test_labels_have_their_ids_names_and_counts(gmail: GmailClient) -> None:
    owner = gmail.owner
    above = owner.create_label("work")
    nested = owner.create_label("work/berlin")
    lonely = owner.create_label("gone/paris", is_hidden=True)
    for minutes in range(3):
        owner.deliver_message(a_mail("one thread", minutes=minutes, is_read=minutes > 0), [nested])
    trashed = owner.deliver_message(a_mail("trashed"), [nested])
    owner.trash_message(trashed)

    labels = {each["id"]: each for each in gmail.get("labels")["labels"]}
    assert labels["INBOX"] == {"id": "INBOX", "name": "INBOX", "type": "system"}
    assert [labels[each]["name"] for each in (above, nested, lonely)] == [
        *("work", "work/berlin", "gone/paris")
    ]
    assert labels[lonely]["labelListVisibility"] == "labelHide"
    counts = {"messagesTotal": 4, "messagesUnread": 2, "threadsTotal": 2, "threadsUnread": 2}
    assert gmail.get(f"labels/{nested}") == labels[nested] | counts
    gmail.server.set_behaviour_switches(is_trash_counted=False)
    assert gmail.get(f"labels/{nested}")["messagesTotal"] == 3
    assert gmail.get("labels/UNREAD")["messagesTotal"] == 1
    assert gmail.error("labels/Label_99999")[:2] == (404, "notFound")


def test_a_renamed_or_nested_label_keeps_its_id_and_takes_its_children_along(
    gmail: GmailClient,
) -> None:
    owner = gmail.owner
    above, other = owner.create_label("work"), owner.create_label("other")
    nested = owner.create_label("work/berlin")
    start = gmail.history_id()

    owner.rename_label(above, "job")
    owner.set_parent_of_label(above, other)

    names = {each["id"]: each["name"] for each in gmail.get("labels")["labels"]}
    assert (names[above], names[nested]) == ("other/job", "other/job/berlin")
    assert gmail.history_id() == start


def test_a_message_can_have_a_label_that_no_list_knows(gmail: GmailClient) -> None:
    message = gmail.owner.deliver_message(a_mail("one"))
    start = gmail.history_id()

    gmail.owner.give_message_label_unknown_to_api(message, "Label_777")

    assert "Label_777" in gmail.get(f"messages/{message}")["labelIds"]
    assert gmail.records(start)[0]["labelsAdded"][0]["labelIds"] == ["Label_777"]
    assert "Label_777" not in {each["id"] for each in gmail.get("labels")["labels"]}
    assert gmail.error("labels/Label_777")[0] == 404
    assert gmail.error("messages", labelIds="Label_777")[0] == 400


def test_ten_thousand_messages_change_at_once(gmail: GmailClient) -> None:
    gmail.mailbox.import_mail_items(generate_mail_items(900, owner=gmail.mailbox.address, seed=5))
    label, start = gmail.owner.create_label("filtered"), gmail.history_id()

    changed = gmail.owner.change_labels_of_newest_messages(["INBOX"], add=[label], remove=["INBOX"])

    assert {*gmail.listed(labelIds=label)} == {
        each["labelsAdded"][0]["message"]["id"]
        for each in gmail.records(start, maxResults=500, historyTypes=["labelAdded"])
    }
    assert changed == gmail.get(f"labels/{label}")["messagesTotal"] > 300
    assert gmail.get("labels/INBOX")["messagesTotal"] == 0


def test_the_entries_of_a_page_can_be_out_of_order_and_all_pages_are_complete(
    gmail: GmailClient,
) -> None:
    start = gmail.history_id()
    ids = [gmail.owner.deliver_message(a_mail(str(each), minutes=-each)) for each in range(5)]

    gmail.server.set_behaviour_switches(are_pages_disordered=True)

    assert gmail.listed(maxResults=2) == [ids[1], ids[0], ids[3], ids[2], ids[4]]
    records = gmail.records(start, maxResults=3)
    added = [each["messagesAdded"][0]["message"]["id"] for each in records]
    assert added == [ids[2], ids[1], ids[0], ids[4], ids[3]]


def test_messages_and_threads_have_the_numbers_that_imap_shows(
    simulators: Simulators, tmp_path: Path
) -> None:
    mailbox = simulators.find_or_create_mailbox(f"{tmp_path.name}@gmail.com")
    edited = mailbox.deliver_message(a_mail("edited", conversation="<one@example.com>"))
    mailbox.change_message_fields(edited, subject="edited before Gmail served it")
    kept = mailbox.deliver_message(a_mail("kept"))
    owner = GmailMailboxEditor(mailbox)
    view = GmailMailboxView(mailbox, ImapOptions(extensions=GMAIL_SERVER_EXTENSIONS))
    inbox = mailbox.folders.find_folder("inbox").number

    for _ in range(2):
        by_imap = {
            each.message_number: (
                each.gmail_attributes.gmail_message_id,
                each.gmail_attributes.gmail_thread_id,
            )
            for each in view.list_messages(inbox)
            if each.gmail_attributes
        }
        assert by_imap == {
            each.message_number: (int(each.id, 16), int(each.thread_id, 16))
            for each in owner.gmail.list_every_message_newest_first()
        }
        assert by_imap.keys() == {edited, kept}
        mailbox.change_message_fields(kept, body="edited afterwards")
