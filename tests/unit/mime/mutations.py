"""`python -m tests.unit.mime.mutations`: parse damaged messages; none may raise, be slow or large.

Messages of a file or a folder are damaged at random places: bytes are flipped, cut, repeated,
exchanged with other messages' bytes, or a fragment that breaks parsers is put in.
"""

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from localdev.mail.mbox import split_mbox
from mailsync.mime import ParsedMessage, make_thread_keys, parse_message
from tests.support.paths import ROOT

MAX_SECONDS = 1.0
MAX_MEGABYTES = 200
MAX_BYTES = 3_000_000
NASTY = ROOT / "tests" / "providers" / "simulators" / "mail"
FRAGMENTS = (
    *(b"\xff", b"\x00", b"\xed\xa0\x80", b"\r", b"=", b'"', b"(", b"<", b"\n\n", b"=?", b"--"),
    *(b"=?utf-7?Q?+2AA-?=", b"=?x?b?", b"=?iso-2022-jp?B?GyRC?=", b"\x1b$B", b"&#", b"<!--"),
    b"\nContent-Type: multipart/mixed; boundary=b\n\n--b\n",
    b'\nContent-Type: text/html; charset="\xe9"\n\n<![foo[',
    b"\nContent-Type: message/rfc822\n\n",
    b"\nContent-Type: text/plain; format=flowed; delsp=yes; charset=punycode\n\n",
    b"\nContent-Disposition: attachment; filename*99999999999999999999=x; filename*0*=''%\n",
    b"\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n",
    b"\nContent-Transfer-Encoding: base64\n\n====",
    b"\nContent-Transfer-Encoding: quoted-printable\n\n=\n=3",
    b"\nDate: Mon, 1 Jan 0150 00:00:00 +9999\n",
    b'\nTo: "a\\" <b@c>, (((\n',
    b"\nReferences: <<@@>>\n",
)


def mutated(seeds: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield `count` damaged messages; the same `seed` gives the same ones."""
    chance = random.Random(seed)
    for number in range(count):
        content = bytearray(seeds[number % len(seeds)][: MAX_BYTES // 4])
        for _ in range(chance.randint(1, 8)):
            _damage(content, chance, seeds)
        yield bytes(content[:MAX_BYTES])


def _damage(content: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> None:
    start = chance.randint(0, len(content))
    end = min(len(content), start + chance.choice((1, 2, 10, 100, 5_000)))
    match chance.randrange(6):
        case 0:
            content[start:end] = bytes(
                each ^ (1 << chance.randrange(8)) for each in content[start:end]
            )
        case 1:
            del content[start:end]
        case 2:
            content[start:end] = content[start:end] * chance.choice((2, 3, 50, 1_000))
        case 3:
            content[start:start] = chance.choice(FRAGMENTS) * chance.choice((1, 1, 2, 500, 20_000))
        case 4:
            other = chance.choice(seeds)
            place = chance.randint(0, len(other))
            content[start:end] = other[place : place + chance.choice((20, 500, 20_000))]
        case _:
            del content[chance.randint(0, len(content)) :]
    del content[MAX_BYTES:]


def check_parsed(message: ParsedMessage) -> None:
    """Fail if a text of the message could not be stored, or a limit was exceeded."""
    people = (*message.to, *message.cc, *message.bcc, *message.reply_to)
    texts = [message.subject, message.preview, message.body_text, message.body_html]
    texts += [message.internet_message_id, message.in_reply_to, *message.referenced_message_ids]
    texts += [each for person in people for each in (person.name, person.address)]
    texts += [text for each in message.attachments for text in (each.file_name, each.content_id)]
    joined = "\n".join(
        [each or "" for each in texts]
        + [*message.parsing_problem_descriptions, *make_thread_keys(message)]
    )
    assert "\0" not in joined
    joined.encode("utf-8")
    assert not [each for each in message.parsing_problem_descriptions if "\n" in each]
    for attachment in message.attachments[:5]:
        assert attachment.decoded_size_bytes == len(attachment.decode_content())


def main() -> int:
    """Return 0 if no message raised, took a second, or made the process larger than 200 MB."""
    parser = argparse.ArgumentParser(prog="python -m tests.unit.mime.mutations")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mbox", type=Path, help="mbox file or folder of messages to damage")
    options = parser.parse_args()
    slowest, failed = 0.0, 0
    for number, content in enumerate(mutated(_seeds(options.mbox), options.count, options.seed)):
        started = time.process_time()
        try:
            message = parse_message(content)
            seconds = time.process_time() - started
            check_parsed(message)
        except Exception as failure:
            failed += 1
            print(f"message {number}: {type(failure).__name__}: {failure}")
        else:
            if seconds > MAX_SECONDS:
                failed += 1
                print(f"message {number}: {seconds:.2f} s for {len(content):,} bytes")
            slowest = max(slowest, seconds)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{options.count:,} messages, {failed} failed; slowest {slowest:.3f} s, {megabytes} MB")
    return 1 if failed or megabytes > MAX_MEGABYTES else 0


def _seeds(path: Path | None) -> list[bytes]:
    files = sorted(each for each in (path or NASTY).rglob("*") if each.is_file())
    if path and path.is_file():
        return [each.content for each in split_mbox(path.read_bytes())]
    return [each.read_bytes() for each in files]


if __name__ == "__main__":
    sys.exit(main())
