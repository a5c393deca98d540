"""What the Lambda host promises, with each of the two programs that run a function's process."""

import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.catalog import Function
from localdev.engine.environment import LAMBDA_RUNTIME_SCRIPT
from localdev.engine.lambda_host import InvocationResult, LambdaHost
from localdev.engine.names import function_arn
from localdev.engine.report import read_invocation_reports
from tests.local.engine.conftest import AWS_RUNTIME_SCRIPT, CODE_ROOT, ON_LINUX, hosted
from tests.torture.soak.memory import Sampler


@pytest.fixture(
    params=[
        pytest.param(LAMBDA_RUNTIME_SCRIPT, id="own"),
        pytest.param(AWS_RUNTIME_SCRIPT, id="awslambdaric", marks=ON_LINUX),
    ]
)
def runtime(request: pytest.FixtureRequest) -> Path:
    script: Path = request.param
    return script


@pytest.fixture
def host(tmp_path: Path, runtime: Path) -> Iterator[LambdaHost]:
    with hosted(tmp_path / "logs", runtime=runtime) as host:
        yield host


def call(host: LambdaHost, **event: Any) -> InvocationResult:
    return host.invoke(function_arn("behave"), json.dumps(event).encode())


def result(response: InvocationResult) -> Any:
    return json.loads(response.payload)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_a_warm_environment_is_used_again(host: LambdaHost) -> None:
    first, second = result(call(host, n=1)), result(call(host, n=2))

    assert second["event"] == {"n": 2}
    assert second["pid"] == first["pid"]
    assert second["requestId"] != first["requestId"]
    assert second["arn"] == function_arn("behave")
    assert 5_000 < second["remainingMs"] <= 10_000


def test_calls_at_the_same_time_run_in_different_processes(host: LambdaHost) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: call(host, do="sleep", seconds=0.5), range(2)))

    assert len({result(each)["pid"] for each in answers}) == 2


def test_a_function_sees_what_lambda_sets_and_the_stack_s_settings(host: LambdaHost) -> None:
    seen = result(call(host, do="environment"))

    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "behave"
    assert seen["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "512"
    assert seen["LAMBDA_TASK_ROOT"] == str(CODE_ROOT)
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", seen["_X_AMZN_TRACE_ID"])
    assert (seen["AWS_REGION"], seen["TZ"], seen["FAVOURITE"]) == ("eu-west-1", ":UTC", "tea")


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"do": "raise"}, "FolderGone"),
        ({"do": "exit"}, "Runtime.ExitError"),
        ({"do": "kill"}, "Runtime.ExitError"),
        ({"do": "large"}, "Function.ResponseSizeTooLarge"),
    ],
)
def test_a_failure_has_lambda_s_name_and_the_next_call_works(
    host: LambdaHost, event: dict[str, str], error: str
) -> None:
    response = call(host, **event)

    assert (response.invoke_http_status, response.invoke_http_headers["X-Amz-Function-Error"]) == (
        200,
        "Unhandled",
    )
    assert result(response)["errorType"] == error
    assert result(call(host, n=1))["event"] == {"n": 1}


def test_a_module_that_cannot_be_imported_is_named(host: LambdaHost) -> None:
    response = host.invoke("broken", b"{}")

    assert result(response)["errorType"] == "Runtime.ImportModuleError"
    assert "no_such_module" in result(response)["errorMessage"]


