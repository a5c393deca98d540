"""The documents are true: their links, the tests they name, the hops of a message, the glossary."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "statemachine/README.md"]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
LINK = re.compile(r"\]\((?!http)([^)#]*)#?([^)]*)\)")
MAX_TERMS = 25
NAMING_TESTS = ("docs/security.md", "docs/guarantees.md", "docs/database.md", "docs/api.md")
NAMED = re.compile(r"`((?:tests/)?[\w/]*test_\w+\.py)`")
GUIDE = (ROOT / "docs/architecture.md").read_text()
HOPS = re.findall(r"^\| \d+ \| `([\w./]+)` \| `([\w.]+)` \|", GUIDE, re.MULTILINE)
FOLDERS = re.findall(r"^\| `([a-z_]+(?:/[a-z]+)*/)` \|", GUIDE, re.MULTILINE)


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for path, anchor in LINK.findall(document.read_text()):
        target = document.parent / path if path else document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


def test_the_glossary_has_few_terms() -> None:
    terms = re.findall(r"^\| \*\*", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)

    assert 0 < len(terms) <= MAX_TERMS


@pytest.mark.parametrize("document", NAMING_TESTS)
def test_every_test_that_a_document_names_exists(document: str) -> None:
    """A name without a folder is of the folder that was named before it."""
    named = NAMED.findall((ROOT / document).read_text())
    missing, folder = [], ROOT

    for each in named:
        folder = (ROOT / each).parent if "/" in each else folder
        if not (folder / Path(each).name).is_file():
            missing.append(each)

    assert named
    assert missing == []


def test_each_hop_of_a_message_names_a_function_of_its_file() -> None:
    assert len(HOPS) >= 20
    for file, name in HOPS:
        function, text = name.rpartition(".")[2], (ROOT / "lambdas" / file).read_text()
        assert re.search(rf"def {function}\(|^-- {function} --$", text, re.MULTILINE), (file, name)


def test_no_hop_returns_to_an_earlier_file() -> None:
    files = [file for file, _ in HOPS]

    assert len(files) == len(set(files))


def test_every_listed_folder_exists() -> None:
    parents = ("", "lambdas/mailsync")

    assert len(FOLDERS) >= 10
    for folder in FOLDERS:
        assert any((ROOT / parent / folder).is_dir() for parent in parents), folder
