"""Whatever its bytes are, a message is parsed: without an error, quickly, in little memory."""

import base64
import hashlib
import subprocess
import sys
import time
import tracemalloc

import pytest

from mailsync.mime import make_thread_keys, parse_message
from mailsync.mime.bodies import MAX_ATTACHMENTS, MAX_ENCODED_BYTES_OF_JOINED_TEXTS
from mailsync.mime.message import MAX_ADDRESSES
from mailsync.mime.parts import MAX_PART_NESTING_DEPTH, MAX_PARTS
from tests.support.paths import ROOT
from tests.unit.mime.mutations import NASTY, check_parsed, mutated

HTML, MIXED = b"Content-Type: text/html\n\n", b"Content-Type: multipart/mixed; boundary=b\n\n"
NESTED = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n"
FLOWED = b"Content-Type: text/plain; format=flowed; delsp=yes\n\n"
CODED = b"Content-Transfer-Encoding: %s\n\n"


def test_a_damaged_message_is_parsed() -> None:
    """`python -m tests.unit.mime.mutations` tries 10,000."""
    seeds = [each.read_bytes() for each in sorted(NASTY.glob("*.eml"))]

    for content in mutated(seeds, 150, seed=7):
        check_parsed(parse_message(content))


@pytest.mark.parametrize(
    ("before", "repeated"),
    [
        *((b"To: ", each) for each in (b"(", b'"', b'"a\\', b"<", b"a,", b":", b"(\\", b"a@b ")),
        *((b"To: ", each) for each in (b"=?", b"=?a?b?", b" @ ", b"\xff", b"\n a", b"(a(b)")),
        *((b"Subject: ", each) for each in (b"=?", b"=?utf-8?b?YQ==?= ", b"\n ")),
        *((b"Content-Type: text/plain; a=", each) for each in (b'"a\\', b";a*1=b", b'"')),
        *((HTML, each) for each in (b"<", b"<!--", b'<a ="', b"<style>", b"&#9", b"<p>", b"cid:")),
        *((MIXED, each) for each in (b"\n--b", b"\n--b\n", b"--b", b"\n--b\n" + MIXED)),
        *((FLOWED, each) for each in (b">", b"> \n", b" \n", b"-- \n")),
        *((CODED % b"base64", each) for each in (b"=", b"A=", b"\xff", b"AAAA====")),
        *((CODED % b"quoted-printable", each) for each in (b"=", b"=   ", b"= \n", b"=3")),
        *((CODED % b"x-uue", each) for each in (b"A\n", b"begin 644 a\n", b"M")),
        *((b"", each) for each in (b"a:\n", b"x\n", b" \n", b"\r", b"a: b\nx\n")),
    ],
)
def test_a_hostile_megabyte_costs_less_than_a_second(before: bytes, repeated: bytes) -> None:
    content = before + repeated * (1_000_000 // len(repeated))
    started = time.process_time()

    make_thread_keys(parse_message(content))

    assert time.process_time() - started < 1


def test_a_message_of_40_megabytes_needs_little_more_memory_than_its_bytes() -> None:
    line = base64.b64encode(b"x" * 57) + b"\r\n"
    header = b"--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
    attachment = header + b"Content-Transfer-Encoding: base64\r\n\r\n" + line * 520_000
    raw = MIXED + b"--b\r\n\r\nhello\r\n" + attachment + b"--b--\r\n"
    assert len(raw) > 40_000_000
    tracemalloc.start()
    started = time.process_time()

    [found] = parse_message(raw).attachments
    seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    size, sha256 = found.decoded_size_bytes, found.compute_sha256()
    peak_of_hash = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (seconds < 0.5, peak < 1_000_000, peak_of_hash < 2_000_000) == (True, True, True)
    assert (size, sha256) == (57 * 520_000, hashlib.sha256(b"x" * 57 * 520_000).hexdigest())


@pytest.mark.parametrize(
    ("charset", "repeated"),
    [
        *((b"iso-2022-jp", each) for each in (b"-!", b"\x1b$B-!", b"\x1b(I1", b"\x1b$")),
        *((b"utf-8", each) for each in (b"a", b"\xc3\xa9", b"\xf0\x9f\x8e\x89", b"\xff", b"\0")),
        *(
            (each, b"+2AA-")
            for each in (b"utf-7", b"hz", b"utf-16", b"gb2312", b"x; format=flowed")
        ),
    ],
)
def test_a_text_needs_few_times_its_bytes(charset: bytes, repeated: bytes) -> None:
    head = b"Content-Type: text/plain; charset=" + charset + b"\n\n\x1b$B-!"
    raw = head + repeated * (500_000 // len(repeated))
    parse_message(raw[:1000])
    tracemalloc.start()

    make_thread_keys(parse_message(raw))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 12 * len(raw)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"".join(NESTED % (each, each) for each in range(3_000)),
         f"has parts nested more than {MAX_PART_NESTING_DEPTH} deep, so the deepest are one text"),
        (MIXED + b"--b\n\nx\n" * (MAX_PARTS + 5),
         f"has more than {MAX_PARTS} parts, so the last ones are one part"),
        (MIXED + b"--b\nContent-Type: a/b\n\nx\n" * (MAX_ATTACHMENTS + 5),
         f"has more than {MAX_ATTACHMENTS} attachments"),
        (b"To: " + b"a@b," * (MAX_ADDRESSES + 5),
         f"has more than {MAX_ADDRESSES:,} addresses in one field"),
        (b"X: y\n" * 6_000 + b"\n",
         "has a header that is too long, so the rest of it is ignored"),
        (b"\n" + b"x" * (MAX_ENCODED_BYTES_OF_JOINED_TEXTS + 5),
         f"has a text of more than {MAX_ENCODED_BYTES_OF_JOINED_TEXTS:,} bytes, which is cut"),
    ],
    ids=["depth", "parts", "attachments", "addresses", "header", "text"],
)  # fmt: skip
def test_what_exceeds_a_limit_is_named(raw: bytes, problem: str) -> None:
    assert problem in parse_message(raw).parsing_problem_descriptions


def test_a_stage_with_graph_alone_does_not_import_the_parser() -> None:
    program = (
        "import sys, mailsync.api.app, mailsync.sync.mailbox, mailsync.providers.graph.kit;"
        "sys.exit('mailsync.mime' in sys.modules or 'mailsync.providers.imap' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT / "lambdas", capture_output=True, check=False)

    assert done.returncode == 0, done.stderr.decode()
