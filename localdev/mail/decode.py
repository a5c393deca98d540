"""Text out of mail: RFC 2047 headers and bodies in whatever charset they claim to be."""

import re
from base64 import b64decode
from quopri import decodestring

_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]+\?[bBqQ]\?)")
# Names that mail uses and Python does not know, and ones that promise less than is sent.
_ALIASES = {
    "unicode-1-1-utf-7": "utf-7",
    "x-gbk": "gb18030",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "iso-8859-1": "cp1252",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "windows-31j": "cp932",
}


def decoded_text(content: bytes, charset: str | None) -> str:
    """Never fails: the claimed charset, then UTF-8, then Windows-1252, byte by byte."""
    claimed = (charset or "utf-8").strip("\"' ").lower()
    for name in (_ALIASES.get(claimed, claimed), "utf-8", "cp1252"):
        try:
            return _without_nul(content.decode(name))
        except (UnicodeDecodeError, LookupError, ValueError):
            continue
    return _without_nul(content.decode("latin-1"))


def decoded_header(value: str | None) -> str:
    """One line of text from a header, with encoded words read and raw bytes made sense of.

    White space between encoded words is no part of the text (RFC 2047 section 6.2). Words
    that split a character between them are joined as bytes before they are decoded.
    """
    if value is None:
        return ""
    text = _raw_text(value)
    text = re.sub(r"\s+", " ", _BETWEEN_WORDS.sub(r"\1", text.replace("\r", "")))
    pieces: list[str] = []
    pending, charset, end = b"", "", 0
    for word in _ENCODED_WORD.finditer(text):
        name = word[1].partition("*")[0].lower()
        if pending and (word.start() != end or name != charset):
            pieces.append(decoded_text(pending, charset))
            pending = b""
        if word.start() != end:
            pieces.append(text[end : word.start()])
        pending, charset, end = pending + _word_bytes(word[2], word[3]), name, word.end()
    if pending:
        pieces.append(decoded_text(pending, charset))
    return re.sub(r"[\r\n]+", " ", "".join([*pieces, text[end:]])).strip()


def _raw_text(value: str) -> str:
    """Bytes above 127 stand as surrogates in the parser's text; some mail is raw UTF-8."""
    if value.isascii():
        return value
    return decoded_text(value.encode("utf-8", "surrogateescape"), "utf-8")


def _word_bytes(encoding: str, text: str) -> bytes:
    if encoding in "qQ":
        return decodestring(text.replace("_", " ").encode("utf-8"), header=False)
    padded = re.sub(r"[^A-Za-z0-9+/]", "", text)
    try:
        return b64decode(padded + "=" * (-len(padded) % 4))
    except ValueError:
        # One stray character at the end: all but it can be read.
        return b64decode(padded[: len(padded) // 4 * 4])


def _without_nul(text: str) -> str:
    return text.replace("\x00", "")
