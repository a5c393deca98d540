"""Split a message into its parts (RFC 2046). A part is a range of the message's bytes: no content
is copied or decoded.

A message inside a message is one part and keeps its own bytes. The standard library's parser copies
all content several times (a message of 36 MB takes 275 MB), re-serialises nested messages, and
recurses as deeply as the message is nested.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mailsync.mime.headers import (
    HeaderSection,
    parse_message_ids,
    parse_value_and_parameters,
    read_header_section,
)
from mailsync.mime.transfer import decode_transfer_encoding, iter_decoded_content

MAX_PART_NESTING_DEPTH = 20
MAX_PARTS = 2_000
_MAX_CANDIDATES = 100_000  # lines of one multipart that begin as its boundary does

_TYPE = re.compile(r"\s*([^\s/;,()]+)\s*/\s*([^\s/;,()]+)")
_PARAMETER_WITHOUT_SEMICOLON = re.compile(
    r"""\b(charset|boundary)\s*=\s*(?:"([^"]*)"|([^\s";,]+))""", re.IGNORECASE
)
_TOKEN = re.compile(r"[^\s;,()]+")
_DELIMITER_END = re.compile(rb"(--)?[ \t]*\r*(?:\n|\Z)")
_FIRST_DELIMITER = re.compile(rb"\s*--([^\r\n]{1,200}?)[ \t]*\r*\n(?=[!-9;-~]+[ \t]*:|\r*\n)")


@dataclass(frozen=True, slots=True)
class MimePart:
    """A part of a message, or the message itself.

    bytes_containing_content, content_start_offset, content_end_offset: the content is
        `bytes_containing_content[content_start_offset:content_end_offset]`, still encoded.
    content_type: content type in lower case, such as `text/html`.
    content_type_parameters: parameters of Content-Type.
    disposition: value of Content-Disposition in lower case, such as `attachment`. Empty: the part
        has no such field.
    transfer_encoding: content transfer encoding in lower case, such as `base64`. Empty: none is
        named.
    parent_content_type: content type of the multipart that contains the part. Empty: no multipart
        contains it.
    """

    header: HeaderSection
    bytes_containing_content: bytes
    content_start_offset: int
    content_end_offset: int
    content_type: str
    content_type_parameters: Mapping[str, str]
    disposition: str
    disposition_parameters: Mapping[str, str]
    transfer_encoding: str
    parent_content_type: str
    children: tuple["MimePart", ...] = ()

    @property
    def is_multipart(self) -> bool:
        return bool(self.children)

    @property
    def content_id(self) -> str | None:
        """Return the Content-ID without its angle brackets. Return None if the part has no
        Content-ID."""
        text = self.header.read_undecoded_value("content-id")
        return next(iter(parse_message_ids(text)), text).strip("<> ") or None

    @property
    def file_name(self) -> str:
        """Return the part's file name. Return "" if the part has no name."""
        return (
            self.disposition_parameters.get("filename")
            or self.content_type_parameters.get("name")
            or self.content_type_parameters.get("filename")
            or ""
        )

    @property
    def charset(self) -> str | None:
        """Return the charset that the part names. Return None if it names no charset."""
        found = _TOKEN.search(self.content_type_parameters.get("charset", ""))
        return found[0] if found else None

    def decode_content(self, limit: int | None = None) -> bytes:
        """Return the decoded content of the part. With a limit, decode only the first `limit`
        encoded bytes."""
        end = (
            self.content_end_offset
            if limit is None
            else min(self.content_end_offset, self.content_start_offset + limit)
        )
        return decode_transfer_encoding(
            self.bytes_containing_content[self.content_start_offset : end], self.transfer_encoding
        )

    def iter_decoded_content(self) -> Iterator[bytes]:
        """Yield the decoded content of the part, in chunks."""
        return iter_decoded_content(
            self.bytes_containing_content,
            self.content_start_offset,
            self.content_end_offset,
            self.transfer_encoding,
        )

    def walk_parts(self) -> Iterator["MimePart"]:
        """Yield the part itself and all parts inside it, at every depth."""
        yield self
        for child in self.children:
            yield from child.walk_parts()


@dataclass(slots=True)
class _Budget:
    """The number of parts that the parser may still read of a message, and the malformed places
    that it found, as phrases."""

    parts: int = MAX_PARTS
    problems: dict[str, None] = field(default_factory=dict)

    def report(self, problem: str) -> None:
        self.problems.setdefault(problem)


def split_message_into_parts(raw: bytes) -> tuple[MimePart, tuple[str, ...]]:
    """Split a message into its parts. Return the message as a part with children, and phrases that
    say what is malformed in its structure."""
    budget = _Budget()
    root = _part(raw, 0, len(raw), budget, parent_type="", depth=0)
    return root, tuple(budget.problems)


