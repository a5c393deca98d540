"""The simulated server with Gmail's extensions, read and changed by a common client."""

import ssl
from collections.abc import Iterator

import pytest
from imapclient import IMAPClient

from localdev.simulators.imap.server import ImapServer
from localdev.simulators.mailbox import Mailbox
from tests.support.gmail_imap_form import GMAIL_OPTIONS
from tests.support.mail import a_mail

ALL, TRASH = "[Gmail]/All Mail", "[Gmail]/Trash"
ITEMS = ["X-GM-MSGID", "X-GM-THRID"]


@pytest.fixture
def client(imap: ImapServer, mailbox: Mailbox) -> Iterator[IMAPClient]:
    """Of a mailbox with three mails in the inbox."""
    imap.current_options = GMAIL_OPTIONS
    for subject in ("one", "two", "three"):
        mailbox.deliver_message(a_mail(subject))
    context = ssl.create_default_context(cafile=imap.certificate)
    with IMAPClient("localhost", imap.tls_port, ssl_context=context) as client:
        client.login(mailbox.address, imap.password)
        yield client


def ids_in(client: IMAPClient, folder: str) -> list[int]:
    """The X-GM-MSGIDs of the folder's messages."""
    client.select_folder(folder)
    found = client.fetch(client.search("UID 1:*"), ITEMS)
    return sorted(each[b"X-GM-MSGID"] for each in found.values())


def uid_of(client: IMAPClient, message_id: int) -> int:
    [uid] = client.search(["X-GM-MSGID", str(message_id)])
    return int(uid)


def test_one_message_is_in_several_folders_under_one_id(client: IMAPClient) -> None:
    client.create_folder("Grüße")
    ids = ids_in(client, "INBOX")
    client.copy([uid_of(client, ids[0])], "Grüße")

    assert ids_in(client, ALL) == ids
    assert ids_in(client, "Grüße") == ids[:1]
    assert client.get_gmail_labels([uid_of(client, ids[0])])[uid_of(client, ids[0])] == ["\\Inbox"]
    assert client.folder_status(ALL, ["MESSAGES"]) == {b"MESSAGES": 3}


def test_a_message_keeps_its_uid_in_all_mail_whatever_its_labels(client: IMAPClient) -> None:
    client.create_folder("Work")
    ids = ids_in(client, "INBOX")
    client.select_folder(ALL)
    before = client.search("UID 1:*")
    client.select_folder("INBOX")
    client.move([uid_of(client, ids[0])], "Work")
    client.delete_messages([uid_of(client, ids[1])])
    client.expunge()

    assert ids_in(client, ALL) == ids
    assert client.search("UID 1:*") == before
    labels = {uid: {*each} for uid, each in client.get_gmail_labels(before).items()}
    assert sorted(map(sorted, labels.values())) == [[], ["Work"], ["\\Inbox"]]


def test_a_message_in_the_trash_is_nowhere_else_and_is_deleted_from_there(
    client: IMAPClient,
) -> None:
    ids = ids_in(client, "INBOX")
    client.move([uid_of(client, ids[0])], TRASH)
    assert (ids_in(client, ALL), ids_in(client, TRASH)) == (ids[1:], ids[:1])

    client.delete_messages([uid_of(client, ids[0])])
    client.expunge()

    assert (ids_in(client, ALL), ids_in(client, TRASH)) == (ids[1:], [])


def test_a_deleted_label_leaves_its_messages_and_a_change_raises_the_number(
    client: IMAPClient,
) -> None:
    client.create_folder("Work")
    ids = ids_in(client, "INBOX")
    client.move([uid_of(client, ids[0])], "Work")
    before = client.folder_status(ALL, ["HIGHESTMODSEQ"])

    client.delete_folder("Work")

    assert client.folder_status(ALL, ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"] > before[b"HIGHESTMODSEQ"]
    assert ids_in(client, ALL) == ids
