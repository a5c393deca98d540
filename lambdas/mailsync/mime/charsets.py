"""Decode the bytes of a mail in the charset that the mail names, or in a guessed charset.

Mail programs often name a charset and use a larger one. So some names are decoded with the larger
charset, as in the WHATWG Encoding Standard: `iso-8859-1` with Windows-1252, `gb2312` with GB 18030.
Every decoded text can be encoded in UTF-8 and stored: it contains neither NUL nor half a surrogate
pair.
"""

import codecs
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache

from mailsync.storable import to_storable_text

_NEC_IN_ISO_2022_JP = "iso-2022-jp with the characters of NEC"  # no codec of Python
# Python's name of a charset: the codecs to try, in this order.
_SUPERSETS = {
    "iso8859-1": ("cp1252",),
    "iso8859-9": ("cp1254",),
    "iso8859-11": ("cp874",),
    "tis-620": ("cp874",),
    "gb2312": ("gb18030",),
    "gbk": ("gb18030",),
    "euc_kr": ("cp949",),
    "shift_jis": ("cp932",),
    "big5": ("cp950", "big5hkscs"),
    "iso2022_jp": ("iso2022_jp", _NEC_IN_ISO_2022_JP),
    "euc_jp": ("euc_jp", "euc_jis_2004"),
    "utf-8": ("utf-8",),
}
# Names that mail uses and Python does not know.
_ALIASES = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 x-unicode20utf8 utf8mb4 utf-8mb4 cp-65001",
    "utf-7": "unicode-1-1-utf-7 x-unicode-2-0-utf-7",
    "utf-16": "unicode unicodefeff iso-10646-ucs-2 ucs-2 csunicode",
    "gb18030": "x-gbk gb_2312 gb_2312-80 chinese csiso58gb231280 x-gb18030 cp-936 windows-936",
    "cp949": "ks_c_5601-1989 ksc_5601 ksc5601 windows-949 x-windows-949 cseuckr csksc56011987",
    "cp932": "x-sjis x-ms-cp932 ms932 windows-932 cp-932 cseucpkdfmtshiftjis",
    "euc_jp": "x-euc-jp x-euc cseucpkdfmtjapanese",
    "iso2022_jp": "csiso2022jp x-iso-2022-jp",
    "big5": "x-x-big5 cn-big5 csbig5 windows-950",
    "cp1252": "x-cp1252 x-ansi cp-1252 ansi win-1252 windows1252",
    "cp1251": "x-cp1251 win-1251 win1251 cp-1251 windows1251",
    "cp1250": "x-cp1250 win-1250 win1250 cp-1250 windows1250",
    "cp1253": "x-cp1253",
    "cp1254": "x-cp1254",
    "cp1255": "x-cp1255",
    "cp1256": "x-cp1256",
    "cp1257": "x-cp1257",
    "cp1258": "x-cp1258",
    "cp874": "dos-874 windows-874",
    "cp866": "ibm-866 cp-866 dos-866",
    "cp850": "cp-850 ibm-850 dos-850",
    "koi8-r": "koi koi8 koi8r",
    "koi8-u": "koi8-ru koi8u",
    "iso8859-8": "iso-8859-8-i iso-8859-8-e logical visual",
    "iso8859-6": "iso-8859-6-i iso-8859-6-e",
    "mac_roman": "x-mac-roman",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
}
_CODEC_BY_ALIAS = {each: codec for codec, names in _ALIASES.items() for each in names.split()}
# Codecs of Python that are no charsets of mail, and that are very slow with a long body.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined"})
# Codecs that do not say what bytes above 127 mean.
_NO_PROMISE = frozenset({"ascii"})
_CHARACTER = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_JIS = re.compile(rb"(?:\x1b([$(][@A-Z]))?((?:[^\x1b]|\x1b(?![$(][@A-Z]))*+)", re.DOTALL)
_SHIFTED_AT_ONCE = 65_536
_HIGH_BIT_SET = bytes(each | 0x80 for each in range(256))
_SAMPLE_BYTES = 100_000
# Windows-1252 with the C1 controls in its five holes, so that it decodes all bytes.
_WINDOWS_1252 = "".join(
    bytes([each]).decode("cp1252", "ignore") or chr(each) for each in range(256)
)


def decode_text(content: bytes, charset: str | None) -> str:
    """Decode bytes in the charset that the mail names; if that fails, in a guessed charset. Never
    raise an error, whatever the bytes and the charset are.

    charset: the charset that the mail names. None: the mail names no charset.
    """
    return decode_and_return_guessed_charset(content, charset)[0]


def decode_and_return_guessed_charset(
    content: bytes, charset: str | None
) -> tuple[str, str | None]:
    """Decode bytes as `decode_text` does. Return the text, and the name of the charset if it was
    guessed. The name is None if the text is ASCII or was decoded in the charset that the mail
    names.

    charset: the charset that the mail names. None: the mail names no charset.
    """
    if content.isascii() and b"\x1b" not in content and not _is_wide(charset):
        return to_storable_text(content.decode("ascii")), None
    codec_names = _codecs_of(charset)
    for codec in codec_names:
        if (text := _decode_strictly(content, codec)) is not None:
            return text, None
    if codec_names and codec_names[0] != "utf-8" and (content.isascii() or not _is_utf_8(content)):
        # The charset is known, and some characters of the text are damaged.
        return _storable(_replacing(content, codec_names[0])), None
    text, guess = _guess(content)
    return text, None if guess.lower() in codec_names else guess


def is_known_charset(charset: str) -> bool:
    """Return whether text can be decoded in the charset with this name."""
    return bool(_codecs_of(charset))


