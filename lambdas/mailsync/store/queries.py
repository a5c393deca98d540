"""Reads `queries.sql`: the name of a statement, a sentence, the statement."""

import re
from functools import cache
from pathlib import Path

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def statements() -> dict[str, str]:
    """Every statement by its name, without comments."""
    parts = _HEADING.split(Path(__file__).with_name("queries.sql").read_text())[1:]
    return {
        name: "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }
