"""A mail read from the parts that Gmail makes of it equals the one from its raw bytes."""

from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailsync.mime import ParsedMessage, parse_message
from mailsync.providers.gmail.payload import parse_message_from_payload
from tests.support.gmail_payload import payload_of
from tests.support.paths import ROOT
from tests.unit.mime.test_round_trip import LETTERS, LINES, UNFOLDED, WORDS

ENCODINGS = st.sampled_from(["base64", "quoted-printable", "8bit"])
CHARSETS = st.sampled_from(["utf-8", "iso-8859-1", "windows-1251", "iso-2022-jp", "gb18030"])
NAMES = st.text(LETTERS, min_size=1, max_size=12)
ODD_MAILS = [
    path
    for path in sorted((ROOT / "tests" / "providers" / "simulators" / "mail").glob("*.eml"))
    if path.stem != "broken_parameters"  # the standard library raises an error for it
]


def without_details(mail: ParsedMessage | None) -> ParsedMessage | None:
    """The mail without what no row has: attachments themselves, and what is malformed."""
    return mail and replace(mail, attachments=(), parsing_problem_descriptions=())


def written(data: st.DataObject) -> EmailMessage:
    """A mail with texts, and perhaps attachments, in an encoding and charset of its own each."""
    message = EmailMessage(policy=UNFOLDED)
    message["Subject"] = data.draw(WORDS)
    message["Date"], message["Message-ID"] = "Sun, 20 Sep 2026 15:16:00 +0000", "<1@example.org>"
    message["From"] = Address(data.draw(WORDS), "ada", "example.org")
    message["To"] = [Address(data.draw(NAMES), f"to{n}", "example.org") for n in range(2)]
    charset, text = data.draw(CHARSETS), data.draw(LINES)
    encoding = data.draw(ENCODINGS) if charset == "utf-8" else "base64"
    text = text.encode(charset, "ignore").decode(charset)
    message.set_content(text, charset=charset, cte=encoding)
    if data.draw(st.booleans()):
        message.add_alternative(data.draw(LINES), subtype="html", cte=data.draw(ENCODINGS))
    if data.draw(st.booleans()):
        message.add_attachment(
            data.draw(st.binary(max_size=50)), maintype="text", subtype="plain", filename="a.txt"
        )
    return message


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.data(), st.booleans())
def test_a_mail_is_the_same_from_its_parts_as_from_its_bytes_or_left_to_them(
    data: st.DataObject, decodes_words: bool
) -> None:
    raw = written(data).as_bytes()

    found = parse_message_from_payload(payload_of(raw, decodes_words=decodes_words))

    assert without_details(found) in (None, without_details(parse_message(raw)))
    assert found or decodes_words


@pytest.mark.parametrize("path", ODD_MAILS, ids=lambda path: path.stem)
def test_an_odd_mail_is_the_same_or_left_to_its_bytes(path: Path) -> None:
    raw = path.read_bytes()

    found = parse_message_from_payload(payload_of(raw))

    assert without_details(found) in (None, without_details(parse_message(raw)))


def a_payload(**changed: Any) -> dict[str, Any]:
    fields = {"From": "a@x", "Date": "Sun, 20 Sep 2026 15:16:00 +0000", "Message-ID": "<1@x>"}
    body = {"size": 3, "data": "YWJj"}
    headers = [{"name": name, "value": value} for name, value in fields.items()]
    return {"mimeType": "text/plain", "filename": "", "headers": headers, "body": body, **changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"mimeType": "text/html"},
        {"mimeType": "multipart/mixed"},
        {"filename": "a.txt"},
        {"headers": []},
        {"headers": [*a_payload()["headers"], {"name": "To", "value": "Zoë, Jr. <z@x>"}]},
        {"headers": [*a_payload()["headers"], {"name": "From", "value": "b@x"}]},
        {"headers": [*a_payload()["headers"], {"name": "Subject", "value": "\ufffd"}]},
        {"body": {"size": 4, "data": "YWJj"}},
        {"body": {"size": 3, "attachmentId": "A"}},
        {"body": {"size": 2, "data": "_-8="}},
        {"body": {"size": 10**8, "data": "YWJj"}},
        {"body": None},
        {"headers": None},
    ],
)
def test_what_is_uncertain_is_left_to_the_raw_message(changed: dict[str, Any]) -> None:
    assert parse_message_from_payload(a_payload()) is not None

    assert parse_message_from_payload(a_payload(**changed)) is None
    assert parse_message_from_payload(None) is None
