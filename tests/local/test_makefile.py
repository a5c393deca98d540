"""What `make` passes to the commands that it runs."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

SECRET = "a$b$$c#d $(shell echo e) ${f}"
NAMES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "JWT_SECRET", "MAILSYNC_TOKEN", "SETTINGS")


def printed(folder: Path, *variables: str, **environment: str) -> list[str]:
    """What a recipe of this Makefile sees of NAMES."""
    show = folder / "show.mk"
    show.write_text(f"show:\n\t@printenv {' '.join(NAMES)}\n")
    command = ["make", "-f", "Makefile", "-f", str(show), "show", *variables]
    return make(command, **environment).stdout.splitlines()


def make(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make without the variables of the make that may have started these tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env = {**own, "MFLAGS": "", **environment}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_a_dollar_sign_of_a_secret_survives_make(tmp_path: Path) -> None:
    assert printed(tmp_path, *(f"{each}={SECRET}" for each in NAMES)) == [SECRET] * len(NAMES)
    assert printed(tmp_path, **dict.fromkeys(NAMES, SECRET)) == [SECRET] * len(NAMES)


def test_a_folder_that_cannot_be_written_is_not_mistaken_for_a_python_without_venv(
    tmp_path: Path,
) -> None:
    (tmp_path / "file").touch()

    ran = subprocess.run(
        ["make", "setup", f"VENV={tmp_path}/file/venv", f"PYTHON={sys.executable}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, "lacks venv" in ran.stdout) == (2, False)
    assert f"Not a directory: '{tmp_path}/file" in ran.stdout + ran.stderr


def test_make_deploy_gets_the_name_of_its_settings_file_as_it_stands() -> None:
    command = ["make", "-o", ".venv/ready", "deploy", "STAGE=prod"]

    def sentence(*more: str) -> str:
        ran = subprocess.run(
            [*command, *more], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return ran.stdout + ran.stderr

    assert "There is no file a$b.json: copy settings.example.json" in sentence("SETTINGS=a$b.json")
    assert "make deploy STAGE=prod SETTINGS=settings.json" in sentence()
    for name in ("a stage", ""):
        asked = sentence("SETTINGS=settings.example.json", f"STAGE={name}")
        assert f"A stage cannot be named {name!r}" in asked


def test_a_provider_that_is_not_simulated_is_named_with_those_that_are() -> None:
    ran = make(["make", "-o", ".venv/ready", "demo", "PROVIDER=im$ap"])

    assert (ran.stdout, ran.stderr.count("\n")) == ("", 2)
    assert ran.stderr.startswith("There is no simulated provider 'im$ap': PROVIDER (--provider) is")
    assert "graph (Microsoft 365), gmail (Gmail) or imap" in ran.stderr
    assert "Error 1" in ran.stderr