def test_a_call_over_its_time_is_killed(tmp_path: Path, runtime: Path) -> None:
    function = Function(name="behave", purpose="", timeout_s=1)
    with hosted(tmp_path, function, runtime=runtime) as host:
        pid = result(call(host))["pid"]

        response = call(host, do="sleep", seconds=30)

        assert result(response)["errorType"] == "Sandbox.Timedout"
        assert wait_until_gone(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process holds")
def test_a_function_that_outgrows_its_memory_is_killed(host: LambdaHost, tmp_path: Path) -> None:
    pid = result(call(host))["pid"]
    assert result(call(host, do="hoard", megabytes=300)) == 300 * 2**20

    killed = result(call(host, do="hoard", megabytes=512))

    assert killed["errorType"] == "Runtime.OutOfMemory"
    assert killed["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert wait_until_gone(pid)
    assert read_invocation_reports(tmp_path / "logs" / "behave.log")[-1].peak_memory_mb == 512
    assert result(call(host, n=1))["pid"] != pid


def test_an_environment_killed_from_outside_ends_its_call(host: LambdaHost) -> None:
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(call, host, do="sleep", seconds=30)
        while not host.pids("behave", busy=True):
            time.sleep(0.02)
        os.kill(host.pids("behave", busy=True)[0], signal.SIGKILL)

        assert result(response.result(5))["errorType"] == "Runtime.ExitError"


def test_an_environment_that_died_while_idle_is_replaced(host: LambdaHost) -> None:
    pid = result(call(host))["pid"]
    os.kill(pid, signal.SIGKILL)
    while host.pids("behave"):
        time.sleep(0.02)

    assert result(call(host))["pid"] != pid


def test_an_unknown_function_is_refused(host: LambdaHost) -> None:
    unknown = host.invoke("nobody", b"{}")

    assert (unknown.invoke_http_status, unknown.invoke_http_headers) == (
        404,
        {"X-Amzn-Errortype": "ResourceNotFoundException"},
    )


def test_an_event_whose_function_dies_is_run_thrice(tmp_path: Path, runtime: Path) -> None:
    log = tmp_path / "behave.log"
    with hosted(tmp_path, time_scale=0.001, runtime=runtime) as host:
        accepted = host.invoke_asynchronously("behave", b'{"do": "kill"}')
        deadline = time.monotonic() + 20
        while not log.exists() or log.read_text().count("called") < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    assert (accepted.invoke_http_status, accepted.payload) == (202, b"")
    assert log.read_text().count("called") == 3


def test_changed_code_is_used_by_the_next_call(tmp_path: Path, runtime: Path) -> None:
    code = tmp_path / "code"
    shutil.copytree(CODE_ROOT, code, ignore=shutil.ignore_patterns("__pycache__"))
    with hosted(tmp_path, code_root=code, runtime=runtime) as host:
        pid = result(call(host))["pid"]
        host.retire_function_execution_environments({"serve"})
        assert result(call(host))["pid"] == pid

        (code / "handlers" / "behave.py").write_text("def handler(event, context): return 'new'")
        host.retire_function_execution_environments()

        assert result(call(host)) == "new"


def test_stop_leaves_no_process(host: LambdaHost) -> None:
    pid = result(call(host))["pid"]

    host.stop()

    assert wait_until_gone(pid)
    assert host.invoke("behave", b"{}").invoke_http_status == 429


def test_each_call_reports_what_it_would_be_billed_by(host: LambdaHost, tmp_path: Path) -> None:
    for _ in range(2):
        call(host, do="sleep", seconds=0.2)

    cold, warm = read_invocation_reports(tmp_path / "logs" / "behave.log")
    assert 200 <= warm.duration_ms <= warm.billed_ms <= warm.duration_ms + 1
    assert cold.billed_ms > cold.duration_ms + 10, "the start of its environment is billed too"
    assert warm.memory_limit_mb == 512
    assert 10 < cold.peak_memory_mb <= warm.peak_memory_mb


def test_output_goes_to_the_function_s_log(host: LambdaHost, tmp_path: Path) -> None:
    call(host, do="raise")

    assert "Folder 7 is gone." in (tmp_path / "logs" / "behave.log").read_text()


def test_the_runtime_api_answers_the_function_s_own_process_only(host: LambdaHost) -> None:
    """Another program could take events, and respond for the authorizer."""
    seen = result(call(host, do="environment"))
    address, _, secret = seen["AWS_LAMBDA_RUNTIME_API"].partition("/")

    for prefix in ("", "/guessed", f"/{secret[:-1]}"):
        url = f"http://{address}{prefix}/2018-06-01/runtime"
        assert httpx.get(f"{url}/invocation/next", timeout=5).status_code == 404
        assert httpx.post(f"{url}/init/error", content=b"{}", timeout=5).status_code == 404
    assert result(call(host, n=1))["event"] == {"n": 1}


HANDLERS = {
    "raises": "def deep(): raise KeyError('7')\ndef handler(event, _):\n    return deep()",
    "no-words": "def handler(event, _):\n    raise ValueError",
    "no-letters": "class Ошибка(Exception): ...\ndef handler(*_): raise Ошибка('да')",
    "at-import": "import json\njson.loads('{')",
    "syntax": "def handler(:",
    "missing": "handle = None",
    "absent": "from nowhere import nothing",
    "leaves": "import sys\ndef handler(*_): sys.exit(7)",
    "no-json": "def handler(*_): ...",
    "a-set": "def handler(*_): return {1, 2}",
    "values": "from decimal import Decimal as D\n"
    "def handler(*_): return [D('1.10'), D('nan'), float('inf'), b'b', 'é', {1: None}]",
    "as-bytes": "def handler(*_): return b'{}'",
    "prints": "import logging\ndef handler(*_): logging.warning('seen %s', 1)",
    "context": "def handler(_, c): return [c.function_name, c.function_version, c.identity is None,"
    " c.memory_limit_in_mb, c.log_group_name, c.client_context, c.invoked_function_arn]",
}


def outcomes(folder: Path, runtime: Path) -> dict[str, Any]:
    """Return what the host and the log say of each of HANDLERS, without what is new each time."""
    code, logs = folder / "code", folder / runtime.stem
    for name, source in HANDLERS.items():
        file = code / "handlers" / f"{name.replace('-', '_')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    functions = [Function(name=name, purpose="", timeout_s=10) for name in HANDLERS]
    found: dict[str, Any] = {}
    with hosted(logs, *functions, code_root=code, runtime=runtime) as host:
        for name in HANDLERS:
            event = b"no JSON" if name == "no-json" else b"{}"
            payload = host.invoke(name, event).payload.decode()
            log = (logs / f"{name}.log").read_text().replace("\xa0", " ")
            lines = [line for line in log.splitlines() if "Unhandled exception" not in line]
            found[name] = [payload, *(line for line in lines if line.startswith("["))]
    moment = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9T:.-]{23}Z")
    return json.loads(moment.sub("", json.dumps(found)))  # type: ignore[no-any-return]


@ON_LINUX
def test_results_errors_and_log_are_those_of_aws_s_client(tmp_path: Path) -> None:
    own, aws = (outcomes(tmp_path, each) for each in (LAMBDA_RUNTIME_SCRIPT, AWS_RUNTIME_SCRIPT))

    for name, expected in aws.items():
        assert own[name] == expected
    assert sum('"errorType": "Runtime.' in each[0] for each in own.values()) == 6


def test_the_soak_measures_a_function_s_memory(tmp_path: Path) -> None:
    sampler = Sampler()
    with hosted(tmp_path) as host:
        call(host)
        sampler.sample()

    assert sampler.largest["function behave"][0] > 10
