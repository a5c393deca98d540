"""A "From " line may be the next message or a line of a body; both are kept, and doubt is named."""

from pathlib import Path

import pytest

from localdev.mail.item import MailItem
from localdev.mail.load import MailFileProblemDescription, load_mail_lazily

FIRST = b"From: a@example.com\nSubject: first\nDate: Fri, 1 May 2026 12:00:00 +0000\n\n"
SECOND = b"From: b@example.com\nSubject: second\nDate: Fri, 1 May 2026 12:00:00 +0000\n\n"
LINE = b"From a@example.com Fri May  1 12:00:00 2026\n"
SENTENCE = b"From my point of view\nthis is no header.\n"


def loaded(
    tmp_path: Path, content: bytes
) -> tuple[list[MailItem], list[MailFileProblemDescription], list[MailFileProblemDescription]]:
    path = tmp_path / "box"
    path.write_bytes(content)
    found = load_mail_lazily(path)
    return list(found.items), found.problems_of_skipped_mail, found.problems_of_loaded_mail


def with_length(header: bytes, body: bytes, length: int | None = None) -> bytes:
    field = b"Content-Length: %d\n" % (len(body) if length is None else length)
    return LINE + field + header + body + b"\n"


@pytest.mark.parametrize(
    ("first", "body"),
    [
        pytest.param(
            FIRST + b">From here\n>>From there\n", "From here\n>From there\n", id="mboxrd"
        ),
        pytest.param(FIRST + SENTENCE, SENTENCE.decode(), id="not quoted"),
        pytest.param(
            FIRST + b"x\n\n" + SENTENCE, f"x\n\n{SENTENCE.decode()}", id="after a blank line"
        ),
        pytest.param(
            FIRST + b"x\n\n" + LINE + b"that was one\n",
            f"x\n\n{LINE.decode()}that was one\n",
            id="a quoted separator",
        ),
        pytest.param(FIRST + b"text\n", "text\n", id="plain"),
        pytest.param(FIRST, "", id="empty body"),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_line_of_a_body_is_no_separator(
    tmp_path: Path, first: bytes, body: str, line_end: bytes
) -> None:
    content = LINE + first + b"\n" + LINE + SECOND + b"end\n"

    items, problems, _ = loaded(tmp_path, content.replace(b"\n", line_end))

    assert [each.subject for each in items] == ["first", "second"]
    assert [each.body.replace("\r\n", "\n") for each in items] == [body, "end\n"]
    assert problems == []


@pytest.mark.parametrize(
    "line",
    [
        b"From x",
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011",
        b"From 1593@xxx Mon Jan 01 00:00:00 +0000 2020",
        b"From ???@??? Sat Feb 02 00:11:22 1998",
        b"From a@example.com 25.11.2026",
        b"From a Wed 25 2026-11-25T10:00Z",
        b'From "A. B."@example.com Thu, 1 Jan 2026 00:00:00 +0100',
        b"From \xe9@example.com yesterday",
    ],
)
def test_separators_with_odd_dates_or_none_separate(tmp_path: Path, line: bytes) -> None:
    message = line + b"\n" + FIRST + b"text\n\n"

    items, problems, oddities = loaded(tmp_path, message + message)

    assert [each.body for each in items] == ["text\n", "text\n"]
    assert problems == oddities == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(LINE + FIRST + b"text\n" + LINE + SECOND + b"end\n", id="no blank line"),
        pytest.param(LINE + FIRST + b"text\n\n" + LINE + SECOND + b"end", id="no last line end"),
        pytest.param(b"\xef\xbb\xbf\n" + LINE + FIRST + b"text\n\n" + LINE + SECOND, id="a mark"),
        pytest.param(
            LINE + b">From b Fri May  1 12:00:00 2026\n" + FIRST + b"text\n\n" + LINE + SECOND,
            id="a separator in the header",
        ),
        pytest.param(LINE * 2 + FIRST + b"text\n\n" + LINE + SECOND, id="two separators"),
        pytest.param((LINE + FIRST + b"text\n\n" + LINE + SECOND).replace(b"\n", b"\r"), id="CR"),
    ],
)
def test_files_that_bend_the_format_are_loaded_whole(tmp_path: Path, content: bytes) -> None:
    items, problems, _ = loaded(tmp_path, content)

    assert [each.subject for each in items] == ["first", "second"]
    assert items[0].body.strip() == "text"
    assert problems == []


def test_a_length_that_is_right_is_believed_whatever_the_lines_say(tmp_path: Path) -> None:
    body = b"x\n\n" + LINE + SECOND + b">From here\n"

    items, problems, oddities = loaded(tmp_path, with_length(FIRST, body) + LINE + SECOND)

    assert [each.subject for each in items] == ["first", "second"]
    assert items[0].body == body.decode()
    assert problems == oddities == []


@pytest.mark.parametrize("length", [0, 3, 9, 10**12])
def test_a_length_that_is_wrong_is_not_believed_and_named(tmp_path: Path, length: int) -> None:
    items, _, oddities = loaded(
        tmp_path, with_length(FIRST, b">From here\n", length) + LINE + SECOND
    )

    assert [each.subject for each in items] == ["first", "second"]
    assert items[0].body == "From here\n"
    assert [str(each) for each in oddities] == [
        f"box#1 (byte 0): says Content-Length {length} and has 11 bytes"
    ]


BEFORE = LINE + SECOND + b"text\n\n"
DOUBTFUL = BEFORE + LINE + FIRST + b"x\n\n"


@pytest.mark.parametrize(
    ("content", "problems", "oddities"),
    [
        pytest.param(
            DOUBTFUL + SENTENCE,
            [],
            [
                f"box#2 (byte {len(BEFORE)}): has a line in its body that begins with"
                f' "From ", byte {len(DOUBTFUL)}'
            ],
            id="a doubtful line",
        ),
        pytest.param(
            FIRST + b"text\n\n" + BEFORE,
            [],
            ['box#1 (byte 0): has no "From " line before it'],
            id="no separator",
        ),
        pytest.param(b"junk\n\n" + BEFORE, ["box (bytes 0 to 6)"], [], id="no mail"),
    ],
)
def test_what_is_odd_is_named_by_its_number_and_place(
    tmp_path: Path, content: bytes, problems: list[str], oddities: list[str]
) -> None:
    items, found_problems, found_oddities = loaded(tmp_path, content)

    assert "second" in [each.subject for each in items]
    assert [each.location for each in found_problems] == problems
    assert [str(each) for each in found_oddities] == oddities
