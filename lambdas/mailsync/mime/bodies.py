"""Choose which parts of a message are its body, and describe the others as attachments.

The choice is that of JMAP (RFC 8621, section 4.1.4).
"""

import hashlib
import re
from dataclasses import dataclass, field, replace
from itertools import islice
from urllib.parse import unquote

from mailsync.mime.charsets import decode_and_return_guessed_charset, decode_text, is_known_charset
from mailsync.mime.flowed import join_flowed_lines
from mailsync.mime.headers import HeaderSection
from mailsync.mime.parts import MimePart
from mailsync.storable import to_storable_text

MAX_ENCODED_BYTES_OF_JOINED_TEXTS = 10_000_000
"""The maximum number of encoded bytes of the plain texts of a message together, and of its HTML
texts together. The rest is cut off."""
MAX_ATTACHMENTS = 1_000

_CONTENT_REFERENCE = re.compile(r"""\bcid:([^"'\s<>)]{1,500})""", re.IGNORECASE)
_META_CHARSET = re.compile(rb"""<meta\b[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})""", re.I)
_META_BYTES = 4_000
_UUENCODED = re.compile(
    rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n"
    rb"(?:[!-M][ -`]{1,84}\r?\n)++(?:[` ]?\r?\n)?end[ \t]*(?:\r?\n|\Z)",
    re.MULTILINE,
)
_SIGNATURES = frozenset(
    {
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/pgp-encrypted",
    }
)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that is not its body. The object keeps the bytes of the whole message in
    memory.

    file_name: file name as in the message; it can contain a path. Empty: the part has no name.
    content_id: the Content-ID without angle brackets. None: the part has no Content-ID.
    is_inline: whether the message shows the attachment in its body, such as an image of the HTML,
        or the part signs or encrypts the message.
    """

    file_name: str
    content_type: str
    content_id: str | None
    is_inline: bool
    _part: MimePart = field(repr=False, compare=False)

    @property
    def decoded_size_bytes(self) -> int:
        """Decode the attachment in chunks and return its size in bytes."""
        return sum(map(len, self._part.iter_decoded_content()))

    def compute_sha256(self) -> str:
        """Decode the attachment in chunks and return its SHA-256 in hex."""
        digest = hashlib.sha256()
        for chunk in self._part.iter_decoded_content():
            digest.update(chunk)
        return digest.hexdigest()

    def decode_content(self) -> bytes:
        """Return the decoded content. A message inside a message keeps its own bytes."""
        return self._part.decode_content()


@dataclass(slots=True)
class ClassifiedParts:
    """The parts of a message, sorted by their use.

    plain_text_parts: the plain texts of the body.
    html_parts: the HTML texts of the body.
    attachment_parts: all other parts, which are attachments.
    problem_descriptions: phrases that say what is malformed in the texts.
    """

    plain_text_parts: list[MimePart] = field(default_factory=list)
    html_parts: list[MimePart] = field(default_factory=list)
    attachment_parts: list[MimePart] = field(default_factory=list)
    problem_descriptions: dict[str, None] = field(default_factory=dict)

    def join_plain_texts(self) -> str | None:
        """Return all plain texts of the body, joined. Return None if there is no plain text."""
        return self._joined(self.plain_text_parts, "\n")

    def join_html_texts(self) -> str | None:
        """Return all HTML texts of the body, joined. Return None if there is no HTML text."""
        return self._joined(self.html_parts, "\n")

    def list_attachments(self, html: str | None) -> tuple[Attachment, ...]:
        """Return the attachments, at most 1,000. Call this after `join_plain_texts`, which adds the
        uuencoded files of the texts to the attachments.

        html: the HTML of the body, which shows some attachments inline. None: the message has no
            HTML.
        """
        if len(self.attachment_parts) > MAX_ATTACHMENTS:
            self.problem_descriptions[f"has more than {MAX_ATTACHMENTS} attachments"] = None
        shown = _shown_in(html) if html and self.attachment_parts else set()
        return tuple(_attachment(part, shown) for part in self.attachment_parts[:MAX_ATTACHMENTS])

    def _joined(self, parts: list[MimePart], separator: str) -> str | None:
        if not parts:
            return None
        left, texts = MAX_ENCODED_BYTES_OF_JOINED_TEXTS, []
        for part in parts:
            if part.content_end_offset - part.content_start_offset > left:
                limit = f"{MAX_ENCODED_BYTES_OF_JOINED_TEXTS:,}"
                self.problem_descriptions[
                    f"has a text of more than {limit} bytes, which is cut"
                ] = None
            texts.append(self._decoded(part, part.decode_content(left)))
            left = max(0, left - (part.content_end_offset - part.content_start_offset))
        return separator.join(texts)

    def _decoded(self, part: MimePart, content: bytes) -> str:
        charset = part.charset
        if part.content_type == "text/plain" and b"begin " in content:
            files = islice(_UUENCODED.finditer(content), MAX_ATTACHMENTS)
            self.attachment_parts += [_uuencoded_part(part, found) for found in files]
            content = _UUENCODED.sub(b"", content, count=MAX_ATTACHMENTS)
        if charset is None and part.content_type == "text/html":
            charset = _charset_of_markup(content)
        text, guess = decode_and_return_guessed_charset(content, charset)
        if guess:
            named = (
                f"in its charset {_short(charset)}" if charset else "in UTF-8, and names no charset"
            )
            self.problem_descriptions[f"has a text that is not {named}; read as {guess}"] = None
        elif charset and not is_known_charset(charset) and not content.isascii():
            self.problem_descriptions[f"names an unknown charset {_short(charset)}"] = None
        if "\ufffd" in text:
            self.problem_descriptions[
                "has a text with U+FFFD in the place of what is no character"
            ] = None
        text = text.replace("\r\n", "\n") if "\r" in text else text
        if (
            part.content_type_parameters.get("format", "").lower() == "flowed"
            and part.content_type == "text/plain"
        ):
            return join_flowed_lines(
                text, drops_spaces=part.content_type_parameters.get("delsp", "").lower() == "yes"
            )
        return text


def classify_parts(root: MimePart) -> ClassifiedParts:
    """Sort the parts of a message by their use."""
    bodies = ClassifiedParts()
    _choose(root, bodies, is_first=True)
    return bodies


def _choose(part: MimePart, bodies: ClassifiedParts, *, is_first: bool) -> None:
    if part.is_multipart:
        for number, child in enumerate(part.children):
            _choose(child, bodies, is_first=number == 0)
    elif _is_body(part, is_first):
        (bodies.html_parts if part.content_type == "text/html" else bodies.plain_text_parts).append(
            part
        )
    elif not _is_unused_alternative(part):
        bodies.attachment_parts.append(part)


def _is_body(part: MimePart, is_first: bool) -> bool:
    if part.content_type not in ("text/plain", "text/html") or part.disposition == "attachment":
        return False
    return is_first or (part.parent_content_type != "multipart/related" and not part.file_name)


def _is_unused_alternative(part: MimePart) -> bool:
    """Return whether the part is an alternative form of the body, such as AMP or an invitation.
    Such a part is neither body nor attachment."""
    return (
        part.parent_content_type == "multipart/alternative"
        and part.content_type.startswith("text/")
        and part.disposition != "attachment"
        and not part.file_name
    )


def _shown_in(html: str) -> set[str]:
    """Return the Content-IDs of the attachments that the HTML shows inline (`cid:` URLs)."""
    if "cid:" not in html.lower():  # which is a fifth of the cost of the pattern
        return set()
    found = islice(_CONTENT_REFERENCE.finditer(html), MAX_ATTACHMENTS)
    return {unquote(each[1]) for each in found}


def _uuencoded_part(text: MimePart, found: re.Match[bytes]) -> MimePart:
    """Return the file between `begin` and `end` in a text; mail had such files before MIME."""
    name = decode_text(found[1].strip(), text.charset)
    return replace(
        text,
        header=HeaderSection(()),
        bytes_containing_content=found[0],
        content_start_offset=0,
        content_end_offset=len(found[0]),
        content_type="application/octet-stream",
        content_type_parameters={"name": name},
        disposition="attachment",
        disposition_parameters={},
        transfer_encoding="x-uuencode",
    )


def _attachment(part: MimePart, shown: set[str]) -> Attachment:
    content_id = part.content_id
    return Attachment(
        file_name=to_storable_text(part.file_name),
        content_type=part.content_type,
        content_id=content_id,
        is_inline=_is_wrapper(part)
        or content_id in shown
        or (part.parent_content_type == "multipart/related" and part.disposition != "attachment"),
        _part=part,
    )


def _is_wrapper(part: MimePart) -> bool:
    """Return whether the part signs or encrypts the message."""
    return part.content_type in _SIGNATURES or part.parent_content_type == "multipart/encrypted"


def _charset_of_markup(content: bytes) -> str | None:
    """Return the charset that the HTML itself names. Return None if the HTML names no charset, or
    if the content is valid UTF-8."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        found = _META_CHARSET.search(content, 0, _META_BYTES)
        return found[1].decode("ascii") if found else None
    return None


def _short(charset: str | None) -> str:
    return to_storable_text(charset or "")[:40]
