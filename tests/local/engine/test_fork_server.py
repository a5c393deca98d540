"""Processes of functions that are forked from one that has imported their libraries."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from localdev.engine import fork_server
from tests.local.engine.conftest import CODE_ROOT, FUNCTIONS, hosted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
HANDLER = "import os, sys\ndef handler(event, _): return [os.getppid(), {}]"


def result_of(folder: Path, code: Path = CODE_ROOT) -> Any:
    with hosted(folder / "logs", code_root=code) as host:
        return json.loads(host.invoke("behave", b"{}").payload)


def written(folder: Path, expression: str) -> Path:
    """Return the folder of a function whose result has its parent and the expression's value."""
    handlers = folder / "code" / "handlers"
    handlers.mkdir(parents=True)
    (handlers / "behave.py").write_text(HANDLER.format(expression))
    return handlers.parent


def test_a_function_finds_no_code_but_its_own_and_libraries(tmp_path: Path) -> None:
    found = "[name for name in sys.modules if name.split('.')[0] in ('localdev', 'mailsync')]"
    parent, modules = result_of(tmp_path, written(tmp_path, found))

    assert parent not in (os.getpid(), 1)
    assert modules == []


@pytest.mark.parametrize("library", ["boto3", "pg8000"])
def test_a_library_that_the_code_brings_is_the_one_that_it_imports(
    tmp_path: Path, library: str
) -> None:
    code = written(tmp_path, f"__import__('{library}').OWN")
    (code / f"{library}.py").write_text("OWN = 'own'")

    assert result_of(tmp_path, code) == [os.getpid(), "own"]


def test_random_numbers_differ_between_processes(tmp_path: Path) -> None:
    code = written(tmp_path, "__import__('random').random()")

    assert result_of(tmp_path, code) != result_of(tmp_path, code)


def test_after_the_death_of_the_server_its_processes_end_and_functions_run(tmp_path: Path) -> None:
    with hosted(tmp_path, *FUNCTIONS) as host:
        first = json.loads(host.invoke("behave", b"{}").payload)["pid"]
        process = psutil.Process(first)
        os.kill(process.ppid(), signal.SIGKILL)
        process.wait(5)

        assert json.loads(host.invoke("behave", b"{}").payload)["pid"] != first


def test_a_server_ends_with_its_processes(tmp_path: Path) -> None:
    server = fork_server.ForkServerProcess({"PATH": os.defpath})
    script = tmp_path / "sleep.py"
    script.write_text("import time\nprint('begun')\ntime.sleep(60)")
    with (tmp_path / "log").open("wb") as log:
        forked = server.fork_function_process([str(script)], env={}, cwd=tmp_path, log=log)
    process = psutil.Process(forked.pid)

    server.stop()

    assert forked.wait() == -signal.SIGKILL
    process.wait(5)
