"""The dashboard on port 8288: of the local stack, or of a deployed stage."""

import sys
from pathlib import Path

# The product is a folder of Lambda functions, not an installed package.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lambdas"))
