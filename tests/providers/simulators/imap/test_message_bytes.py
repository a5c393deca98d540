"""The bytes that a message of the simulated mailbox has over IMAP."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localdev.mail.generate import generate_mail_items
from localdev.mail.item import MailItem
from localdev.mail.load import load_mail_lazily
from localdev.mail.modified_utf7 import decode_modified_utf7, encode_modified_utf7
from localdev.mail.parse import parse_mail
from localdev.simulators.imap.folder_state import SimulatedFolderReader
from localdev.simulators.imap.message_bytes import extract_message_section, header_value
from localdev.simulators.imap.mime_parts import (
    extract_numbered_section,
    format_body_structure,
    format_envelope,
    parse_part_tree,
)
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.store import ImapMailbox
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message_bytes import compose_message
from mailsync.model import Address
from tests.support.imap_client import parse_words
from tests.support.mail import a_mail

KEPT = (
    *("subject", "body", "body_type", "sender", "to", "cc", "bcc", "reply_to", "sent_at"),
    *("internet_message_id", "has_attachments"),
)
TEXTS = st.text(max_size=40)
ADDRESSES = st.builds(Address, TEXTS, TEXTS)
MAILS = st.builds(
    MailItem,
    subject=TEXTS,
    body=TEXTS,
    received_at=st.just(datetime(2026, 1, 2, tzinfo=UTC)),
    sent_at=st.just(datetime(2026, 1, 2, tzinfo=UTC)),
    body_type=st.sampled_from(["text", "html"]),
    sender=st.none() | ADDRESSES,
    to=st.lists(ADDRESSES, max_size=2).map(tuple),
    internet_message_id=st.none() | TEXTS,
    conversation=st.none() | TEXTS,
    importance=st.sampled_from(["low", "normal", "high"]),
    has_attachments=st.booleans(),
)
FRAGMENTS = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"--b",
            b"--b--",
            b"--b\r\n",
            b"--c\r\n",
            b"; charset=",
            b'"',
            b"\xff",
        ),
        *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Type: message/rfc822\r\n"),
        *(
            b"Content-Type: multipart/x; boundary*0=c\r\n",
            b"Content-Disposition: a; filename*=x''%",
        ),
        *(
            b"From: ",
            b"a@b, ",
            b"<",
            b">",
            b"(",
            b"=?utf-8?q?=FF?=",
            b"Group: a@b;",
            b"@",
            b"Date: x",
        ),
        *(b"Subject: x\r\n y\r\n", b"Content-Type: text/", b"Content-Type: /", b"name*1*=a", b"\0"),
    ]
)
RAW = b"Subject: =?x\r\n folded\r\nX-A: 1\r\nx-a: 2\r\n\r\nBody\r\n\r\nmore"


def bytes_of(mailbox: Mailbox, folder: str = "inbox") -> list[bytes | None]:
    state = SimulatedFolderReader(mailbox, mailbox.folders.find_folder(folder).number)
    presented = ImapMailbox(mailbox, ImapOptions())
    return [presented.read_message_bytes(each) for each in state.list_messages()]


def _named(value: Any) -> Any:
    """Return the value with a name for each address, as Graph shows them."""
    if isinstance(value, tuple):
        return tuple(map(_named, value))
    is_nameless = isinstance(value, Address) and not value.name
    return replace(value, name=value.address) if is_nameless else value


def test_a_parser_reads_what_the_mail_contains() -> None:
    for item in generate_mail_items(60, owner="ada@example.com", seed=2):
        parsed = parse_mail(compose_message(item))
        assert {name: _named(getattr(parsed, name)) for name in KEPT} == {
            name: _named(getattr(item, name)) for name in KEPT
        }


@given(MAILS)
def test_every_mail_has_bytes_and_one_header(item: MailItem) -> None:
    raw = compose_message(item)
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert extract_message_section(raw, "HEADER") + extract_message_section(raw, "TEXT") == raw
    assert header_value(raw, "Date") == "Fri, 02 Jan 2026 00:00:00 +0000"
    parsed = parse_mail(raw)
    assert (parsed.body_type, parsed.has_attachments) == (item.body_type, item.has_attachments)


def test_the_bytes_do_not_change_with_the_flags(mailbox: Mailbox) -> None:
    number = mailbox.deliver_message(a_mail("Grüße", has_attachments=True))
    before = bytes_of(mailbox)
    mailbox.change_message_fields(number, is_read=True, is_flagged=True, categories=("Red",))
    mailbox.copy_message(number, "inbox")
    assert bytes_of(mailbox) == before * 2


def test_changed_contents_are_another_message(mailbox: Mailbox) -> None:
    number = mailbox.deliver_message(a_mail("Draft", is_draft=True))
    state = SimulatedFolderReader(mailbox, mailbox.folders.find_folder("inbox").number)
    [before], mod_seq = state.list_messages(), state.highest_mod_seq
    mailbox.change_message_fields(number, subject="Changed")
    [after] = state.list_messages()
    assert before.uid < after.uid < state.uid_next
    assert list(state.uids_vanished_since_mod_seq(mod_seq)) == [before.uid]
    mailbox.move_message(number, "sent")
    assert list(state.uids_vanished_since_mod_seq(mod_seq)) == [before.uid, after.uid]


def test_loaded_mail_keeps_its_bytes(mailbox: Mailbox, tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(RAW.replace(b"\r\n", b"\n") + b"\0")
    mailbox.import_mail_items(load_mail_lazily(file, keeps_originals=True).items)
    assert bytes_of(mailbox) == [RAW + b"\x80"]
    [message] = mailbox.list_messages_in_folders("inbox")
    mailbox.change_message_fields(message.message_number, body="changed")
    assert bytes_of(mailbox) != [RAW + b"\x80"]
    rows = mailbox.database.fetch_rows(
        "SELECT * FROM original WHERE blob = ?", message.content_blob_id
    )
    assert rows == []


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("", (), RAW),
        ("HEADER", (), RAW[:-12]),
        ("TEXT", (), b"Body\r\n\r\nmore"),
        ("HEADER.FIELDS", ("x-A",), b"X-A: 1\r\nx-a: 2\r\n\r\n"),
        ("HEADER.FIELDS.NOT", ("x-A",), b"Subject: =?x\r\n folded\r\n\r\n"),
        ("HEADER.FIELDS", ("None",), b"\r\n"),
    ],
)
def test_sections(name: str, fields: tuple[str, ...], expected: bytes) -> None:
    assert extract_message_section(RAW, name, fields) == expected


@given(st.binary(max_size=60))
def test_sections_of_anything(raw: bytes) -> None:
    assert extract_message_section(raw, "HEADER") + extract_message_section(raw, "TEXT") == raw
    assert extract_message_section(raw, "HEADER.FIELDS", ["a"]).endswith(b"\r\n")


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS | st.binary(max_size=4), max_size=25).map(b"".join))
def test_the_parts_of_anything(raw: bytes) -> None:
    part = parse_part_tree(raw)
    for value in (format_envelope(raw), format_body_structure(part)):
        [parsed] = parse_words(value)
        assert isinstance(parsed, tuple)
    for name in ("1", "1.1", "2.HEADER", "1.MIME", "9.9.9"):
        assert extract_numbered_section(raw, name) in raw + b"\r\n"


@pytest.mark.parametrize("nesting", ["multipart/mixed; boundary=b", "message/rfc822"])
def test_a_message_of_many_levels_is_described_quickly(nesting: str) -> None:
    level = f"Content-Type: {nesting}\r\n\r\n--b\r\n".encode()
    began = time.monotonic()
    assert format_body_structure(parse_part_tree(level * 5000))
    assert format_body_structure(parse_part_tree(level + b"\r\n--b\r\n\r\nx" * 50_000))
    assert time.monotonic() - began < 10


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_folder_names_in_modified_utf7(name: str) -> None:
    encoded = encode_modified_utf7(name)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert decode_modified_utf7(encoded) == name


def test_a_mail_is_composed_without_its_states() -> None:
    item = a_mail("x")
    assert compose_message(item) == compose_message(replace(item, is_read=not item.is_read))
