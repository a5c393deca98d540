"""`docs/architecture.md` follows a message through files and functions that exist."""

import re

from tests.support.paths import ROOT

GUIDE = (ROOT / "docs/architecture.md").read_text()
HOPS = re.findall(r"^\| \d+ \| `([\w./]+)` \| `([\w.]+)` \|", GUIDE, re.MULTILINE)
FOLDERS = re.findall(r"^\| `([a-z_]+(?:/[a-z]+)*/)` \|", GUIDE, re.MULTILINE)


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
