"""Read SQL statements by name from the files of `queries/`, or from one other file.

Each statement stands below a heading `-- name --` and a comment that says what it does. Tables
are named with their schema: an existing database may have tables of the same names, and a pooler
in transaction mode forbids a search path. Every statement runs inside an explicit transaction.
Comments begin with two hyphens: the driver takes a colon with a word anywhere else as a parameter.
"""

import re
from functools import cache
from pathlib import Path

QUERIES_FOLDER = Path(__file__).with_name("queries")
_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def load_sql_statements(source: Path = QUERIES_FOLDER) -> dict[str, str]:
    """Return the SQL statements of a file, or of all files of a folder, by name."""
    files = sorted(source.glob("*.sql")) if source.is_dir() else [source]
    return {
        name: "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()
        for file in files
        for name, text in _sections(file.read_text())
    }


def _sections(text: str) -> list[tuple[str, str]]:
    parts = _HEADING.split(text)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))
