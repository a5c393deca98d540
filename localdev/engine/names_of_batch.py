"""Let moto's Step Functions import the modules of `moto.batch` without the package itself.

The package would import EC2, which takes 0.7 s; the local stack runs no task of Batch or EC2.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

_NAME = "moto.batch"

if _NAME not in sys.modules:
    spec = find_spec(_NAME)
    package = ModuleType(_NAME)
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    sys.modules[_NAME] = package