def _part(
    raw: bytes, start: int, end: int, budget: _Budget, *, parent_type: str, depth: int
) -> MimePart:
    header, body = read_header_section(raw, start, end)
    if header.is_truncated:
        budget.report("has a header that is too long, so the rest of it is ignored")
    part = build_part(header, raw, body, end, parent_type=parent_type)
    content_type = part.content_type
    if not content_type.startswith("multipart/"):
        return part
    children = _children(part, budget, depth)
    return replace(part, children=children, content_type=content_type if children else "text/plain")


def build_part(
    header: HeaderSection, raw: bytes, start: int, end: int, *, parent_type: str
) -> MimePart:
    """Return a part without children. Its type, encoding and disposition are those that the header
    names.

    raw, start, end: the part's content is `raw[start:end]`.
    parent_type: content type of the multipart that contains the part. Empty: no multipart contains
        it.
    """
    default = "message/rfc822" if parent_type == "multipart/digest" else "text/plain"
    content_type, parameters = _type(header, default)
    disposition, disposition_parameters = parse_value_and_parameters(
        header.read_undecoded_value("content-disposition")
    )
    found = _TOKEN.search(header.read_undecoded_value("content-transfer-encoding"))
    return MimePart(
        header=header,
        bytes_containing_content=raw,
        content_start_offset=start,
        content_end_offset=end,
        content_type=content_type,
        content_type_parameters=parameters,
        disposition=disposition.lower(),
        disposition_parameters=disposition_parameters,
        transfer_encoding=found[0].lower().strip("\"'") if found else "",
        parent_content_type=parent_type,
    )


def _type(header: HeaderSection, default: str) -> tuple[str, Mapping[str, str]]:
    text = header.read_undecoded_value("content-type")
    value, parameters = parse_value_and_parameters(text)
    for name, quoted, plain in _PARAMETER_WITHOUT_SEMICOLON.findall(text):
        if name.lower() not in parameters:
            parameters = {**parameters, name.lower(): quoted or plain}
    found = _TYPE.match(value)
    if found:
        return f"{found[1]}/{found[2]}".lower(), parameters
    return (default if not value or "name" not in parameters else "application/octet-stream"), (
        parameters
    )


def _children(part: MimePart, budget: _Budget, depth: int) -> tuple[MimePart, ...]:
    """Return the parts of a multipart; () if it has none, or is nested too deeply."""
    raw, start, end = (
        part.bytes_containing_content,
        part.content_start_offset,
        part.content_end_offset,
    )
    if depth >= MAX_PART_NESTING_DEPTH:
        budget.report(
            f"has parts nested more than {MAX_PART_NESTING_DEPTH} deep, so the deepest are one text"
        )
        return ()
    boundary = part.content_type_parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    ranges = list(_ranges(raw, start, end, boundary, budget)) if boundary else []
    if not ranges and (guessed := _FIRST_DELIMITER.match(raw, start, end)):
        budget.report("names a boundary of its parts that it does not use")
        ranges = list(_ranges(raw, start, end, guessed[1], budget))
    if not ranges:
        budget.report("says that it has parts, and has none")
    parent = part.content_type
    return tuple(
        _part(raw, first, last, budget, parent_type=parent, depth=depth + 1)
        for first, last in ranges
    )


def _ranges(
    raw: bytes, start: int, end: int, boundary: bytes, budget: _Budget
) -> Iterator[tuple[int, int]]:
    """Yield start and end of each part. The line end before a delimiter belongs to the delimiter
    and not to the part (RFC 2046, section 5.1.1)."""
    delimiter = b"--" + boundary
    part_start: int | None = None
    position = start
    for _ in range(_MAX_CANDIDATES):
        found = raw.find(delimiter, position, end)
        if found < 0:
            break
        position = found + len(delimiter)
        line_end = _DELIMITER_END.match(raw, position, end)
        if line_end is None or (found > start and raw[found - 1] != 0x0A):
            continue
        if part_start is not None:
            yield part_start, _before_line_end(raw, part_start, found)
            budget.parts -= 1
        if line_end[1]:
            return
        position = part_start = line_end.end()
        if budget.parts <= 0:
            budget.report(f"has more than {MAX_PARTS} parts, so the last ones are one part")
            break
    if part_start is not None:
        budget.report("does not end the last of its parts")
        yield part_start, end


def _before_line_end(raw: bytes, start: int, delimiter: int) -> int:
    end = delimiter - 1 if delimiter > start else delimiter
    return end - 1 if end > start and raw[end - 1] == 0x0D else end
