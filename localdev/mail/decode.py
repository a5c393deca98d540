"""Decode the text of mail: headers (RFC 2047), and bodies in any charset, also if the mail names a
wrong one.

The resulting text can always be encoded in UTF-8: it contains neither NUL nor half a surrogate
pair.
"""

import codecs
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
# Codecs of Python that no mail means, and that take very long over a long body.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape"})
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_text(content: bytes, charset: str | None) -> str:
    """Decode bytes in `charset`, which the mail names; if that fails, in a guessed charset. Raises
    no error for any bytes or charset."""
    return decode_by_claimed_charset(content, charset) or decode_by_guessed_charset(content)[0]


def decode_by_claimed_charset(content: bytes, charset: str | None) -> str | None:
    """Decode bytes in `charset`, which the mail names; None as charset means UTF-8.

    Returns None if the bytes are not valid in that charset, or the charset is unknown.
    """
    claimed = (charset or "utf-8").strip("\"' ").lower()
    try:
        codec = codecs.lookup(_ALIASES.get(claimed, claimed)).name
        return None if codec in _NO_CHARSETS else to_well_formed_text(content.decode(codec))
    except (LookupError, ValueError):
        return None


def decode_by_guessed_charset(content: bytes) -> tuple[str, str]:
    """Return the text and the name of its charset: UTF-8 if possible, then Windows-1252, then
    Latin-1.

    Some programs encode a character beyond 16 bits as two halves of a surrogate pair in UTF-8
    (CESU-8); such halves are joined.
    """
    try:
        return to_well_formed_text(content.decode("utf-8", "surrogatepass")), "UTF-8"
    except UnicodeDecodeError:
        pass
    try:
        return to_well_formed_text(content.decode("cp1252")), "Windows-1252"
    except UnicodeDecodeError:
        return to_well_formed_text(content.decode("latin-1")), "Latin-1"


def to_well_formed_text(text: str) -> str:
    """Return the text without NUL, with surrogate pairs joined and lone surrogates as U+FFFD."""
    text = text.replace("\x00", "")
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def decode_header_text(value: str | None) -> str:
    """Return the text of a header on one line, with encoded words and raw bytes decoded.

    White space between two encoded words is dropped (RFC 2047 section 6.2). If two words split a
    character, their bytes are joined before they are decoded.
    """
    if value is None:
        return ""
    text = re.sub(
        r"\s+", " ", _BETWEEN_WORDS.sub(r"\1", decode_raw_header_bytes(value).replace("\r", ""))
    )
    pieces: list[str] = []
    pending, charset, end = b"", "", 0
    for word in _ENCODED_WORD.finditer(text):
        name = word[1].partition("*")[0].lower()
        if pending and (word.start() != end or name != charset):
            pieces.append(decode_text(pending, charset))
            pending = b""
        if word.start() != end:
            pieces.append(text[end : word.start()])
        pending, charset, end = pending + _word_bytes(word[2], word[3]), name, word.end()
    if pending:
        pieces.append(decode_text(pending, charset))
    return to_well_formed_text(re.sub(r"[\r\n]+", " ", "".join([*pieces, text[end:]]))).strip()


def decode_raw_header_bytes(value: str) -> str:
    """Decode a header's bytes above 127, which the standard library leaves as surrogates."""
    return value if value.isascii() else decode_by_guessed_charset(original_header_bytes(value))[0]


def original_header_bytes(value: str) -> bytes:
    """Return the original bytes of a header that the standard library's parser has read."""
    return value.encode("utf-8", "surrogateescape")


def _word_bytes(encoding: str, text: str) -> bytes:
    if encoding in "qQ":
        return decodestring(text.replace("_", " ").encode("utf-8"), header=False)
    padded = re.sub(r"[^A-Za-z0-9+/]", "", text)
    try:
        return b64decode(padded + "=" * (-len(padded) % 4))
    except ValueError:
        # One stray character at the end: all but it can be read.
        return b64decode(padded[: len(padded) // 4 * 4])
