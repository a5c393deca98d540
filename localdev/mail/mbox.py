"""Split an mbox file of any variant into its messages.

A line that starts with "From " separates messages, but can also be a line of a body. Writers quote
such body lines (mboxo: `>From `; mboxrd: one more `>`), give the body's length (mboxcl, mboxcl2:
Content-Length), or do neither. So a "From " line counts as a separator only if it has the form of a
separator (sender, date) and a header follows. A Content-Length counts only if the message really
ends there.

Sources: RFC 4155; mbox(5) of qmail; Jonathan de Boyne Pollard, "mbox is a family of formats".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from mmap import mmap

BytesOrMmap = bytes | mmap

_FROM = b"From "
_FROM_LINE = re.compile(rb"^From ", re.MULTILINE)
_LINE = re.compile(rb"[^\n]*\n?")
# A usual "From " line has a sender and a date in the form of asctime. An odd line has a sender of
# one word, with no date or with a date in another form.
_USUAL = re.compile(rb"From .* (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? .*\d\d:\d\d")
_ODD = re.compile(rb"From (?:\S*@\S*|-|MAILER-DAEMON|\S+\s*$|\S+ .*(?:\d:\d\d|\b(?:19|20)\d\d\b))")
_KNOWN_FIELD = re.compile(
    rb"(?:arc-[a-z-]+|authentication-results|b?cc|content-(?:length|transfer-encoding|type)|date"
    rb"|delivered-to|dkim-signature|envelope-to|from|in-reply-to|list-[a-z]+|message-id"
    rb"|mime-version|received|references|reply-to|resent-[a-z]+|return-path|sender|status|subject"
    rb"|to|x-[!-9;-~]+)[ \t]*:",
    re.IGNORECASE,
)
_MAX_LINES = 50  # the lines of a header among which there must be a known field
_MAX_LINE_BYTES = 998  # of RFC 5322; only so many bytes of a "From " line are examined
_START = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*")
_HEADER_ENDS = re.compile(rb"^(?:\r?\n|From )", re.MULTILINE)
_CONTENT_LENGTH = re.compile(rb"^content-length[ \t]*:[ \t]*(\d{1,15})[ \t]*\r?$", re.I | re.M)
_SEPARATOR_OR_END = re.compile(rb"(?:\r?\n){0,2}(?:(?<=\n)(?=From )|\Z)")
_QUOTED_LINE = re.compile(rb"^>(>*From )", re.MULTILINE)
_LAST_BLANK_LINE = re.compile(rb"(?<=\n)\r?\n\Z")


@dataclass(frozen=True, slots=True)
class MboxMessage:
    """One message of an mbox file.

    byte_offset_in_file: position in the file of the message's "From " line, or of its first byte if
        it has no such line.
    malformation_description: what is malformed in the message, as a phrase for the report. Empty:
        nothing.
    """

    content: bytes
    byte_offset_in_file: int
    malformation_description: str = ""


def strip_bom_and_blank_lines(content: BytesOrMmap) -> bytes:
    """Return the content without the byte order mark and the blank lines at its start. A parser
    would take a blank line there for the end of the header."""
    return content[_start(content) :]


def is_mbox(content: BytesOrMmap) -> bool:
    """Return whether the first line that is not blank starts with "From ", as in an mbox file."""
    start = _start(content)
    return content[start : start + len(_FROM)] == _FROM


def has_mail_header(content: BytesOrMmap) -> bool:
    """Return whether a known mail header, such as Subject, stands before the first blank line."""
    return _has_known_field(content, _start(content))


def split_mbox(content: BytesOrMmap) -> Iterator[MboxMessage]:
    """Yield the messages of an mbox file.

    A first message without its "From " line is included. Other text before the first message is
    skipped; `byte_offset_in_file` of the first message is then not 0.
    """
    if content.find(b"\n") < 0:
        content = content[:].replace(b"\r", b"\n")
    start = _start(content)
    if not is_mbox(content):
        end, _ = _scan(content, start)
        if has_mail_header(content):
            oddity = 'has no "From " line before it' if end < len(content) else ""
            body = min(_body(content, start), end)
            yield _piece(content, start, (start, body, _text_end(content, body, end)), oddity)
        start = end
    while start < len(content):
        piece, start = _message(content, start)
        yield piece


def _message(content: BytesOrMmap, start: int) -> tuple[MboxMessage, int]:
    """Return the message with its "From " line at `start`, and where the next message starts."""
    header = _next_line(content, start)
    body = _body(content, header)
    claimed = _CONTENT_LENGTH.search(content, header, body)
    if claimed:
        end = body + int(claimed[1])
        if (following := _separator(content, end)) is not None:
            # An unquoted "From " line shows that the writer gives the length and quotes no lines
            # (mboxcl2).
            is_quoted = not _FROM_LINE.search(content[body:end])
            return _piece(content, start, (header, body, end), "", is_quoted=is_quoted), following
    following, oddity = _scan(content, header)
    end = _text_end(content, body, following)
    if claimed:
        oddity = f"says Content-Length {int(claimed[1])} and has {end - body} bytes"
    return _piece(content, start, (header, body, end), oddity), following


def _piece(
    content: BytesOrMmap,
    offset: int,
    bounds: tuple[int, int, int],
    oddity: str,
    *,
    is_quoted: bool = True,
) -> MboxMessage:
    """Build a message; `bounds` are the starts of header and body, and the end of the body."""
    header, body, end = bounds
    fields = re.sub(rb"\A(?:>*From [^\n]*\n)+", b"", content[header:body])
    text = content[body:end]
    return MboxMessage(
        fields + (_QUOTED_LINE.sub(rb"\1", text) if is_quoted else text), offset, oddity
    )


def _text_end(content: BytesOrMmap, body: int, end: int) -> int:
    """Return the body's end, before the blank line that separates it from the next message."""
    blank = _LAST_BLANK_LINE.search(content, max(body, end - 2), end)
    return blank.start() if blank else end


