"""Let moto's Step Functions import the names of AWS Batch without Batch itself.

Batch would bring EC2, whose import takes 0.7 s; the local stack runs no task of either.
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