def guess_charset_and_decode(content: bytes) -> tuple[str, str]:
    """Decode bytes for which the mail names no charset. Return the text and the name of the guessed
    charset: ISO-2022-JP if the bytes contain its escapes, else UTF-8 if most bytes above 127 are
    UTF-8, else Windows-1252."""
    return _guess(content)


def find_bytes_that_decode_to_text(text: str, charset: str | None, size: int) -> bytes | None:
    """Find the bytes from which `decode_text` made this text, for a text whose original bytes are
    not at hand. The bytes are the text encoded in the charset, or else in UTF-8.

    charset: the charset that the mail names. None: the mail names no charset.
    size: number of the original bytes.

    Returns None if neither encoding has this size and is decoded to the same text.
    """
    for codec in (*_codecs_of(charset), "utf-8"):
        try:
            content = text.encode(codec)
        except (LookupError, ValueError):
            continue
        if len(content) == size and decode_text(content, charset) == text:
            return content
    return None


def _guess(content: bytes) -> tuple[str, str]:
    """Guess the charset as `guess_charset_and_decode` does; return the text and the charset's name.

    Some programs encode a character beyond 16 bits as two halves of a surrogate pair in UTF-8
    (CESU-8); such halves are joined."""
    if b"\x1b$" in content and (text := _decode_strictly(content, "iso2022_jp")) is not None:
        return text, "ISO-2022-JP"
    try:
        return _storable(content.decode("utf-8", "surrogatepass")), "UTF-8"
    except UnicodeDecodeError:
        pass
    if _is_mostly_utf_8(content):
        return _storable(content.decode("utf-8", "replace")), "UTF-8"
    return _storable(_replacing(content, "cp1252")), "Windows-1252"


def _decode_strictly(content: bytes, codec: str) -> str | None:
    if codec == "utf-8":
        with suppress(UnicodeDecodeError):
            # Decoded UTF-8 has no half of a surrogate pair; it can be stored once NUL is removed.
            return content.decode("utf-8").removeprefix("\ufeff").replace("\0", "")
    try:
        if codec == _NEC_IN_ISO_2022_JP:
            content, codec = _to_shift_jis(content), "cp932"
        text = content.decode(codec, "surrogatepass" if codec == "utf-8" else "strict")
    except (LookupError, ValueError):
        return None
    return _storable(text)


def _replacing(content: bytes, codec: str) -> str:
    if codec == "cp1252":
        return codecs.charmap_decode(content, "strict", _WINDOWS_1252)[0]
    if codec == "iso2022_jp":
        content, codec = _to_shift_jis(content), "cp932"
    try:
        return content.decode(codec, "replace")
    except (LookupError, ValueError):
        return content.decode("latin-1")


def _to_shift_jis(content: bytes) -> bytes:
    """Convert ISO-2022-JP to Shift_JIS. Python's codec for ISO-2022-JP lacks characters, such as
    U+2460, that most programs send."""
    converted = bytearray()
    for found in _JIS.finditer(content):
        escape, text = found[1], found[2]
        if escape in (b"$B", b"$@"):
            for start in range(0, len(text) - 1, _SHIFTED_AT_ONCE):
                chunk = text[start : min(start + _SHIFTED_AT_ONCE, len(text) & ~1)]
                pairs = memoryview(chunk).cast("H")
                converted += b"".join(map(_shifted_pairs().__getitem__, pairs))
        else:
            converted += text.translate(_HIGH_BIT_SET) if escape == b"(I" else text
    return bytes(converted)


@cache
def _shifted_pairs() -> Sequence[bytes]:
    """Return a table from JIS X 0208 to Shift_JIS. The index is the two bytes of a character in JIS
    X 0208 as a number in this machine's byte order. The value is the bytes in Shift_JIS."""
    return [_shifted(*pair.to_bytes(2, sys.byteorder)) for pair in range(65_536)]


def _shifted(row: int, cell: int) -> bytes:
    """Return the bytes of a character of JIS X 0208 in Shift_JIS."""
    lead = ((row + 1) >> 1) + (0x70 if row < 0x5F else 0xB0)
    trail = cell + (0x1F if cell < 0x60 else 0x20) if row & 1 else cell + 0x7E
    return bytes((lead & 0xFF, trail & 0xFF))


def _storable(text: str) -> str:
    return to_storable_text(text.removeprefix("\ufeff"))


def _codecs_of(charset: str | None) -> tuple[str, ...]:
    """Return the names of Python's codecs for a charset. Return () if the charset is unknown, or
    does not say what bytes above 127 mean."""
    name = _plain(charset)
    try:
        codec = codecs.lookup(_CODEC_BY_ALIAS.get(name, name)).name
    except (LookupError, ValueError):
        return ()
    if codec in _NO_CHARSETS or codec in _NO_PROMISE:
        return ()
    return _SUPERSETS.get(codec, (codec,))


def _plain(charset: str | None) -> str:
    return (charset or "").strip("\"' \t").lower()[:60]


def _is_wide(charset: str | None) -> bool:
    """Return whether ASCII bytes may mean other characters in this charset."""
    return _plain(charset).startswith(
        ("utf-16", "utf16", "utf-32", "utf-7", "utf7", "unicode")
    ) or (_plain(charset).startswith(("hz", "iso-10646", "ucs", "csunicode", "x-unicode", "cp037")))


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_mostly_utf_8(content: bytes) -> bool:
    """Return whether most bytes above 127 form characters of UTF-8. The content is then UTF-8 that
    is damaged, or that was cut within a character."""
    sample = content[:_SAMPLE_BYTES]
    valid = sum(len(each) for each in _CHARACTER.findall(sample))
    high = len(sample) - len(sample.translate(None, bytes(range(128, 256))))
    return valid > high - valid
