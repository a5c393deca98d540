"""Which parts of a message are its body, what they say, and what is attached."""

import base64
import hashlib

import pytest

from mailsync.mime import ParsedMessage, parse_message

MIXED = b"Content-Type: multipart/mixed; boundary=b\n\n"
PLAIN = b"--b\nContent-Type: text/plain\n\nhello\n"


def part(header: bytes, body: bytes = b"x") -> bytes:
    return b"--b\n" + header + (b"\n\n" if header else b"\n") + body + b"\n"


def mixed(*parts: bytes) -> ParsedMessage:
    return parse_message(MIXED + PLAIN + b"".join(parts) + b"--b--\n")


def text_of(content_type: bytes, body: bytes, encoding: bytes = b"8bit") -> str | None:
    header = b"Content-Type: %s\nContent-Transfer-Encoding: %s\n\n" % (content_type, encoding)
    return parse_message(header + body).body_text


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        pytest.param(b"text/plain", "Grüße".encode(), "Grüße", id="UTF-8 without a charset"),
        pytest.param(b"text/plain", b"Gr\xfc\xdfe", "Grüße", id="Windows-1252 without a charset"),
        pytest.param(b"text/plain; charset=us-ascii", b"\x93a\x94", "“a”", id="not ASCII"),
        pytest.param(b"text/plain; charset=iso-8859-1", b"\x80\x81", "€\x81", id="euro and a hole"),
        pytest.param(b"text/plain; charset=utf-8", b"Gr\xfc\xdfe", "Grüße", id="not UTF-8"),
        pytest.param(
            b"text/plain; charset=utf-8", "日本語 ".encode() + b"\xe6", "日本語 \ufffd", id="cut"
        ),
        pytest.param(b"text/plain; charset=gb2312", b"\xe9F \xff", "镕 \ufffd", id="damaged"),
        pytest.param(
            b"text/plain; charset=iso-2022-jp",
            b"\x1b$BF|K\\-!\x1b(B \x1b$B!",
            "日本① ",
            id="7 bits",
        ),
        pytest.param(b"text/plain; charset=big5", b"\xa4\xa4\xa4\xe5", "中文", id="Big5"),
        pytest.param(b"text/plain; charset=x-sjis", b"\x87\x40", "①", id="x-sjis"),
        pytest.param(b"text/plain; charset=euc-kr", b"\xb0\xa1", "가", id="EUC-KR"),
        pytest.param(b"text/plain; charset=koi8-r", b"\xf0", "П", id="KOI8-R"),
        pytest.param(b"text/plain; charset=iso-8859-8-i", b"\xe0", "א", id="iso-8859-8-i"),
        pytest.param(b"text/plain; charset=tis-620", b"\xa1", "ก", id="TIS-620"),
        pytest.param(b"text/plain; charset=hz-gb-2312", b"~{VPND~}", "中文", id="HZ"),
        pytest.param(b"text/plain; charset=utf-16", b"\xff\xfea\0", "a", id="UTF-16"),
        pytest.param(b"text/plain; charset=idna", b"\xc3\xbc", "ü", id="no charset of mail"),
        pytest.param(
            b"text/plain; charset=raw-unicode-escape", b"\xfc\\u0041", "ü\\u0041", id="escapes"
        ),
        pytest.param(b"text/plain; charset=hex", b"\xc3\xbc", "ü", id="a codec for bytes"),
        pytest.param(b'text/plain; charset="utf-8', b"\xc3\xbc", "ü", id="unclosed quote"),
        pytest.param(b"text/plain charset=koi8-r", b"\xf0", "П", id="no semicolon"),
        pytest.param(b"text/plain; charset*=utf-8''koi8-r", b"\xf0", "П", id="RFC 2231"),
        pytest.param(b"text", b"a\r\n\0b", "a\nb", id="no subtype, CRLF and NUL"),
    ],
)
def test_texts_are_read_in_the_charset_that_is_meant(
    content_type: bytes, body: bytes, expected: str
) -> None:
    assert text_of(content_type, body) == expected


