"""Encode and decode folder names in IMAP's modified UTF-7 (RFC 3501, section 5.1.3)."""

import re
from base64 import b64decode, b64encode


def encode_modified_utf7(name: str) -> str:
    """Return the name in modified UTF-7, which is ASCII. A lone surrogate is kept."""

    def encoded(text: re.Match[str]) -> str:
        if text[0] == "&":
            return "&-"
        word = b64encode(text[0].encode("utf-16-be", "surrogatepass")).decode()
        return f"&{word.rstrip('=').replace('/', ',')}-"

    return re.sub("&|[^ -~]+", encoded, name)


def decode_modified_utf7(name: str) -> str:
    """Decode a name in modified UTF-7; return any other text unchanged."""

    def decoded(word: re.Match[str]) -> str:
        encoded = word[1].replace(",", "/")
        return b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-16-be") or "&"

    try:
        return re.sub("&([A-Za-z0-9+,]*)-", decoded, name)
    except ValueError:
        return name
