"""What the folders and labels of Gmail's server mean."""

import pytest

from mailsync.model import RemoteId, Role
from mailsync.providers.imap.address import ImapMailboxLocation, mailbox_location_from_remote_id
from mailsync.providers.imap.folders import to_remote_folders
from mailsync.providers.imap.gmail_cursor import has_removals_not_explained_by_moves
from mailsync.providers.imap.gmail_folders import (
    AllMailFolderHidden,
    GmailSpecialFolderNames,
    choose_mirrored_folders,
    find_gmail_folders,
)
from mailsync.providers.imap.gmail_messages import (
    convert_hex_gmail_id_to_integer,
    listed_message_from_fetch_items,
)
from mailsync.providers.imap.listing import ListedFolder, parse_list_line
from mailsync.providers.imap.responses import parse_fetch

GERMAN = (
    rb'(\HasNoChildren) "/" "INBOX"',
    rb'(\HasChildren \Noselect) "/" "[Google Mail]"',
    rb'(\All \HasNoChildren) "/" "[Google Mail]/Alle Nachrichten"',
    rb'(\Drafts \HasNoChildren) "/" "[Google Mail]/Entw&APw-rfe"',
    rb'(\Sent \HasNoChildren) "/" "[Google Mail]/Gesendet"',
    rb'(\HasNoChildren \Flagged) "/" "[Google Mail]/Markiert"',
    rb'(\HasNoChildren \Important) "/" "[Google Mail]/Wichtig"',
    rb'(\HasNoChildren \Trash) "/" "[Google Mail]/Papierkorb"',
    rb'(\HasNoChildren \Junk) "/" "[Google Mail]/Spam"',
    rb'(\HasNoChildren) "/" "Gr&APwA3w-e/2024"',
)
DRAFTS = b"[Google Mail]/Entw&APw-rfe"
ALL, TRASH = b"[Google Mail]/Alle Nachrichten", b"[Google Mail]/Papierkorb"


def listed() -> list[ListedFolder]:
    return [folder for line in GERMAN if (folder := parse_list_line(line))]


@pytest.fixture
def folders() -> GmailSpecialFolderNames:
    return find_gmail_folders(listed())


def test_folders_have_their_roles_and_the_names_of_people() -> None:
    shown = to_remote_folders(
        choose_mirrored_folders(listed())[0], {}, choose_mirrored_folders(listed())[1]
    )

    assert {each.display_name: each.role for each in shown} == {
        "INBOX": Role.INBOX,
        "Alle Nachrichten": Role.ARCHIVE,
        "Entwürfe": Role.DRAFTS,
        "Gesendet": Role.SENT,
        "Papierkorb": Role.TRASH,
        "Spam": Role.JUNK,
        "Grüße/2024": Role.OTHER,
    }


@pytest.mark.parametrize(
    ("opened", "labels", "found"),
    [
        (ALL, (), {ALL}),
        (ALL, (b"\\Inbox", b"\\Important", b"\\Starred"), {ALL, b"INBOX"}),
        (ALL, (b"\\Draft", b"Gr&APwA3w-e/2024"), {ALL, DRAFTS, b"Gr&APwA3w-e/2024"}),
        (ALL, (b"\\Muted", b"\\Trash"), {ALL}),
        (b"INBOX", (b"\\Sent",), {ALL, b"INBOX", b"[Google Mail]/Gesendet"}),
        (TRASH, (b"\\Inbox", b"Work"), {TRASH}),
    ],
)  # fmt: skip
def test_a_message_is_in_the_folders_of_its_labels(
    folders: GmailSpecialFolderNames, opened: bytes, labels: tuple[bytes, ...], found: set[bytes]
) -> None:
    ids = folders.folder_ids_of_message(opened, labels)

    assert ids == tuple(sorted(each.decode() for each in found))


def test_a_mailbox_without_all_mail_is_none() -> None:
    with pytest.raises(AllMailFolderHidden):
        find_gmail_folders(each for each in listed() if each.name != ALL)


def test_labels_are_names_whatever_they_look_like() -> None:
    items = parse_fetch([rb'1 (X-GM-LABELS (007 NIL "NIL" "\\Inbox" "a \"b\"") UID 7)'])

    assert items[b"X-GM-LABELS"] == (b"007", b"NIL", b"NIL", rb"\Inbox", b'a "b"')
    assert items[b"UID"] == 7


def test_the_largest_id_is_that_of_the_api() -> None:
    text = b"1 (UID 1 FLAGS () X-GM-MSGID 18446744073709551615 X-GM-LABELS ())"

    remote_id = listed_message_from_fetch_items(parse_fetch([text])).remote_id

    assert (remote_id, convert_hex_gmail_id_to_integer(remote_id)) == ("f" * 16, 2**64 - 1)
    for other in ("", "0x1", "F", "1f~", "00", "1" + "0" * 16, "INBOX:1:1"):
        assert convert_hex_gmail_id_to_integer(RemoteId(other)) is None


def test_the_id_of_a_mailbox_says_how_it_is_read() -> None:
    plain = ImapMailboxLocation("h", 993, "a?labels@x")
    one = ImapMailboxLocation("h", 993, "a?labels@x", is_mirrored_with_gmail_labels=True)

    assert [mailbox_location_from_remote_id(each.to_remote_id()) for each in (plain, one)] == [
        plain,
        one,
    ]
    assert plain.to_remote_id_in_other_label_mode() == one.to_remote_id()


@pytest.mark.parametrize(
    ("lacking", "arrived", "found"),
    [
        ({"all": 0, "trash": 0}, {}, False),
        ({"all": 1, "trash": 0}, {}, True),
        ({"all": 1, "trash": 0}, {"trash": 1}, False),
        ({"all": 1, "trash": 1}, {"all": 1, "trash": 1}, False),
        ({"all": 1, "trash": 0}, {"all": 5}, True),
        ({"all": 2, "trash": 0}, {"trash": 1}, True),
        ({"all": -1, "trash": 0}, {}, False),
    ],
)
def test_a_removal_is_explained_by_an_arrival_elsewhere(
    lacking: dict[str, int], arrived: dict[str, int], *, found: bool
) -> None:
    assert has_removals_not_explained_by_moves(lacking, arrived) is found
