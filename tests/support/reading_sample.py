"""Draw names, docstrings and paragraphs for a reader who has not seen the code.

`python -m tests.support.reading_sample SEED` prints forty public names, twenty docstrings and ten
paragraphs of the documentation; the seed is the hash of the commit that is judged. The reader
explains each name from the name alone in a sentence, and says whether he would bet four to one that
the sentence is right. A second person compares the sentences with the code. Of the texts he says
which he understood at first reading.
"""

import argparse
import ast
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("lambdas", "infra", "localdev", "dashboard")
NAMES, DOCSTRINGS, PARAGRAPHS = 40, 20, 10
MIN_PARAGRAPH_CHARS = 120


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in sorted(listed.stdout.splitlines())]


def public(body: list[ast.stmt], owner: str) -> Iterator[tuple[str, ast.AST]]:
    """Yield the public names of a module or class, with their definitions."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{owner}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{owner}.{node.name}")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.startswith("_"):
                    yield f"{owner}.{target.id}", node


def definitions() -> Iterator[tuple[str, ast.AST]]:
    for path in tracked(*(f"{package}/*.py" for package in PACKAGES)):
        module = str(path.relative_to(ROOT)).removeprefix("lambdas/").removesuffix(".py")
        module = module.removesuffix("/__init__").replace("/", ".")
        tree = ast.parse(path.read_text())
        yield module, tree
        yield from public(tree.body, module)


def docstring(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
        return None
    return ast.get_docstring(node)


def paragraphs() -> Iterator[str]:
    """Yield the paragraphs of prose in the documents, each with its file."""
    for path in tracked("docs/*.md", "README.md", "statemachine/*.md"):
        for block in path.read_text().split("\n\n"):
            is_prose = block[:1].isalpha() and "```" not in block
            if is_prose and len(block) >= MIN_PARAGRAPH_CHARS:
                yield f"{path.relative_to(ROOT)}\n{block.strip()}"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.support.reading_sample", description=__doc__
    )
    parser.add_argument("seed", help="the hash of the commit")
    chance = random.Random(parser.parse_args().seed)
    defined = list(definitions())
    documented = [(name, text) for name, node in defined if (text := docstring(node))]
    names = [name for name, node in defined if not isinstance(node, ast.Module)]
    print("# Names", *chance.sample(names, NAMES), sep="\n")
    for name, text in chance.sample(documented, DOCSTRINGS):
        print(f"\n# Docstring of {name}\n{text}")
    for block in chance.sample(list(paragraphs()), PARAGRAPHS):
        print(f"\n# Paragraph of {block}")


if __name__ == "__main__":
    main()
