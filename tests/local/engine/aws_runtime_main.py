"""Main program of a function's process: run AWS's runtime client, the second host of the tests,
against a Runtime API whose path contains a secret.

When a module cannot be imported, `awslambdaric` uses the whole address of the Runtime API as a host
name; this file corrects that. It is started as a program and not imported.
"""

import os
import sys
from typing import Any

from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_client import LambdaRuntimeClient

_HOST, _, _SECRET = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")


class _Client(LambdaRuntimeClient):  # type: ignore[misc]
    def call_rapid(self, http_method: str, endpoint: str, *rest: Any, **named: Any) -> None:
        super().call_rapid(http_method, f"/{_SECRET}{endpoint}", *rest, **named)


bootstrap.run(sys.argv[1], _Client(_HOST))
