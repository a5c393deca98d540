"""The CDK app. `python app.py` writes cdk.out without the CDK CLI and without an AWS account.

cdk.json lists stages and the default stage. Select another stage with `make synth STAGE=prod` or
`cdk deploy -c stage=prod`. The settings of a stage can also stand in a file: `make synth STAGE=prod
SETTINGS=settings.json`.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.mailsync_app import MailsyncApp
from infra.settings import read_stage_part_of_settings_file


def _context() -> Mapping[str, Any]:
    """Return the context that the environment variables STAGE and SETTINGS select."""
    stage, file = os.environ.get("STAGE"), os.environ.get("SETTINGS")
    selected: dict[str, Any] = {"stage": stage} if stage else {}
    if stage and file:
        selected["stages"] = {stage: read_stage_part_of_settings_file(Path(file))}
    return selected


def main() -> None:
    """Write cdk.out, or end with the sentence that says which setting is wrong."""
    try:
        app = MailsyncApp(
            outdir=os.environ.get("CDK_OUTDIR", "cdk.out"),
            context=_context(),
            account=os.environ.get("CDK_DEFAULT_ACCOUNT"),
            region=os.environ.get("CDK_DEFAULT_REGION"),
        )
    except ValueError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
