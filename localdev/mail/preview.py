"""Convert HTML mail to text, and make the preview of a mail that lists show."""

import re
from html.parser import HTMLParser

PREVIEW_CHARS = 255
# The parser of the standard library raises at a section of any other name.
_UNKNOWN_SECTION = re.compile(
    r"<!\[(?!(?:if|else|endif|temp|cdata|ignore|include|rcdata)(?![-_.a-z0-9]))", re.IGNORECASE
)


def preview_of_body(body: str, body_type: str) -> str:
    """Return the first 255 characters of the body as one line of text."""
    # A whole newsletter need not be parsed for its first line.
    text = html_to_text(body[:20_000]) if body_type == "html" else body[:4_000]
    return re.sub(r"\s+", " ", text).strip()[:PREVIEW_CHARS]


def html_to_text(markup: str) -> str:
    extractor = _TextExtractor()
    extractor.feed(_UNKNOWN_SECTION.sub("<! [", markup))
    extractor.close()
    return "".join(extractor.text).strip()


class _TextExtractor(HTMLParser):
    _UNSEEN = frozenset({"script", "style", "head", "title"})
    _BREAKS = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self._UNSEEN
        # A page whose head is never closed still has a body.
        if tag == "body":
            self._unseen = 0
        if tag in self._BREAKS:
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._UNSEEN and self._unseen:
            self._unseen -= 1

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.text.append(data)
