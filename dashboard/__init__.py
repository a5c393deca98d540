"""The operator's dashboard, a local web server on port 8288. It shows the local stack or one
deployed stage."""

import sys
from pathlib import Path

# The product is a folder of Lambda functions, not an installed package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambdas"))
