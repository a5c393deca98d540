"""Responses of IMAP servers are parsed as they are sent, quickly, and raise no other error."""

import random
import time
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from mailsync.providers.imap.responses import (
    parse_fetch,
    parse_internal_date,
    parse_search,
    split_responses,
)
from mailsync.providers.imap.uids import MAX_PARSED_UID_RANGES, parse_uid_ranges

MESSAGE = b"Subject: a\r\n\r\n)"
RESPONSE: list[bytes | tuple[bytes, bytes]] = [
    (
        b'7 (UID 12 FLAGS (\\Seen $x) INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 15'
        b" MODSEQ (9) EMAILID (M1) BODY[] {15}",
        MESSAGE,
    ),
    b' X-Y (1 (NIL "a\\"b")) BODY[HEADER.FIELDS ("Message-ID")] NIL)',
]
ITEMS = {
    b"UID": 12,
    b"FLAGS": (b"\\Seen", b"$x"),
    b"INTERNALDATE": datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC),
    b"RFC822.SIZE": 15,
    b"MODSEQ": (9,),
    b"EMAILID": (b"M1",),
    b"BODY[]": MESSAGE,
    b"X-Y": (1, (None, b'a"b')),
    b"BODY[HEADER.FIELDS (MESSAGE-ID)]": None,
}


def test_items_of_a_response() -> None:
    assert parse_fetch(RESPONSE) == ITEMS
    assert [parse_fetch(each) for each in split_responses([*RESPONSE, *RESPONSE])] == [ITEMS] * 2


@pytest.mark.parametrize(
    ("sent", "flags"),
    [
        (b"()", ()),
        (b"(\\Seen [x]/y a%b)", (b"\\Seen", b"[x]/y", b"a%b")),
        (b'("q" {z} \xe9 $f(1) \\*)', (b'"q"', b"{z}", b"\xe9", b"$f(1)", b"\\*")),
        (b"(  \\Seen\t\\SEEN )", (b"\\Seen", b"\\SEEN")),
    ],
)
def test_flags_end_at_blanks_only(sent: bytes, flags: tuple[bytes, ...]) -> None:
    found = parse_fetch([b"1 (FLAGS " + sent + b" UID 5)"])
    assert (found[b"FLAGS"], found[b"UID"]) == (flags, 5)


def test_a_literal_may_stand_anywhere() -> None:
    records: list[bytes | tuple[bytes, bytes]] = [
        (b"1 (FLAGS ({5}", b"\\Seen"),
        (b") X (a {3}", b"b)c"),
        b") UID 5)",
    ]
    found = parse_fetch(records)
    assert (found[b"FLAGS"], found[b"X"], found[b"UID"]) == ((b"\\Seen",), (b"a", b"b)c"), 5)


HOSTILE = {
    "nothing": b"",
    "no number": b"(UID 1)",
    "nested": b"1 (X " + b"(" * 1_000_000,
    "closed": b"1 (X " + b"(" * 1_000_000 + b")" * 1_000_000,
    "quotes": b'1 (X "' + b"\\" * 1_000_001,
    "open flags": b"1 (FLAGS " + b"(" * 1_000_000,
    "flags": b"1 (FLAGS (" + b") x" * 300_000,
    "blanks": b"1 (" + b" " * 1_000_000,
    "names": b"1 (" + b"x[" * 500_000,
    "digits": b"1 (UID " + b"9" * 1_000_000 + b")",
    "a literal that is missing": b"1 (X {5})",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_responses_take_no_time(name: str) -> None:
    began = time.process_time()
    with suppress(ValueError):
        parse_fetch([HOSTILE[name]])
    assert time.process_time() - began < 2


def test_no_mutation_of_a_response_raises_another_error() -> None:
    chance, parsed = random.Random(1), 0
    for _ in range(5_000):
        records: list[bytes | tuple[bytes, bytes]] = []
        for record in RESPONSE:
            text = bytearray(record[0] if isinstance(record, tuple) else record)
            for _ in range(chance.randrange(4)):
                text[chance.randrange(len(text))] = chance.choice(b'()"{} \\[]<>NIL19\xff')
            records.append((bytes(text), MESSAGE) if isinstance(record, tuple) else bytes(text))
        with suppress(ValueError):
            parsed += b"UID" in parse_fetch(records)
    assert 500 < parsed < 5_000


@pytest.mark.parametrize(
    "text",
    [None, 5, b"", b"00-Jan-0000 00:00:00 +0000", b"31-Feb-2026 00:00:00 +0000", b"1-Xyz-2026 x",
     b"01-Jan-0001 00:00:00 +2300", b"31-Dec-9999 23:59:59 -2300", b"01-Jan-2026 00:00:00 +9900"],
)  # fmt: skip
def test_impossible_times_are_none(text: object) -> None:
    assert parse_internal_date(text) is None


def test_a_time_may_be_padded_with_a_blank() -> None:
    assert parse_internal_date(b" 1-Jan-2024 10:00:00 +0100") == datetime(2024, 1, 1, 9, tzinfo=UTC)


def test_uids_of_a_search() -> None:
    lines = [b"5 3 3 0 x 99999999999", b"7 (MODSEQ 917)", b""]
    assert parse_search(lines, [b'(TAG "a") UID ALL 10:12,9', b"UID COUNT 0"]) == [
        3, 5, 7, 9, 10, 11, 12,
    ]  # fmt: skip


def test_ranges_of_thousands_of_millions_cost_nothing() -> None:
    assert parse_uid_ranges(b"1:4294967295,7,x,9:3") == [
        range(1, 4_294_967_296),
        range(7, 8),
        range(3, 10),
    ]
    with pytest.raises(ValueError, match="too many"):
        parse_search([], [b"UID ALL 1:4294967295"])


def test_long_lines_need_little_memory() -> None:
    line = b"12 " * 50_000
    tracemalloc.start()
    parse_search([line], [])
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2 * len(line)
    assert len(parse_uid_ranges(b"1," * (MAX_PARSED_UID_RANGES + 9))) == MAX_PARSED_UID_RANGES
