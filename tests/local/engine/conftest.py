import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.catalog import Function
from localdev.engine.environment import LAMBDA_RUNTIME_SCRIPT
from localdev.engine.lambda_host import LambdaHost

CODE_ROOT = Path(__file__).parent / "functions"
AWS_RUNTIME_SCRIPT = Path(__file__).with_name("aws_runtime_main.py")
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric exists for Linux only")
FUNCTIONS = (
    Function(name="behave", purpose="Behaves as its event demands.", timeout_s=10),
    Function(name="serve", purpose="Answers HTTP.", timeout_s=10),
    Function(name="authorize", purpose="Lets people in.", timeout_s=10),
    Function(name="broken", purpose="Cannot be imported.", timeout_s=10),
)


@contextmanager
def hosted(
    logs: Path,
    *functions: Function,
    code_root: Path = CODE_ROOT,
    time_scale: float = 1,
    runtime: Path = LAMBDA_RUNTIME_SCRIPT,
) -> Iterator[LambdaHost]:
    host = LambdaHost(
        functions or FUNCTIONS,
        code_root=code_root,
        logs=logs,
        settings={"FAVOURITE": "tea"},
        time_scale=time_scale,
        runtime=runtime,
    )
    try:
        yield host
    finally:
        host.stop()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LambdaHost]:
    with hosted(tmp_path / "logs") as host:
        yield host
