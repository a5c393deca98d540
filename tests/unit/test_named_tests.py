"""The documents name the tests that show what they promise; a test that moved is named anew."""

import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCUMENTS = ("docs/security.md", "docs/guarantees.md", "docs/database.md", "docs/api.md")
NAMED = re.compile(r"`((?:tests/)?[\w/]*test_\w+\.py)`")


@pytest.mark.parametrize("document", DOCUMENTS)
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
