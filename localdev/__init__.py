"""Run Mailsync on one machine without AWS. The running parts are called the local stack. The
deployed code never imports this package."""

import sys
from pathlib import Path

# Imports of the functions' code start in the folder `lambdas`, as on AWS.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambdas"))
