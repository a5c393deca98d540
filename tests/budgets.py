"""The budgets of this code base: `python -m tests.budgets` names every file and function over them.

They keep each piece small enough to be read at once; change them by an ADR, not by an exception.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE_LINES = 400
FUNCTION_LINES = 50
TEST_FUNCTION_LINES = 30
HANDLER_LINES = 30
CONSTRUCT_LINES = 120
STACK_LINES = 80
ASL_LINES = 300


def main() -> int:
    broken = [each for path in _tracked() for each in _broken(path)]
    print("\n".join(broken) or "budgets kept")
    return 1 if broken else 0


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.asl.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for path in map(Path, listed.stdout.split()) if path.exists()]


def _broken(path: Path) -> Iterator[str]:
    lines = path.read_text().count("\n")
    limit = _file_limit(path)
    if lines > limit:
        yield f"{path}: {lines} lines, {limit} are allowed"
    if path.suffix == ".py":
        yield from _long_functions(path)


def _file_limit(path: Path) -> int:
    if path.suffix == ".json":
        return ASL_LINES
    if path.parts[:2] == ("lambdas", "handlers"):
        return HANDLER_LINES
    if path.parts[0] == "infra" and path.name != "catalog.py":
        return STACK_LINES if path.stem.endswith("_stack") else CONSTRUCT_LINES
    return FILE_LINES


def _long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        limit = TEST_FUNCTION_LINES if node.name.startswith("test_") else FUNCTION_LINES
        if lines > limit:
            yield f"{path}:{node.lineno} {node.name}: {lines} lines, {limit} are allowed"


if __name__ == "__main__":
    sys.exit(main())
