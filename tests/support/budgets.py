"""The budgets of this code base. `python -m tests.support.budgets` lists what exceeds them.

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
        tree = ast.parse(path.read_text())
        yield from _long_functions(path, tree)
        yield from _long_constructs(path, tree)


def _file_limit(path: Path) -> int:
    if path.suffix == ".json":
        return ASL_LINES
    if path.parts[:2] == ("lambdas", "handlers"):
        return HANDLER_LINES
    if path.parts[0] == "infra" and path.stem.endswith("_stack"):
        return STACK_LINES
    return FILE_LINES


def _long_constructs(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if path.parts[0] == "infra" and isinstance(node, ast.ClassDef):
            lines = _length(node)
            if lines > CONSTRUCT_LINES:
                yield f"{path}:{node.lineno} {node.name}: {lines} lines, {CONSTRUCT_LINES} allowed"


def _length(node: ast.FunctionDef | ast.ClassDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _long_functions(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        lines = _length(node)
        limit = TEST_FUNCTION_LINES if node.name.startswith("test_") else FUNCTION_LINES
        if lines > limit:
            yield f"{path}:{node.lineno} {node.name}: {lines} lines, {limit} are allowed"


if __name__ == "__main__":
    sys.exit(main())
