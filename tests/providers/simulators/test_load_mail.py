"""Real mail is broken in many ways; all of it is loaded, and what is not is named."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localdev.mail.generate import generate_mail_items
from localdev.mail.item import MailItem, item_to_json
from localdev.mail.load import load_mail_lazily
from localdev.mail.parse import parse_mail, parse_mail_and_find_malformations
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.wire_time import format_utc_seconds
from mailsync.mime.preview import make_preview
from mailsync.model import Address

NASTY = Path(__file__).parent / "mail"
GOOD = (NASTY / "html_and_text.eml").read_bytes()
SEPARATOR = b"From a@example.com Fri May  1 12:00:00 2026\n"
# What a spoilt message has among the lines of others and random bytes.
FRAGMENTS = (
    b"\xff",
    b"\x00",
    b"\xed\xa0\x80",
    b"\n\nFrom a@b Wed Nov 25 10:00:00 2026\n",
    b"Content-Length: 12\n",
    b"=?utf-7?Q?+2AA-?=",
    b'\nContent-Type: text/html; charset="\xe9"\n\n<![foo[',
    b"\nContent-Type: message/rfc822\n\n",
    b"\nContent-Disposition: attachment; filename*99999999999999999999=x\n",
    b"\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n",
    b"\nDate: Mon, 1 Jan 0150 00:00:00 +9999\n",
    b'\nTo: "a\\" <b@c>, (((\n',
)


def nasty(name: str) -> MailItem:
    return parse_mail((NASTY / f"{name}.eml").read_bytes())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "split_character",
            {
                "subject": "日本語",
                "sender": Address("佐藤", "sato@example.jp"),
                "body": "お疲れ様です",
                "received_at": datetime(2026, 5, 1, 3, 0, tzinfo=UTC),
            },
        ),
        (
            "raw_latin_header",
            {
                "subject": "Reunión mañana",
                "sender": Address("José", "jose@example.es"),
                "body": "Hasta mañana",
            },
        ),
        (
            "unknown_charset",
            {
                "subject": "Grüße",
                "body": "Grüße aus Köln",
                "received_at": datetime(2026, 5, 1, 10, 0, tzinfo=UTC),
                "sent_at": datetime(2026, 5, 1, 10, 0, tzinfo=UTC),
            },
        ),
        ("html_and_text", {"body": "<p>rich é</p>", "body_type": "html", "has_attachments": True}),
        ("broken_headers", {"subject": "", "received_at": datetime(1970, 1, 1, tzinfo=UTC)}),
        (
            "bytes_in_ids",
            {
                "sender": Address("Jörg", "jörg@example.com"),
                "to": (Address("René @ home", "rené@example.com"),),
                "internet_message_id": "<été@example.com>",
                "conversation": "<début@example.com>",
                "body": "hello",
            },
        ),
        ("half_surrogate", {"subject": "half \ufffd", "body": "half \ufffd whole \U0001f600"}),
    ],
)
def test_broken_mail_is_read_as_what_was_meant(name: str, expected: dict[str, Any]) -> None:
    mail = nasty(name)

    found = {field: getattr(mail, field) for field in expected}
    assert {**found, **({"body": mail.body.strip()} if "body" in found else {})} == expected


def test_a_parameter_that_cannot_be_read_costs_no_message() -> None:
    mail = nasty("broken_parameters")

    assert (mail.body_type, mail.has_attachments) == ("html", True)
    assert "<p>body</p>" in mail.body
    assert format_utc_seconds(mail.received_at) == "0150-01-01T00:00:00Z"


def test_parts_that_are_nested_too_deeply_are_one_text() -> None:
    level = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n'
    nested = b"".join(level % (each, each) for each in range(3000))

    mail, oddities = parse_mail_and_find_malformations(
        b"From: a@example.com\nSubject: deep\n" + nested + b"\nend\n"
    )

    assert (mail.subject, mail.body[-4:]) == ("deep", "end\n")
    assert "has parts nested more than 20 deep, so the deepest are one text" in oddities


def test_files_of_a_folder_that_are_no_mail_are_named(tmp_path: Path) -> None:
    (tmp_path / "Work" / "Old").mkdir(parents=True)
    files = {
        "empty.eml": b"",
        "binary.eml": bytes(range(256)) * 9,
        "notes.txt": b"notes",
        ".DS_Store": b"\0",
        "Work/a.EML": b"\xef\xbb\xbf\r\n" + GOOD,
        "Work/Old/with a separator.eml": SEPARATOR + GOOD,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "gone.eml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "linked").symlink_to(NASTY)
    os.mkfifo(tmp_path / "pipe.eml")

    loaded = load_mail_lazily(tmp_path)

    assert [(each.folder, each.subject) for each in loaded.items] == [
        (("Work",), "Two bodies"),
        (("Work", "Old"), "Two bodies"),
    ]
    assert {str(each) for each in loaded.problems_of_skipped_mail} == {
        "binary.eml: it has no header that mail has",
        "empty.eml: empty message",
        "gone.eml: it cannot be read (No such file or directory)",
        "linked: it is a link to a folder, which is not followed",
        "notes.txt: its name does not end with .eml",
        "pipe.eml: it cannot be read (it is no regular file)",
    }


def test_a_maildir_may_have_odd_names(tmp_path: Path) -> None:
    names = {
        "cur/1:2,S": ((), True),
        "cur/2;2,RS": ((), True),
        "new/3": ((), False),
        ".Work.Entw&APw-rfe/cur/4,S=9:2,": (("Work", "Entwürfe"), False),
        ".A &- B.&nope-/new/5": (("A & B", "&nope-"), False),
        os.fsdecode(b".Caf\xe9/cur/6\n\xff:2,S"): (("Café",), True),
    }
    for name in [*names, "tmp/7", "dovecot-uidlist", ".Work.Entw&APw-rfe/maildirfolder"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(GOOD)
        (tmp_path / name).parent.with_name("cur").mkdir(exist_ok=True)

    loaded = load_mail_lazily(tmp_path)

    found = sorted((each.folder, each.is_read) for each in loaded.items)
    assert (found, loaded.problems_of_skipped_mail) == (sorted(names.values()), [])


def test_every_nasty_mail_is_served_by_the_simulator(mailbox: Mailbox, graph: httpx.Client) -> None:
    stored = mailbox.import_mail_items(load_mail_lazily(NASTY).items)

    listed = graph.get("/me/mailFolders/inbox/messages?$top=100").json()["value"]

    assert len(listed) == stored == len(list(NASTY.glob("*.eml")))


LINES = [
    line for each in sorted(NASTY.glob("*.eml")) for line in each.read_bytes().splitlines(True)
]
SPOILT = st.sampled_from([SEPARATOR, *LINES]) | st.sampled_from(FRAGMENTS) | st.binary(max_size=9)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(SPOILT, max_size=40).map(b"".join), st.sampled_from(["x.eml", "x.mbox"]))
def test_whatever_happens_to_its_bytes_a_mail_is_loaded_or_named(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)

    loaded = load_mail_lazily(path)
    items = list(loaded.items)

    assert items or loaded.problems_of_skipped_mail
    for item in items:
        assert orjson.dumps([item_to_json(item), make_preview(item.body, item.body_type)])
    assert not [
        each
        for each in (*loaded.problems_of_skipped_mail, *loaded.problems_of_loaded_mail)
        if "\n" in str(each)
    ]


def test_generated_mail_is_the_same_for_the_same_seed() -> None:
    first, again, other = (
        list(generate_mail_items(300, owner="ada@example.com", seed=seed)) for seed in (1, 1, 2)
    )

    assert first == again != other
