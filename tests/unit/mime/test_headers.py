"""What a header says is read, however the program that wrote it broke the rules."""

from datetime import UTC, datetime

import pytest

from mailsync.mime import ParsedMessage, parse_message
from mailsync.mime.addresses import parse_addresses


def mail(header: bytes, body: bytes = b"body\n") -> ParsedMessage:
    return parse_message(header + b"\n\n" + body)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("Grüße".encode(), "Grüße", id="UTF-8 without a charset"),
        pytest.param(b"Gr\xfc\xdfe \x80 5", "Grüße € 5", id="Windows-1252 without a charset"),
        pytest.param("日本語".encode()[:-1], "日本\ufffd", id="UTF-8 that was cut"),
        pytest.param(b"\x1b$BF|K\\\x1b(B x", "日本 x", id="ISO-2022-JP without a charset"),
        pytest.param(b"\xed\xa0\xbd\xed\xb8\x80 \xed\xa0\xbd", "😀 \ufffd", id="CESU-8"),
        pytest.param(b"=?utf-8?q?a_b?=\n =?utf-8?b?Yw==?=", "a bc", id="adjacent words"),
        pytest.param(b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c", id="words and text"),
        pytest.param(b"=?utf-8?b?5pel5g==?= =?utf-8?b?nKw=?=", "日本", id="a split character"),
        pytest.param(b'"=?utf-8?q?quoted?="', '"quoted"', id="inside quotes"),
        pytest.param(b"H=?iso-8859-1?b?9g==?=hn", "Höhn", id="inside a word"),
        pytest.param(b"=?utf-8?q?two words?=", "two words", id="blanks in a word"),
        pytest.param(b"=?utf-8*en?q?x?=", "x", id="language"),
        pytest.param(b"=?iso-8859-1?q?=93x=94?=", "“x”", id="iso-8859-1 is Windows-1252"),
        pytest.param(b"=?gb2312?b?6UY=?=", "镕", id="gb2312 is GB 18030"),
        pytest.param(b"=?ks_c_5601-1987?b?jGM=?=", "똠", id="ks_c_5601 is CP949"),
        pytest.param(b"=?iso-2022-jp?b?GyRCLSEbKEI=?=", "①", id="NEC characters"),
        pytest.param(b"=?unknown-8bit?b?w7w=?=", "ü", id="unknown-8bit"),
        pytest.param(b"=?x-nothing?q?=FC?=", "ü", id="unknown charset"),
        pytest.param(b"=?utf-8?b?YWJj*ZGU?=", "abcde", id="damaged base64"),
        pytest.param(b"=?utf-8?x?abc?=", "=?utf-8?x?abc?=", id="no encoding"),
        pytest.param(b"=?utf-7?q?+AGE-?=", "a", id="UTF-7"),
        pytest.param(b"a\x00b\r\n\tc", "ab c", id="NUL and folding"),
        pytest.param(b"=?utf-16be?b?2AA=?=", "\ufffd", id="half a surrogate pair"),
        pytest.param(b"=?utf-8?b?77u/eA==?=", "x", id="byte order mark"),
    ],
)
def test_subjects(value: bytes, expected: str) -> None:
    assert mail(b"Subject: " + value).subject == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            "sales@example.com <do-not-reply@example.com>",
            [("sales@example.com", "do-not-reply@example.com")],
        ),
        (
            "Ada@Work <ada@example.com>, bo@example.com",
            [("Ada@Work", "ada@example.com"), ("", "bo@example.com")],
        ),
        ("Team: Ada <ada@x>, bo@y (Bo B.);", [("Ada", "ada@x"), ("Bo B.", "bo@y")]),
        ("ada@x (Ada (the first) L.)", [("Ada (the first) L.", "ada@x")]),
        ("<ada@x> (Ada)", [("Ada", "ada@x")]),
        ("undisclosed-recipients:;", []),
        ("Lovelace, Ada <ada@x>; bo@y", [("Lovelace, Ada", "ada@x"), ("", "bo@y")]),
        ('"Lovelace, Ada" <ada@x>', [("Lovelace, Ada", "ada@x")]),
        ('"Ada \\"L\\"" <ada@x>', [('Ada "L"', "ada@x")]),
        ('"Never closed <ada@x>, bo@y', [("Never closed", "ada@x"), ("", "bo@y")]),
        ("Ada <ada@x> Bo <bo@y", [("Ada", "ada@x"), ("Bo", "bo@y")]),
        ('"john doe"@example.com', [("", '"john doe"@example.com')]),
        ("ada@[IPv6:2001::1]", [("", "ada@[IPv6:2001::1]")]),
        ("<@a,@b:ada@x>", [("", "ada@x")]),
        ("=?utf-8?Q?Foo: B=C3=A4r, (x)?= <ada@x>", [("Foo: Bär, (x)", "ada@x")]),
        ('"=?utf-8?Q?B=C3=A4r?=" <ada@x>', [("Bär", "ada@x")]),
        ("Ada Lovelace ada @ x", [("Ada Lovelace", "ada@x")]),
        ("MAILER-DAEMON", [("", "MAILER-DAEMON")]),
        ("a@x,,b@y,", [("", "a@x"), ("", "b@y")]),
        ("<>", []),
    ],
)
def test_addresses(value: str, expected: list[tuple[str, str]]) -> None:
    assert [(each.name, each.address) for each in parse_addresses(value)] == expected


