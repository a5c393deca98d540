"""`python -m benchmarks.mime_vote MBOX`: compare the parser, field by field, with the majority of
three parsers of other families.

The three are the standard library's `policy.default`, fast-mail-parser (Rust) and nodemailer's
mailparser (Node 20). The last two are installed below `build/mime_vote` by uv and npm. Differences
are printed by kind and message number; `--show N` prints both values of the first N of each kind.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from localdev.mail.mbox import split_mbox
from mailsync.mime import ParsedMessage, parse_message
from mailsync.model import Address

HERE = Path(__file__).parent / "mime_voters"
BUILD = Path("build/mime_vote")
FAST = "fast-mail-parser==0.10.0"
NODE_PARSER = "mailparser@3.14.2"
FIELDS = ("subject", "addresses", "names", "date", "text", "html", "attachments")
MIN_SHARE = 0.995
UNEXPLAINED = "without an explanation"
Record = dict[str, Any]


def main() -> int:
    """Return 0 if each field equals the majority in at least 99.5 % of the messages."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        count = _write_messages(options.path, Path(folder))
        ours, seconds = _ours(Path(folder))
        voters = [_normalised(each) for each in _voters(Path(folder))]
    print(f"{count:,} messages; ours: {count / seconds:,.0f} messages/s")
    return 0 if _compare(_normalised(ours), voters, options.show) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mime_vote", description=__doc__)
    default = Path("../shared/corpus/real-1000.mbox")
    parser.add_argument("path", type=Path, nargs="?", default=default, help="mbox file or folder")
    parser.add_argument("--show", type=int, default=0, help="differences whose values are printed")
    return parser.parse_args()


def _write_messages(path: Path, folder: Path) -> int:
    files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else None
    contents: Iterator[bytes] = (
        (each.read_bytes() for each in files)
        if files is not None
        else (each.content for each in split_mbox(path.read_bytes()))
    )
    count = 0
    for count, content in enumerate(contents, start=1):
        (folder / f"{count:06}").write_bytes(content)
    return count


def _ours(folder: Path) -> tuple[list[Record], float]:
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    started = time.perf_counter()
    parsed = {name: parse_message(content) for name, content in contents.items()}
    seconds = time.perf_counter() - started
    return [_record(name, each) for name, each in parsed.items()], seconds


def _record(name: str, mail: ParsedMessage) -> Record:
    people = (
        (mail.from_or_sender_address,) if mail.from_or_sender_address else (),
        mail.to,
        mail.cc,
    )
    return {
        "file": name,
        "subject": mail.subject,
        "people": [[_person(each) for each in group] for group in people],
        "date": mail.sent_at.timestamp() if mail.sent_at else None,
        "text": mail.body_text or "",
        "html": mail.body_html or "",
        "attachments": [
            [each.file_name, each.decoded_size_bytes, each.compute_sha256()]
            for each in mail.attachments
        ],
    }


def _person(each: Address) -> tuple[str, str]:
    return each.name, each.address


def _voters(folder: Path) -> Iterator[list[Record]]:
    BUILD.mkdir(parents=True, exist_ok=True)
    script = str(HERE / "python_parsers.py")
    alone = [find_uv_bin(), "run", "--no-project", "--python", sys.executable, "--with", FAST]
    install = ["npm", "install", "--silent", "--prefix", str(BUILD), NODE_PARSER]
    subprocess.run(install, check=True)
    for command in (
        [sys.executable, script, "stdlib"],
        [*alone, "python", script, "fast"],
        ["node", str(HERE / "mailparser.mjs"), str(BUILD.resolve())],
    ):
        done = subprocess.run([*command, str(folder)], stdout=subprocess.PIPE, check=True)
        yield [json.loads(line) for line in done.stdout.splitlines()]


def _normalised(records: list[Record]) -> dict[str, Record | None]:
    return {each["file"]: None if "error" in each else _fields(each) for each in records}


