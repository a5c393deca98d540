import time
from collections.abc import Callable
from pathlib import Path

from infra.catalog import Schedule
from localdev.engine.lambda_host import LambdaHost
from localdev.engine.reload import CodeWatcher
from localdev.engine.scheduler import Scheduler


def becomes_true(claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.02)
    return claim()


def test_a_schedule_calls_its_function_again_and_again_until_it_is_stopped(
    host: LambdaHost, tmp_path: Path
) -> None:
    often = Schedule(name="often", interval_minutes=1, function_name="behave")
    log = tmp_path / "logs" / "behave.log"
    scheduler = Scheduler(host, [often], scale=0.002)

    scheduler.start()

    assert becomes_true(lambda: log.exists() and log.read_text().count("called") >= 2)
    scheduler.stop()


def test_saving_a_code_file_ends_idle_environments(host: LambdaHost, tmp_path: Path) -> None:
    reported: list[list[str]] = []
    (tmp_path / "code").mkdir()
    watch = CodeWatcher(host, tmp_path / "code", reported.append)
    host.invoke("behave", b"{}")
    watch.start()
    time.sleep(0.5)  # the operating system's watch begins a moment later

    (tmp_path / "code" / "notes.txt").write_text("not code")
    (tmp_path / "code" / "changed.py").write_text("")

    assert becomes_true(lambda: reported == [["changed.py"]])
    assert host.pids("behave") == []
    watch.stop()