def _scan(content: BytesOrMmap, start: int) -> tuple[int, str]:
    """Return the position of the next separator or the end, and what is odd before it."""
    oddity = ""
    for found in _FROM_LINE.finditer(content, start + 1):
        if _separates(content, found.start()):
            return found.start(), oddity
        oddity = oddity or f'has a line in its body that begins with "From ", byte {found.start()}'
    return len(content), oddity


def _separates(content: BytesOrMmap, at: int) -> bool:
    after = _next_line(content, at)
    line = content[at : min(after, at + _MAX_LINE_BYTES)]
    follows_blank = content[at - 2 : at] == b"\n\n" or content[at - 3 : at] == b"\n\r\n"
    looks_right = bool(_USUAL.match(line)) or (follows_blank and bool(_ODD.match(line)))
    return looks_right and _has_known_field(content, after)


def _separator(content: BytesOrMmap, at: int) -> int | None:
    """Return the position of the separator or the end of the file that follows `at` after at most
    two line ends. None: something else follows."""
    found = _SEPARATOR_OR_END.match(content, at) if at <= len(content) else None
    return found.end() if found else None


def _has_known_field(content: BytesOrMmap, at: int) -> bool:
    for line in islice(_LINE.finditer(content, at), _MAX_LINES):
        if not line[0].strip() or line[0].startswith(_FROM):
            return False
        if _KNOWN_FIELD.match(line[0]):
            return True
    return False


def _body(content: BytesOrMmap, header: int) -> int:
    """Return where the body begins after the header; a message can end with its header."""
    for found in _HEADER_ENDS.finditer(content, header):
        if found[0] != _FROM:
            return found.end()
        if found.start() > header and _separates(content, found.start()):
            return found.start()
    return len(content)


def _start(content: BytesOrMmap) -> int:
    found = _START.match(content)
    return found.end() if found else 0


def _next_line(content: BytesOrMmap, at: int) -> int:
    end = content.find(b"\n", at)
    return len(content) if end < 0 else end + 1
