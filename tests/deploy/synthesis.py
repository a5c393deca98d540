"""The CDK app of a stage, without building the code asset.

CDK is loaded here and not on import: every process of a test run collects every test, one of them
synthesises, and loading takes seconds (`tests/conftest.py` refuses a test that loads it earlier).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.mailsync_app import MailsyncApp

PROD = {
    "app_inbox_url": "https://app.mailsync.test/inbox",
    "microsoft_client_id": "0a1b2c3d-0000-4000-8000-000000000001",
    "imap_servers": "public",
    "single_secret": False,
}
OWN_DATABASE = {**PROD, "database": "aurora"}
"""The settings of a stage with a database of its own."""
NO_BUNDLING: dict[str, list[str]] = {"aws:cdk:bundling-stacks": []}


def app(
    folder: Path,
    context: Mapping[str, object] | None = None,
    *,
    account: str | None = None,
    region: str | None = None,
) -> MailsyncApp:
    """Not synthesised yet; `synth` writes into the folder and fails on any cdk-nag finding.

    context: overrides that of cdk.json.
    """
    from infra.mailsync_app import MailsyncApp

    return MailsyncApp(
        outdir=str(folder),
        context={**(context or {}), **NO_BUNDLING},
        account=account,
        region=region,
    )


def assembly(base: Path) -> Path:
    """The folder of `prod`, synthesised once in a test run; fails on any cdk-nag finding.

    base: the folder of this process for temporary files; those of pytest-xdist have one parent.
    """
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "cdk.out"
    with (shared / "cdk.out.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not folder.exists():
            making = folder.with_suffix(".making")
            app(making, {"stage": "prod", "stages": {"prod": PROD}}).synth()
            making.rename(folder)
    return folder
