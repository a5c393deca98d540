"""Ask the package registry for a wheel of every locked package: `python -m tests.support.wheels`.

The systems are those that README names, and Lambda's. Nothing is downloaded but the packages'
metadata. Exit code 1 if a wheel is missing, 2 if the registry cannot be reached.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

DEVELOPMENT, DEPLOYMENT = Path("requirements-dev.txt"), Path("lambdas/requirements.lock")
# uv's names; that of macOS stands for version 13 and newer.
MACOS, LINUX = "aarch64-apple-darwin", ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28")
PYTHONS = ("3.11", "3.12", "3.13")
LAMBDA_PYTHON = "3.13"
_UNREACHABLE = ("Failed to fetch", "network was disabled")  # what uv says then


@dataclass(frozen=True, slots=True)
class Target:
    lock: Path
    system: str
    python: str

    def __str__(self) -> str:
        return f"{self.lock} on {self.system} with Python {self.python}"


TARGETS = (
    *(Target(DEVELOPMENT, system, each) for system in (MACOS, *LINUX) for each in PYTHONS),
    *(Target(DEPLOYMENT, system, LAMBDA_PYTHON) for system in LINUX),
)


def main(targets: tuple[Target, ...] = TARGETS) -> int:
    worst = 0
    for target in targets:
        status, sentence = ask(target)
        print(f"{target}: {sentence}")
        worst = max(worst, status)
    return worst


def ask(target: Target) -> tuple[int, str]:
    """Return 0 if each package of the lock has a wheel, 1 if not, 2 if the registry cannot be
    reached; and a sentence."""
    with tempfile.TemporaryDirectory() as nothing_installed:
        ran = subprocess.run(
            [
                *(Path(sys.executable).with_name("uv"), "pip", "sync", "--dry-run"),
                *("--python", sys.executable, "--target", nothing_installed),
                *("--python-platform", target.system, "--python-version", target.python),
                *("--only-binary", ":all:", target.lock),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode == 0:
        return 0, f"{ran.stderr.count(' + ')} wheels"
    if any(words in ran.stderr for words in _UNREACHABLE):
        return 2, f"nothing is known, because the package registry is unreachable:\n{ran.stderr}"
    return 1, f"a wheel is missing:\n{ran.stderr}"


if __name__ == "__main__":
    sys.exit(main())
