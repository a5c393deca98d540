from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.catalog import Function
from localdev.engine.lambda_host import LambdaHost

CODE_ROOT = Path(__file__).parent / "functions"
FUNCTIONS = (
    Function(name="behave", purpose="Behaves as its event demands.", timeout_s=10),
    Function(name="serve", purpose="Answers HTTP.", timeout_s=10),
    Function(name="authorize", purpose="Lets people in.", timeout_s=10),
    Function(name="broken", purpose="Cannot be imported.", timeout_s=10),
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[LambdaHost]:
    settings = {"FAVOURITE": "tea"}
    lambdas = LambdaHost(FUNCTIONS, code_root=CODE_ROOT, logs=tmp_path / "logs", settings=settings)
    yield lambdas
    lambdas.stop()
