"""Docstrings and comments name only what exists: a renaming reaches the texts too."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("lambdas", "infra", "localdev", "dashboard", "tests", "benchmarks")
OTHER_SOURCES = ("*.sql", "*.js", "*.json", "*.html", "*.toml", "Makefile")
NAME = re.compile(
    r"`(?:\w+\.)*(\w+)(?:\(\))?`"
    r"|(?<![\w`./:-])([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+|(?:[A-Z][a-z]+){2,})\b"
)
MEMBER = re.compile(r"`([A-Z]\w+)\.(\w+)(?:\(\))?`")
COMPOUND = re.compile(r"\w_\w|[a-z][A-Z]")
COMMENT = re.compile(r"(?:^|\s\s)#.*", re.MULTILINE)
FOREIGN = re.compile(
    "BingAds|DelSp|EaseMail|ErrorResponse|GitHub|GovCloud|ImapEngine|LogicLabs|MailKit|OpenArchiver"
    "|UiRequiredExceptionClassification|__del__|conninfo_uri_parse|disconnect_client|grant_connect"
    "|lc_messages|mail_pager|PR_SET_PDEATHSIG|Red_category|Label_N|X509_V_ERR_HOSTNAME_MISMATCH"
    "|CA_FILE|ID_ADDRESS|ROUND_TRIP_MS|TARGET_PORT|TIME_ID"
)
"""Names of other programs, of arguments of a command, and of examples."""


def docstrings(tree: ast.AST) -> list[str]:
    """Return every text that stands alone as a statement."""
    values = [each.value for each in ast.walk(tree) if isinstance(each, ast.Expr)]
    constants = [each.value for each in values if isinstance(each, ast.Constant)]
    return [each for each in constants if isinstance(each, str)]


def names_within(node: ast.ClassDef) -> set[str]:
    """Return the names that the class and its methods define or use."""
    fields = ("id", "attr", "name")
    return {str(getattr(each, field, "")) for each in ast.walk(node) for field in fields}


def bases(node: ast.ClassDef) -> set[str]:
    return {str(getattr(each, "attr", getattr(each, "id", ""))) for each in node.bases}


@cache
def read() -> tuple[dict[Path, list[str]], dict[str, tuple[set[str], set[str]]], set[str]]:
    """Return the texts of each file, bases and names of each class, and the words of the code."""
    texts, words = dict[Path, list[str]](), set[str]()
    classes = defaultdict[str, tuple[set[str], set[str]]](lambda: (set(), set()))
    for path in (each for package in PACKAGES for each in (ROOT / package).rglob("*.py")):
        code, tree = path.read_text(), ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                classes[node.name][0].update(bases(node))
                classes[node.name][1].update(names_within(node))
        texts[path] = docstrings(tree)
        for text in texts[path]:
            code = code.replace(text, "")
        texts[path] += COMMENT.findall(code)
        words.update([path.stem, path.parent.name], re.findall(r"\w+", COMMENT.sub("", code)))
    folders = [ROOT / each for each in (*PACKAGES, "statemachine", ".github", ".ci")]
    for path in (each for kind in OTHER_SOURCES for one in folders for each in one.rglob(kind)):
        words.update(re.findall(r"\w+", path.read_text()))
    return texts, classes, words


def test_every_compound_name_in_a_docstring_or_comment_exists() -> None:
    texts, _, words = read()
    named = {
        (str(path.relative_to(ROOT)), name)
        for path, found in texts.items()
        for name in (one or other for text in found for one, other in NAME.findall(text))
        if COMPOUND.search(name) and name not in words and not FOREIGN.fullmatch(name)
    }
    assert not named


def test_every_member_of_a_class_that_a_docstring_names_exists() -> None:
    texts, classes, _ = read()

    def has(owner: str, member: str) -> bool:
        if owner not in classes:
            return True
        above, within = classes[owner]
        return member in within or any(each in classes and has(each, member) for each in above)

    assert not [
        (str(path.relative_to(ROOT)), owner, member)
        for path, found in texts.items()
        for owner, member in (each for text in found for each in MEMBER.findall(text))
        if not has(owner, member)
    ]
