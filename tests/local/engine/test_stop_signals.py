"""A signal that comes at the worst moment still ends the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localdev.stop_signals import StopSignals
from tests.support.paths import ROOT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_just_before_the_wait_ends_it(number: signal.Signals) -> None:
    """`signal.pause` would sleep on."""
    calls: list[int] = []
    before = signal.signal(number, signal.SIG_DFL)  # `nohup` has the tests ignore SIGHUP

    try:
        with StopSignals(lambda: calls.append(1)) as signals:
            os.kill(os.getpid(), number)
            signals.wait_for_signal()
    finally:
        signal.signal(number, before)

    assert calls == [1]


def test_a_signal_interrupts_what_the_process_is_doing() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), StopSignals():
        os.kill(os.getpid(), signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_does_not_interrupt_the_shutdown() -> None:
    """`make live` deletes mail there."""
    shut_down = []

    with StopSignals():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            try:
                raise TimeoutError
            except TimeoutError:
                os.kill(os.getpid(), signal.SIGINT)
            shut_down.append(1)

    assert shut_down == [1]


def test_a_signal_after_a_lost_interrupt_still_counts() -> None:
    """Python prints and drops an exception that is raised in a `__del__`, for instance."""
    with StopSignals():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_nohup_keeps_the_process_running() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("module", ["localdev", "localdev.live", "dashboard"])
def test_ctrl_c_while_modules_are_loaded_prints_nothing(module: str, tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")

    ran = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'lambdas'}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.returncode, ran.stdout, ran.stderr) == (-signal.SIGINT, "", "")
