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
from localdev.stack import LAMBDA_SOURCE_CODE_FOLDER
from tests.deploy.conftest import other_stage
from tests.deploy.template import Template
from tests.local.engine.conftest import AWS_RUNTIME_SCRIPT, ON_LINUX
from tests.support.emf import emitted

RANKS = {name: rank for rank, name in enumerate(("TRACE", "DEBUG", "INFO", "WARN", "ERROR"))}
Functions = Mapping[str, Mapping[str, Any]]
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def rank(line: str) -> int:
    """Of a line: INFO, unless it is an object with a valid `level` and a valid `timestamp`."""
    try:
        document: Mapping[str, Any] = json.loads(line)
    except ValueError:
        return RANKS["INFO"]
    stamped = RFC_3339.fullmatch(str(document.get("timestamp")))
    return RANKS.get(str(document.get("level")), RANKS["INFO"]) if stamped else RANKS["INFO"]


def printed(database_url: str, properties: Mapping[str, Any], log: Path) -> list[str]:
    """The lines that a function prints and that Lambda passes to CloudWatch."""
    name = properties["Handler"].split(".")[1].replace("_", "-")
    logging = properties["LoggingConfig"]
    variables = {
        "DATABASE_URL": database_url,
        "AWS_LAMBDA_LOG_FORMAT": logging["LogFormat"],
        "AWS_LAMBDA_LOG_LEVEL": logging["ApplicationLogLevel"],
        **{
            key: value
            for key, value in properties["Environment"]["Variables"].items()
            if key.startswith("POWERTOOLS_")
        },
    }
    environment = ExecutionEnvironment(
        catalog.find_function(name),
        code_root=LAMBDA_SOURCE_CODE_FOLDER,
        settings=variables,
        log=log,
        runtime=AWS_RUNTIME_SCRIPT,
    )
    environment.run_invocation(b"{}")
    environment.stop()
    least = RANKS[logging["ApplicationLogLevel"]]
    return [line for line in log.read_text().splitlines() if rank(line) >= least]


@pytest.fixture(params=LOG_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def functions(level: str, tmp_path: Path, request: pytest.FixtureRequest) -> Functions:
    """Of a stage with this level."""
    made = {"INFO": "sync", "DEBUG": "with_email"}
    if level in made:
        template: Template = request.getfixturevalue(made[level])
    else:
        template, _ = other_stage(tmp_path / "cdk", log_level=level)
    return {spec.name: properties for spec, properties in template.functions()}


@ON_LINUX
def test_metrics_and_failures_survive_every_level_of_the_log(
    level: str, functions: Functions, database_url: str, tmp_path: Path
) -> None:
    lines = printed(database_url, functions["measure-backlog"], tmp_path / "backlog")
    failing = printed(database_url, functions["sync-folder"], tmp_path / "failing")

    assert {"DueBacklog", "OldestOverdue"} <= {name for name, *_ in emitted("\n".join(lines))}
    assert any('"message":"backlog"' in line for line in lines) == (level in ("DEBUG", "INFO"))
    assert any("errorType" in line and "KeyError" in line for line in failing)