@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        (b"base64", b"aGVs\r\nbG8=\n", "hello"),
        (b"Base64 (comment)", b"aGVsbG8", "hello"),
        (b"base64", b"aGV*s bG8!=", "hello"),
        (b"base64", b"aGVsbG8=\n-- \nA list's footer\n", "hello"),
        (b"base64", b"aGVsbA==\nbw==\n", "hello"),
        (b"base64", b"aGVsbG8gd", "hello "),
        (b"quoted-printable", b"h=65ll=\r\no=3D", "hello="),
        (b"quoted-printable", b"hel= \t\nlo =zz", "hello =zz"),
        (b"x-uuencode", b"begin 644 a.txt\n%:&5L;&\\\n`\nend\n", "hello"),
        (b"unknown", b"hello", "hello"),
    ],
)
def test_damaged_content_is_decoded_as_far_as_it_goes(
    encoding: bytes, body: bytes, expected: str
) -> None:
    assert text_of(b"text/plain", body, encoding) == expected


def test_a_uuencoded_file_in_a_text_is_an_attachment() -> None:
    block = b"begin 644 my file.txt\n%:&5L;&\\\n`\nend\n"
    found = parse_message(b"X: y\n\nbefore\n" + block + b"begin with this\nand end\n")

    [attached] = found.attachments
    assert found.body_text == "before\nbegin with this\nand end\n"
    assert (attached.file_name, attached.decode_content()) == ("my file.txt", b"hello")
    assert found.has_attachments


def test_short_uuencoded_lines_are_not_larger_than_the_mail() -> None:
    header = b"Content-Type: a/b\nContent-Transfer-Encoding: x-uuencode"
    [found] = mixed(part(header, b"begin 644 a\n" + b"M\n" * 10_000)).attachments

    assert 10_000 < found.decoded_size_bytes < 30_000


def test_a_long_quoted_printable_text_is_cut_nowhere() -> None:
    text = "é" * 50_000 + "\n" + "word " * 30_000
    encoded = "".join(f"={each:02X}" for each in text.encode()).encode()
    lines = b"=\r\n".join(encoded[at : at + 75] for at in range(0, len(encoded), 75))

    assert text_of(b"text/plain; charset=utf-8", encoded, b"quoted-printable") == text
    assert text_of(b"text/plain; charset=utf-8", lines, b"quoted-printable") == text


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (b"text/plain; format=flowed", b"one \ntwo\nthree\n", "one two\nthree\n"),
        (b"text/plain; format=flowed; delsp=yes", b"on \ne\n", "one\n"),
        (
            b"text/plain; format=flowed",
            b"> one \n> two\n>> three \nfour",
            "> one two\n>> three \nfour",
        ),
        (b"text/plain; format=flowed", b"  stuffed\n From", " stuffed\nFrom"),
        (b"text/plain; format=flowed", b"end \n-- \nAda\n", "end \n-- \nAda\n"),
        (b"text/plain", b"one \ntwo\n", "one \ntwo\n"),
    ],
)  # fmt: skip
def test_flowed_lines_are_joined(content_type: bytes, body: bytes, expected: str) -> None:
    assert text_of(content_type, body) == expected


ALTERNATIVE = (
    b"Content-Type: multipart/alternative; boundary=a\n\n--a\n\nplain\n--a\n"
    b"Content-Type: text/html\n\n<p>rich</p>\n--a\nContent-Type: text/x-amp-html\n\namp\n--a--"
)


