"""A run of `make live` in a process of its own, and what it leaves behind."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.paths import ROOT


@dataclass(frozen=True)
class LiveRun:
    """printed: all that the process printed."""

    folder: Path
    printed: str

    @property
    def record(self) -> str:
        return (self.folder / ".mailsync/live.json").read_text()

    @property
    def document(self) -> Any:
        return json.loads(self.record)


def start_live(
    folder: Path,
    arguments: Sequence[str],
    settings: Mapping[str, str],
    *,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Without a terminal, so that a password comes from the standard input."""
    return subprocess.Popen(
        [sys.executable, "-m", "localdev.live", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'lambdas'}:{ROOT}", **settings},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def files(folder: Path) -> list[str]:
    """The files that a run has left."""
    data = folder / ".mailsync"
    return sorted(str(each.relative_to(data)) for each in data.rglob("*") if each.is_file())


def values_in_record(run: LiveRun, values: Iterable[str]) -> list[str]:
    """The values that stand in the record, in any of their forms."""
    record = run.record
    return [each for each in values if any(form in record for form in _forms(each))]


def _forms(value: str) -> Iterator[str]:
    """The value as it is, URL-encoded, in JSON, and in Base64 at each of three offsets."""
    yield from (value, quote(value, safe=""), json.dumps(value)[1:-1])
    for before in ("", "x", "xx"):
        encoded = base64.b64encode((before + value).encode()).decode().rstrip("=")
        # Without the first and last characters, which depend on what stands beside the value.
        yield encoded[4:-1] if before else encoded[:-1]
