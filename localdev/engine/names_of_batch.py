"""Let moto's Step Functions import modules of the package `moto.batch` quickly.

Importing this module puts an empty package in the place of `moto.batch`, so that Python does not
run the `__init__` of `moto.batch`, which would import moto's EC2 in 0.7 s. The local stack
runs no tasks of AWS Batch or EC2.
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
