"""Serve the operator's dashboard, web pages on local port 8288 that show the local stack or one
deployed stage."""

import sys
from pathlib import Path

# The product is a folder of Lambda functions, not an installed package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambdas"))
