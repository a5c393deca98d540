"""How much memory the processes of a stack hold while time passes."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

import psutil

from localdev.engine.environment import LAMBDA_RUNTIME_SCRIPT

GROWTH_ALLOWED = 1.1
_MIB = 2**20


class Sampler:
    """`sample` looks at this process and all below it, by what they are.

    `largest` maps a kind of process to the resident MiB of the largest one of each sample.
    """

    def __init__(self) -> None:
        self.largest: dict[str, list[float]] = defaultdict(list)

    def sample(self) -> None:
        own = psutil.Process()
        found: dict[str, float] = {"the stack, the engine and the simulators": _held(own)}
        for child in own.children(recursive=True):
            if name := _kind(child):
                found[name] = max(found.get(name, 0.0), _held(child))
        for name, held in found.items():
            self.largest[name].append(held)


def thirds(samples: Sequence[float]) -> tuple[float, float, float]:
    """The medians of the first, the middle and the last third."""
    third = max(1, len(samples) // 3)
    first, middle, last = samples[:third], samples[third : 2 * third], samples[-third:]
    return statistics.median(first), statistics.median(middle or first), statistics.median(last)


def growing(largest: Mapping[str, Sequence[float]]) -> list[str]:
    """Kinds of processes whose memory grew by a tenth from the middle to the last third."""
    return [
        name
        for name, samples in largest.items()
        if thirds(samples)[2] > GROWTH_ALLOWED * thirds(samples)[1]
    ]


def _held(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / _MIB
    except psutil.NoSuchProcess:
        return 0.0


def _kind(process: psutil.Process) -> str:
    try:
        command = process.cmdline()
    except psutil.Error:
        return ""
    if (script := str(LAMBDA_RUNTIME_SCRIPT)) in command:
        handler = command[command.index(script) + 1]
        return f"function {handler.split('.')[1].replace('_', '-')}"
    return "Postgres" if command and "postgres" in command[0] else ""
