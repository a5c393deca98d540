"""Run Mailsync on one machine without AWS. The running parts are called the local stack. The
deployed code never imports this package."""

import sys
from pathlib import Path

# `lambdas` is the functions' root folder, on AWS too; nothing installs it here.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambdas"))
