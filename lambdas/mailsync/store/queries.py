"""Reads `queries.sql`: the name of a statement, a sentence, the statement."""

import re
from functools import cache
from pathlib import Path

_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)
PRODUCT = Path(__file__).with_name("queries.sql")


@cache
def statements(file: Path = PRODUCT) -> dict[str, str]:
    """Every statement of the file by its name, without comments."""
    parts = _HEADING.split(file.read_text())[1:]
    return {
        name: "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
        for name, text in zip(parts[::2], parts[1::2], strict=True)
    }