@pytest.mark.parametrize(
    ("parts", "text", "html", "names"),
    [
        pytest.param([part(ALTERNATIVE)], "hello\nplain", "<p>rich</p>", [], id="alternatives"),
        pytest.param([part(b"", b"footer")], "hello\nfooter", None, [], id="a footer"),
        pytest.param(
            [part(b"Content-Type: text/plain; name=a.txt")], "hello", None, ["a.txt"], id="named"
        ),
        pytest.param(
            [part(b"Content-Disposition: attachment")], "hello", None, [""], id="no name"
        ),
        pytest.param(
            [part(b"Content-Type: application/ms-tnef; name=winmail.dat")],
            "hello", None, ["winmail.dat"], id="TNEF",
        ),
        pytest.param(
            [part(b"Content-Type: message/rfc822", b"Subject: s\n\nnested")],
            "hello", None, [""], id="a message",
        ),
        pytest.param(
            [part(b"", b"=ybegin line=128 size=1 name=x")],
            "hello\n=ybegin line=128 size=1 name=x", None, [], id="yEnc",
        ),
    ],
)  # fmt: skip
def test_what_is_body_and_what_is_attached(
    parts: list[bytes], text: str, html: str | None, names: list[str]
) -> None:
    found = mixed(*parts)

    assert (found.body_text, found.body_html) == (text, html)
    assert [each.file_name for each in found.attachments] == names
    assert found.has_attachments == bool(names)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Content-Disposition: attachment; filename=my file (1).pdf", "my file (1).pdf"),
        (b'Content-Disposition: attachment; filename="a;b\\"c.pdf"', 'a;b"c.pdf'),
        (b'Content-Disposition: attachment; filename="C:\\dir\\a.pdf"', "C:\\dir\\a.pdf"),
        (b'Content-Disposition: attachment; filename="=?utf-8?q?=C3=BC=2Epdf?="', "ü.pdf"),
        (b'Content-Type: image/png;\n name="=?utf-8?b?w7w=?=\n =?utf-8?b?LnBuZw==?="', "ü.png"),
        (b"Content-Disposition: attachment; filename*=utf-8'de'%c3%bc.pdf", "ü.pdf"),
        (b"Content-Disposition: attachment; filename*=%c3%bc.pdf; filename=u.pdf", "ü.pdf"),
        (
            b"Content-Disposition: attachment; filename*1*=utf-8''%bc; filename*0*=utf-8''%c3;\n"
            b" filename*2=.pdf",
            "ü.pdf",
        ),
        (b"Content-Disposition: attachment; filename=\xc3\xbc.pdf", "ü.pdf"),
        (b"Content-Disposition: attachment; filename=\xfc.pdf", "ü.pdf"),
        (b"Content-Disposition: attachment; filename*99999999999=x; filename*1=y", ""),
    ],
)
def test_file_names(header: bytes, expected: str) -> None:
    assert [each.file_name for each in mixed(part(header)).attachments] == [expected]


def test_an_attachment_knows_its_size_and_hash_and_a_nested_message_keeps_its_bytes() -> None:
    nested = b"Subject:  odd\r\n\tfolding\r\n\r\n--b-- no delimiter\r\n"
    content = bytes(range(256)) * 1_000
    header = b"Content-Type: application/x; name=x\nContent-Transfer-Encoding: base64"
    found = mixed(
        part(header, base64.encodebytes(content)), part(b"Content-Type: message/rfc822", nested)
    )

    sizes = [(each.decoded_size_bytes, each.compute_sha256()) for each in found.attachments]
    expected = [content, nested]
    assert sizes == [(len(each), hashlib.sha256(each).hexdigest()) for each in expected]
    assert found.attachments[1].decode_content() == nested
    assert found.subject == ""


IMAGE = b"Content-Type: image/png\nContent-ID: <i@x>"


@pytest.mark.parametrize(
    ("raw", "is_inline"),
    [
        pytest.param(
            MIXED + part(b"Content-Type: text/html", b'<img src="cid:i%40x">') + part(IMAGE),
            True, id="shown by the HTML",
        ),
        pytest.param(
            MIXED + part(b"Content-Type: text/html", b"<p>") + part(IMAGE), False, id="not shown"
        ),
        pytest.param(
            MIXED.replace(b"mixed", b"related") + PLAIN + part(IMAGE), True, id="related"
        ),
        pytest.param(
            MIXED.replace(b"mixed", b"related") + PLAIN
            + part(IMAGE + b"\nContent-Disposition: attachment"),
            False, id="related, but attached",
        ),
        pytest.param(
            MIXED + PLAIN + part(b"Content-Type: application/pdf\nContent-Disposition: inline"),
            False, id="a document",
        ),
        pytest.param(
            MIXED.replace(b"mixed", b"signed") + PLAIN
            + part(b"Content-Type: application/pgp-signature; name=signature.asc"),
            True, id="a signature",
        ),
    ],
)  # fmt: skip
def test_inline_attachments_do_not_count(raw: bytes, is_inline: bool) -> None:
    found = parse_message(raw + b"--b--\n")

    assert [each.is_inline for each in found.attachments] == [is_inline]
    assert found.has_attachments is not is_inline


@pytest.mark.parametrize(
    ("raw", "text", "problem"),
    [
        pytest.param(
            MIXED + PLAIN, "hello\n", "does not end the last of its parts", id="no closing boundary"
        ),
        pytest.param(
            MIXED + part(ALTERNATIVE.replace(b"--a--", b"")) + part(b"", b"end") + b"--b--",
            "plain\nend", "does not end the last of its parts", id="none in a nested multipart",
        ),
        pytest.param(
            (MIXED + PLAIN + b"--b--\n").replace(b"\n", b"\r\n"), "hello", None, id="CRLF"
        ),
        pytest.param(MIXED + b"only text\n", "only text\n", "has none", id="no parts"),
        pytest.param(MIXED[:-2] + b"x\n\n" + PLAIN + b"--b--", "hello", "does not use", id="wrong"),
        pytest.param(MIXED + b"--b\nno header\n--b--\n", "no header", None, id="no header"),
        pytest.param(
            MIXED + b"--bb\n" + PLAIN + b"--b--x\n--b--", "hello\n--b--x", None, id="another line"
        ),
    ],
)  # fmt: skip
def test_malformed_parts(raw: bytes, text: str, problem: str | None) -> None:
    found = parse_message(raw)

    assert found.body_text == text
    assert [
        each for each in found.parsing_problem_descriptions if problem and problem in each
    ] or problem is None


CALENDAR = b"BEGIN:VCALENDAR\nMETHOD:%s\nEND:VCALENDAR\n"


@pytest.mark.parametrize(
    ("header", "body", "kind"),
    [
        (b"Content-Type: text/plain", b"x", "message"),
        (b"Content-Type: text/calendar; method=REQUEST", b"", "eventMessageRequest"),
        (b"Content-Type: text/calendar", CALENDAR % b"REPLY", "eventMessageResponse"),
        (b"Content-Type: text/calendar", CALENDAR % b"CANCEL", "eventMessage"),
        (b"Content-Type: text/calendar; method=X\nContent-Disposition: attachment", b"", "message"),
        (b"Content-Type: multipart/signed; boundary=b", PLAIN, "signed"),
        (b"Content-Type: multipart/encrypted; boundary=b", PLAIN, "encrypted"),
        (b"Content-Type: multipart/report; boundary=b", PLAIN, "report"),
        (b"Content-Type: application/pkcs7-mime; smime-type=signed-data", b"", "signed"),
        (b"Content-Type: application/x-pkcs7-mime; name=smime.p7m", b"", "encrypted"),
        (b"X: y", b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nclear\n", "signed"),
        (b"X: y", b"-----BEGIN PGP MESSAGE-----\n\nhQEM\n", "encrypted"),
    ],
)  # fmt: skip
def test_kinds(header: bytes, body: bytes, kind: str) -> None:
    assert parse_message(header + b"\n\n" + body).message_kind == kind


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        (b"text/plain", b"  one\n\n two  " + b"x" * 300, "one two " + "x" * 247),
        (b"text/html", b"<style>p{}</style><p>a<b>b</b>c</p><p>d &amp; e", "abc d & e"),
        (b"text/html", b"<head><title>t</title><!-- <p> --><body>x<![if !mso]>y<![endif]>", "xy"),
        (b"text/html", b"<a title=\"a>b\" data='<'>x</a> &#99999999999; 1 < 2", "x \ufffd; 1 < 2"),
        (b"text/html", b"<p don't>it's</p><!-- never closed", "it's"),
    ],
)
def test_previews(content_type: bytes, body: bytes, expected: str) -> None:
    assert parse_message(b"Content-Type: " + content_type + b"\n\n" + body).preview == expected


def test_html_without_a_charset_may_name_its_own() -> None:
    body = b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>\xf0'

    assert (parse_message(b"Content-Type: text/html\n\n" + body).body_html or "")[-1] == "П"
