"""A function pays at its cold start for the providers of its stage alone."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("provider", "others"),
    [
        ("graph", ("imaplib", "mailsync.mime", "mailsync.providers.imap")),
        ("imap", ("httpx", "msal", "mailsync.providers.graph")),
    ],
)
def test_the_functions_of_a_sync_import_one_provider(
    provider: str, others: tuple[str, ...]
) -> None:
    program = (
        "import sys, handlers.sync_folder, handlers.sync_accounts,"
        f" mailsync.providers.{provider}.provider; print(*(set({others}) & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "lambdas")},
    )

    assert done.stdout.split() == []
