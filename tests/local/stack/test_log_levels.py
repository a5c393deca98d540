"""What CloudWatch receives at each `log_level` of a stage: every metric, and lines of the level.

The functions run under the runtime client of AWS, with the environment of their template; Lambda's
filter stands here as AWS documents it (AWS Lambda Developer Guide, "Log-level filtering").
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra import catalog
from infra.settings import LOG_LEVELS
from localdev.engine.environment import ExecutionEnvironment
from localdev.stack import CODE_ROOT
from tests.deploy.conftest import other_stage
from tests.local.engine.conftest import AWS_RUNTIME_SCRIPT, ON_LINUX
from tests.local.mirror import Mirror
from tests.support.emf import emitted

RANKS = {name: rank for rank, name in enumerate(("TRACE", "DEBUG", "INFO", "WARN", "ERROR"))}
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def rank(line: str) -> int:
    """Of a line: INFO, unless it is an object with a valid `level` and a valid `timestamp`."""
    try:
        document: Mapping[str, Any] = json.loads(line)
    except ValueError:
        return RANKS["INFO"]
    stamped = RFC_3339.fullmatch(str(document.get("timestamp")))
    return RANKS.get(str(document.get("level")), RANKS["INFO"]) if stamped else RANKS["INFO"]


def printed(mirror: Mirror, properties: Mapping[str, Any], event: bytes, log: Path) -> list[str]:
    """The lines that a function prints and that Lambda passes to CloudWatch."""
    name = properties["Handler"].split(".")[1].replace("_", "-")
    logging = properties["LoggingConfig"]
    variables = {
        **mirror.stack.lambdas.settings,
        **{"AWS_LAMBDA_LOG_FORMAT": logging["LogFormat"]},
        "AWS_LAMBDA_LOG_LEVEL": logging["ApplicationLogLevel"],
        **{
            key: value
            for key, value in properties["Environment"]["Variables"].items()
            if key.startswith("POWERTOOLS_")
        },
    }
    environment = ExecutionEnvironment(
        catalog.find_function(name),
        code_root=CODE_ROOT,
        settings=variables,
        log=log,
        runtime=AWS_RUNTIME_SCRIPT,
    )
    environment.run_invocation(event)
    environment.stop()
    least = RANKS[logging["ApplicationLogLevel"]]
    return [line for line in log.read_text().splitlines() if rank(line) >= least]


@ON_LINUX
@pytest.mark.parametrize("level", LOG_LEVELS)
def test_metrics_and_failures_survive_every_level_of_the_log(
    mirror: Mirror, level: str, tmp_path: Path
) -> None:
    sync, _ = other_stage(tmp_path / "cdk", log_level=level)
    functions = {spec.name: properties for spec, properties in sync.functions()}

    lines = printed(mirror, functions["measure-backlog"], b"{}", tmp_path / "backlog")
    failing = printed(mirror, functions["sync-folder"], b"{}", tmp_path / "failing")

    assert {"DueBacklog", "OldestOverdue"} <= {name for name, *_ in emitted("\n".join(lines))}
    assert any('"message":"backlog"' in line for line in lines) == (level in ("DEBUG", "INFO"))
    assert any("errorType" in line and "KeyError" in line for line in failing)
