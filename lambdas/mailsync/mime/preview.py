"""Make the preview of a message from its text or HTML. Lists of messages show the preview.

The markup is scanned for tags, not parsed into a tree: the cost is linear, the scan ends with the
first 255 characters, and no library is needed (ADR 17 has the figures).
"""

import html
import re
from collections.abc import Iterator

PREVIEW_CHARS = 255
_MAX_TEXT_CHARS = 4_000
_USUAL_TEXT_CHARS = 500  # they have a whole preview, unless there are many blanks
_MAX_TOKENS = 50_000
_INVISIBLE = ("script", "style", "title", "template", "noframes", "xml")
# Each alternative consumes what it looked at, so that no markup costs more than linear time.
_TOKEN = re.compile(
    r"""(?P<comment><!--)
      | <(?P<tag>/?[a-z][a-z0-9:]*)
        (?:=\s*(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z))|[^>])*+ (?:>|\Z)
      | <[/!?][^>]*(?:>|\Z)
      | (?P<text>[^<]+|<)""",
    re.VERBOSE | re.IGNORECASE,
)
_COMMENT_END = re.compile("--!?>")
_END_TAGS = {each: re.compile(rf"</{each}\b[^>]*(?:>|\Z)", re.IGNORECASE) for each in _INVISIBLE}
_INLINE = re.compile(
    r"/?(?:a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|mark|q|s|samp|small"
    r"|span|strike|strong|sub|sup|tt|u|var|wbr)"
)
# `html.unescape` raises at a number of more digits than `int` takes.
_LONG_NUMBER = re.compile(r"&#[0-9]{8,}")


def make_preview(body: str, body_type: str) -> str:
    """Return the first 255 characters of the body as one line of text.

    body_type: `html` or `text`.
    """
    if body_type != "html":
        found = _first_chars(body[:_USUAL_TEXT_CHARS])
        is_full = len(found) == PREVIEW_CHARS
        return found if is_full else _first_chars(body.lstrip()[:_MAX_TEXT_CHARS])
    pieces: list[str] = []
    length = 0
    for piece in _visible_text(body):
        pieces.append(piece)
        length += sum(map(len, piece.split()))
        if length >= PREVIEW_CHARS:
            break
    return _first_chars("".join(pieces))


def _first_chars(text: str) -> str:
    return " ".join(text.split())[:PREVIEW_CHARS]


def _visible_text(markup: str) -> Iterator[str]:
    position = 0
    for _ in range(_MAX_TOKENS):
        token = _TOKEN.match(markup, position)
        if token is None:
            return
        position = token.end()
        tag = (token["tag"] or "").lower()
        if text := token["text"]:
            text = text[:_MAX_TEXT_CHARS]
            yield html.unescape(_LONG_NUMBER.sub("\ufffd", text)) if "&" in text else text
        elif token["comment"] or tag in _END_TAGS:
            end = (_END_TAGS[tag] if tag else _COMMENT_END).search(markup, position)
            position = end.end() if end else len(markup)
        elif tag and not _INLINE.fullmatch(tag):
            yield " "
