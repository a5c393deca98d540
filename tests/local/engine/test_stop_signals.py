"""A signal that comes at the worst moment still ends the process."""

import os
import signal

import pytest

from localdev.stop_signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_just_before_the_wait_ends_it(number: signal.Signals) -> None:
    """`signal.pause` would sleep on."""
    calls: list[int] = []

    with StopSignals(lambda: calls.append(1)) as signals:
        os.kill(os.getpid(), number)
        signals.wait_for_signal()

    assert calls == [1]


def test_a_signal_interrupts_what_the_process_is_doing() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt), StopSignals():
        os.kill(os.getpid(), signal.SIGTERM)

    assert signal.getsignal(signal.SIGTERM) == before