def test_a_missing_name_is_the_address_and_all_fields_of_a_name_count() -> None:
    found = mail(b"Sender: s@x\nTo: a@x\nto: Bo <b@x>\nCc: J\xc3\xb6rg <j@x>\nReply-To: r@x")

    assert [(each.name, each.address) for each in found.to] == [("a@x", "a@x"), ("Bo", "b@x")]
    assert found.cc[0].name == "Jörg"
    assert (found.from_or_sender_address, found.reply_to[0].address) == (
        parse_addresses("s@x <s@x>")[0],
        "r@x",
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Thu, 1 Jan 2026 10:00:00 +0100 (CET)", datetime(2026, 1, 1, 9, tzinfo=UTC)),
        ("1 Jan 26 10:00 GMT", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("Thu Jan  1 10:00:00 2026", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("Thu, 01 Jan 2026 10.00.00 -0500", datetime(2026, 1, 1, 15, tzinfo=UTC)),
        ("Thu, 1 Jan 2026 10:00:00 GMT+0200", datetime(2026, 1, 1, 8, tzinfo=UTC)),
        ("2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("Mon, 1 Jan 0150 00:00:00 +0000", datetime(150, 1, 1, tzinfo=UTC)),
        ("Thu, 32 Jan 2026 10:00:00 +0000", None),
        ("Thu, 1 Jan 2026 10:00:00 +9999", None),
        ("00-Jan-0000 00:00:00 +0000", None),
        ("yesterday", None),
    ],
)
def test_a_date_that_cannot_be_read_is_none(value: str, expected: datetime | None) -> None:
    found = mail(b"Date: " + value.encode())

    assert found.sent_at == expected
    assert ("has a date that cannot be read" in found.parsing_problem_descriptions) == (
        expected is None
    )


@pytest.mark.parametrize(
    ("header", "message_id", "in_reply_to", "references"),
    [
        (b"Message-ID: <a@b@c>\nIn-Reply-To: <x@y@z>", "<a@b@c>", "<x@y@z>", ()),
        (b"Message-ID: <a@b> (added by server)", "<a@b>", None, ()),
        (b"Message-ID:\n <a@\n b>", "<a@b>", None, ()),
        (b"Message-ID: a@b", "a@b", None, ()),
        (b"References: <a@b><c@d>\n\t<e@f>, x", None, None, ("<a@b>", "<c@d>", "<e@f>")),
        (b"In-Reply-To: Your mail of Monday <a@b> and <c@d>", None, "<a@b>", ()),
        (b"To: A <a@b>\nIn-Reply-To: Mail from A <a@b> of Monday <c@d>", None, "<c@d>", ()),
        (b"Message-ID: <\xc3\xa9t\xc3\xa9@b>", "<été@b>", None, ()),
        (b"Message-ID: <>", "<>", None, ()),
    ],
)
def test_identifiers_stay_as_they_are(
    header: bytes, message_id: str | None, in_reply_to: str | None, references: tuple[str, ...]
) -> None:
    found = mail(header)

    assert (found.internet_message_id, found.in_reply_to) == (message_id, in_reply_to)
    assert found.referenced_message_ids == references


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Importance: High", "high"),
        (b"X-Priority: 1 (Highest)", "high"),
        (b"X-Priority: 5", "low"),
        (b"Priority: non-urgent", "low"),
        (b"X-Priority: 3\nImportance: low", "low"),
        (b"Importance: whatever", "normal"),
        (b"X: y", "normal"),
    ],
)
def test_importance(header: bytes, expected: str) -> None:
    assert mail(header).importance == expected


@pytest.mark.parametrize(
    ("raw", "subject", "text"),
    [
        pytest.param(b"Subject: s\r\n\r\nt\r\n", "s", "t\n", id="CRLF"),
        pytest.param(b"Subject: s\r\rt\r", "s", "t\n", id="CR"),
        pytest.param(b"\xef\xbb\xbf\r\n\nSubject: s\n\nt", "s", "t", id="leading lines"),
        pytest.param(b"From x Thu\nSubject: s\n\nt", "s", "t", id="mbox line"),
        pytest.param(b"stray line\nSubject: s\n\nt", "s", "t", id="a stray line"),
        pytest.param(b"Subject: s\nno blank line\n\nt", "s", "no blank line\n\nt", id="no end"),
        pytest.param(b"Subject : s\n\nt", "s", "t", id="blank before the colon"),
        pytest.param(b"Subject:\n\nt", "", "t", id="empty field"),
        pytest.param(b"Subject: s", "s", "", id="only a header"),
        pytest.param(b"no header at all\n", "", "no header at all\n", id="only a body"),
        pytest.param(b"", "", "", id="nothing"),
    ],
)
def test_where_the_header_ends(raw: bytes, subject: str, text: str) -> None:
    found = parse_message(raw)

    assert (found.subject, found.body_text) == (subject, text)
