"""What servers send of their folders is read as far as it is readable, whatever they send."""

import random
import time

import pytest

from mailsync.model import Role
from mailsync.providers.imap.folder_commands import inline_response_literals
from mailsync.providers.imap.folders import to_remote_folders
from mailsync.providers.imap.listing import (
    MAX_FOLDER_NAME_BYTES,
    FolderList,
    Namespaces,
    parse_list_line,
    parse_namespaces,
    parse_status_line,
    to_folder_list,
)

NAMES = {
    b'(\\HasNoChildren) "/" INBOX': (b"INBOX", b"/"),
    b'() "/" "Inbox"': (b"INBOX", b"/"),
    b'() "/" "Inbox/Sub"': (b"Inbox/Sub", b"/"),
    b"() NIL Flat": (b"Flat", None),
    b"() nil Flat": (b"Flat", None),
    b'(\\HasNoChildren) "/" NIL': (b"NIL", b"/"),
    b'() "\\\\" Folder\\Sub 1': (b"Folder\\Sub 1", b"\\"),
    b'() "^" a^b': (b"a^b", b"^"),
    b'() "." "INBOX.a"': (b"INBOX.a", b"."),
    b'() "/" INBOX/From\tSubject\t': (b"INBOX/From\tSubject\t", b"/"),
    b'() "/" "INBOX/say \\"yes\\""': (b'INBOX/say "yes"', b"/"),
    b'() "/" "back\\\\slash"': (b"back\\slash", b"/"),
    b'() "/" "half': (b'"half', b"/"),
    b'(\\Marked)  "/"  "two blanks"': (b"two blanks", b"/"),
    b'() "/" "a" ("CHILDINFO" ("SUBSCRIBED"))': (b"a", b"/"),
    b'() "/" a (OLDNAME ("b"))': (b"a", b"/"),
    b'() "/" "[Gmail]/G&APY-"': (b"[Gmail]/G&APY-", b"/"),
    b'() "/" Entw\xc3\xbcrfe': ("Entwürfe".encode(), b"/"),
    b'() "/" "' + b"x" * MAX_FOLDER_NAME_BYTES + b'"': (b"x" * MAX_FOLDER_NAME_BYTES, b"/"),
}
UNREADABLE = [
    b"",
    b"oops",
    b'() "/" ',
    b'() "/" ""',
    b'("/" a',
    b'() "//" a',
    b'() "/" "a\r\nx LOGOUT"',
    b'() "/" a\0b',
    b'() "/" ' + b"x" * (MAX_FOLDER_NAME_BYTES + 1),
]


@pytest.mark.parametrize("line", NAMES)
def test_a_line_names_a_folder_and_its_separator(line: bytes) -> None:
    found = parse_list_line(line)

    assert found
    assert (found.name, found.separator) == NAMES[line]


@pytest.mark.parametrize("line", UNREADABLE)
def test_a_line_without_a_name_that_can_be_sent_back_is_counted(line: bytes) -> None:
    found = to_folder_list([line, b'() "/" a'], [], Namespaces())

    assert ([each.name for each in found.own_folders], found.unreadable_line_count) == ([b"a"], 1)


def test_a_name_can_be_a_literal_and_comes_with_its_numbers() -> None:
    lines = inline_response_literals([(b'() "/" {4}', b'a"b '), b"", b'() "/" c'])
    statuses = inline_response_literals(
        [(b"{4}", b'a"b '), b" (MESSAGES 2 UIDNEXT 5)", b"c (MESSAGES x) "]
    )

    found = to_folder_list(lines, statuses, Namespaces())

    assert [(each.name, each.status_values) for each in found.own_folders] == [
        (b'a"b ', {"MESSAGES": 2, "UIDNEXT": 5}),
        (b"c", {}),
    ]


def test_a_folder_that_is_listed_twice_is_one() -> None:
    lines = [b'(\\NonExistent) "/" a', b'() "/" a', b'() "/" INBOX', b'() "/" "Inbox"']

    found = to_folder_list(lines, [], Namespaces())

    assert [(each.name, each.is_selectable) for each in found.own_folders] == [
        (b"a", True),
        (b"INBOX", True),
    ]


def test_folders_of_others_are_left_out() -> None:
    line = b'(("" "/")) (("~" "/")("Other \\"Users\\"/" "/")) (("#shared/" "/" "X" ("a")) ("" "/"))'
    namespaces = parse_namespaces(line)
    names = [b'"~bob"', b'"Other \\"Users\\""', b'"Other \\"Users\\"/bob"', b'"#shared/x"', b"own"]

    found = to_folder_list([b'() "/" ' + each for each in names], [], namespaces)

    assert [each.name for each in found.own_folders] == [b"own"]
    assert len(found.folder_names_of_other_owners) == 4
    assert parse_namespaces(b'(("INBOX." ".")) NIL NIL') == Namespaces((b"INBOX.",), ())


def test_roles_are_given_once_and_names_are_shown_below_the_folders_that_hold_mail() -> None:
    lines = [
        b'(\\Sent) "/" "Z"',
        b'(\\Sent) "/" "A/B"',
        b'() "/" "Sent"',
        b'() "/" "INBOX"',
        b'() "/" "INBOX/Bills"',
        b'(\\Noselect) "/" "A"',
        b'() "/" "Mail/Entw&APw-rfe"',
        b'() "/" "A/B/&"',
    ]
    listed: FolderList = to_folder_list(lines, [], Namespaces((b"Mail/",)))

    found = to_remote_folders(
        [each for each in listed.own_folders if each.is_selectable], {}, listed.personal_prefixes
    )

    assert {each.remote_id: (each.display_name, each.parent_remote_id) for each in found} == {
        "Z": ("Z", None),
        "A/B": ("A/B", None),
        "Sent": ("Sent", None),
        "INBOX": ("INBOX", None),
        "INBOX/Bills": ("Bills", None),
        "Mail/Entw&APw-rfe": ("Entwürfe", None),
        "A/B/&": ("&", "A/B"),
    }
    assert {each.remote_id: each.role for each in found if each.role is not Role.OTHER} == {
        "A/B": Role.SENT,
        "INBOX": Role.INBOX,
    }


def test_any_bytes_are_read_in_little_time() -> None:
    letters, chosen = b'() "\\/INBOX&A,-. \xff\0', random.Random(17)
    lines = [bytes(chosen.choices(letters, k=size)) for size in range(400)]
    lines += [b'() "/" ' + each for each in lines]
    lines += [
        b'() "/" ' + b"a/" * 500,
        b"(" * 100_000,
        b"a" * 200_000,
        b'"' * 100_000,
        b" (" * 50_000,
    ]
    began = time.thread_time()

    listed = to_folder_list(lines, lines, parse_namespaces(b" ".join(lines)))
    to_remote_folders(listed.own_folders, {}, listed.personal_prefixes)

    assert time.thread_time() - began < 1
    assert parse_status_line(b"a (MESSAGES 99999999999999999999 UNSEEN 3)") == (b"a", {"UNSEEN": 3})
