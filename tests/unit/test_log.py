"""The level of the log, in a process of its own: logging is global."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

# Lambda's runtime client sets the root logger to the level of Lambda's filter, DEBUG at most.
PROGRAM = """
import logging
logging.getLogger().setLevel("DEBUG")
import mailsync.log
names = ("mailsync", "botocore", "httpx")
print(*(logging.getLevelName(logging.getLogger(name).getEffectiveLevel()) for name in names))
"""


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("DEBUG", ["DEBUG", "INFO", "WARNING"]),
        ("INFO", ["INFO", "INFO", "WARNING"]),
        ("WARN", ["WARNING", "WARNING", "WARNING"]),
        ("ERROR", ["ERROR", "ERROR", "WARNING"]),
    ],
)
def test_libraries_follow_the_level_and_never_log_below_info(level: str, levels: list[str]) -> None:
    """At DEBUG botocore logs the responses of Secrets Manager, with the secrets."""
    variables = {"PYTHONPATH": str(ROOT / "lambdas"), "POWERTOOLS_LOG_LEVEL": level}
    variables["AWS_LAMBDA_LOG_LEVEL"] = "DEBUG"
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    assert (done.stderr, done.stdout.split()) == ("", levels)
