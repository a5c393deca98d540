"""Whatever its bytes are, a message that a mail server sends is stored: nothing is quarantined."""

from collections.abc import Callable, Iterable

import pytest

from mailsync.model import Upsert
from mailsync.providers.imap.ids import MessageUidLocation
from mailsync.providers.imap.messages import message_from_fetch_items
from tests.store.conftest import Mirror
from tests.unit.mime.mutations import NASTY, mutated

DATES = (
    *("Mon, 1 Jan 0001 00:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 +0000", "31 Dec 9999 +9999"),
    *("1 Jan 0001 00:00:00 +2359", "0000-01-01", "9999-12-31T23:59:60Z", "29 Feb 1900 25:61:61"),
    *("Mon, 1 Jan 99999999999999999999", "1 Jan 50 -9999", "-1 Jan 2000", "\ud800", "NaN"),
)
HEADERS = ("Subject", "From", "To", "Message-ID", "References", "In-Reply-To", "Content-Type")
ODD = (
    b"\x00",
    b"=?utf-8?q?=00?=",
    b"\xed\xa0\x80",
    b"=?utf-7?Q?+2AA-?=",
    b"<\x00@\xff>",
    b"\\u0000",
)


def damaged() -> Iterable[bytes]:
    seeds = [each.read_bytes() for each in sorted(NASTY.glob("*.eml"))]
    return mutated(seeds, 60, seed=11)


def odd() -> Iterable[bytes]:
    for odd in ODD:
        for name in HEADERS:
            yield f"{name}: x ".encode() + odd + b"\n\nA text, " + odd
    for date in DATES:
        yield f"Date: {date}\n\n".encode("utf-8", "surrogatepass")
    yield b"Message-ID: <" + b"a" * 100_000 + b"@x>\n\n"
    yield b""


@pytest.mark.parametrize("messages", [damaged, odd])
def test_a_message_of_any_bytes_is_stored(
    messages: Callable[[], Iterable[bytes]], mirror: Mirror
) -> None:
    raw = list(messages())
    flags = (b"\\Seen", b"\xff", b"a\x00b", "\u00e9".encode())
    pages = [
        Upsert(
            message_from_fetch_items(
                MessageUidLocation(b"F1", 1, uid), {b"BODY[]": each, b"FLAGS": flags}
            )
        )
        for uid, each in enumerate(raw)
    ]
    found = mirror.apply(mirror.first, *pages)

    assert found
    assert (found.inserted, found.quarantined) == (len(raw), 0)