def _fields(record: Record) -> Record:
    """Return the fields in a form in which only what a reader sees makes a difference.

    White space is one blank, a name that repeats the address is none, quotation marks at the start
    of lines are left out (text in the format "flowed" joins lines), attachments have any order.
    """
    people = [person for group in record["people"] for person in group]
    text = re.sub(r"^[> ]+", "", record["text"], flags=re.MULTILINE)
    return {
        "subject": _one_line(record["subject"]),
        "addresses": [address for _, address in people],
        "names": [_one_line(name) if name != address else "" for name, address in people],
        "date": record["date"],
        "text": _one_line(text),
        "html": _one_line(record["html"]),
        "attachments": sorted(record["attachments"]),
    }


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", "").removeprefix("\ufeff").split())


def _compare(
    ours: dict[str, Record | None], voters: Sequence[dict[str, Record | None]], show: int
) -> bool:
    """Print each field's share and differences; return whether all shares suffice."""
    passed = True
    failed = [sum(each is None for each in voter.values()) for voter in voters]
    print(f"raised: stdlib {failed[0]}, fast-mail-parser {failed[1]}, mailparser {failed[2]}")
    for field in FIELDS:
        equal, undecided = 0, []
        differing: dict[str, list[tuple[str, Any, Any]]] = {}
        for name, record in ours.items():
            votes = [voter[name] for voter in voters]
            majority = _majority([json.dumps(each[field]) for each in votes if each])
            mine = record[field] if record else None
            if majority is None:
                undecided.append(name)
            elif (most := json.loads(majority)) == json.loads(json.dumps(mine)):
                equal += 1
            else:
                differing.setdefault(_kind(mine, most), []).append((name, mine, most))
        passed &= _print_field(field, equal, differing, undecided, show)
    return passed


def _print_field(
    field: str,
    equal: int,
    differing: dict[str, list[tuple[str, Any, Any]]],
    undecided: list[str],
    show: int,
) -> bool:
    explained = sum(len(each) for kind, each in differing.items() if kind != UNEXPLAINED)
    total = equal + sum(map(len, differing.values()))
    share, right = (equal / total, (equal + explained) / total) if total else (1, 1)
    print(
        f"{field:12} {share:8.2%} of {total} equal, {right:8.2%} with explained differences;"
        f" no majority: {len(undecided)} {' '.join(undecided)}"
    )
    for kind, found in differing.items():
        print(f"    {len(found)} {kind}: {' '.join(name for name, *_ in found[:20])}")
        for name, mine, most in found[:show]:
            print(f"      {name} ours  {_around(mine, most)}")
            print(f"             most  {_around(most, mine)}")
    return right >= MIN_SHARE


def _kind(mine: Any, most: Any) -> str:
    """Return why the values differ, if that is one of the kinds that docs/mime.md explains."""
    if isinstance(most, list) and mine and len(mine) == len(most):
        pairs = zip(mine, most, strict=True)
        if all(a == b or (a and not b) for a, b in pairs):
            return "names from a comment: a@b (Name)"
    if isinstance(most, str) and "\ufffd" in most:
        pattern = re.escape(most).replace("\ufffd", "\\s?.{0,4}?\\s?")
        if re.fullmatch(re.sub(r"\\ ", r"\\s?", pattern), mine, re.DOTALL):
            return "characters of Windows-1252 that the majority replaced by U+FFFD"
    return UNEXPLAINED


def _majority(votes: list[str]) -> str | None:
    value, count = Counter(votes).most_common(1)[0] if votes else ("", 0)
    return value if count >= 2 else None


def _around(value: Any, other: Any) -> str:
    """Return the value from a little before the place where the other one differs."""
    text, other_text = json.dumps(value), json.dumps(other)
    pairs = enumerate(zip(text, other_text, strict=False))
    place = next((at for at, (a, b) in pairs if a != b), min(len(text), len(other_text)))
    return text[max(0, place - 60) : place + 120]


if __name__ == "__main__":
    sys.exit(main())
