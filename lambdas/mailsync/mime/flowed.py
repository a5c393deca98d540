"""Join the lines of text in the format "flowed" (RFC 3676) to paragraphs."""

import re

_QUOTES = re.compile(r">*")
_SIGNATURE = "-- "
_MAX_LINES = 200_000


def join_flowed_lines(text: str, *, drops_spaces: bool) -> str:
    """Return the text with each paragraph on one line. Quoted lines keep their quotation marks
    (`>`). A text of more than 200,000 lines is returned unchanged.

    drops_spaces: the parameter DelSp=yes: remove the space at the end of a line when the next line
        is joined to it, as in Chinese and Japanese. False: keep the space, as between two words.
    """
    if text.count("\n") > _MAX_LINES:
        return text
    lines: list[str] = []
    paragraph: list[str] = []
    depth = 0
    for line in text.split("\n"):
        quotes = len(_QUOTES.match(line)[0])  # type: ignore[index]
        content = line[quotes:].removeprefix(" ")
        if paragraph and (quotes != depth or content == _SIGNATURE):
            lines.append(_quoted(depth, "".join(paragraph)))
            paragraph = []
        depth = quotes
        if content.endswith(" ") and content != _SIGNATURE:
            paragraph.append(content[:-1] if drops_spaces else content)
        else:
            lines.append(_quoted(depth, "".join([*paragraph, content])))
            paragraph = []
    if paragraph:
        lines.append(_quoted(depth, "".join(paragraph)))
    return "\n".join(lines)


def _quoted(depth: int, line: str) -> str:
    return f"{'>' * depth} {line}" if depth else line
