"""Write and read the REPORT line that Lambda logs after each invocation: durations, memory, and
what AWS would bill.

Source: AWS Lambda Developer Guide, "Working with Lambda function logs".
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(
    r"^REPORT RequestId: \S+\tDuration: (?P<duration>[\d.]+) ms"
    r"\tBilled Duration: (?P<billed>\d+) ms"
    r"\tMemory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class InvocationReport:
    """The duration, billed duration and memory of one invocation.

    For the first invocation of an execution environment, `billed_ms` includes the environment's
    start. `peak_memory_mb` is the most memory that the environment's process has used so far.
    """

    duration_ms: float
    billed_ms: int
    memory_limit_mb: int
    peak_memory_mb: int

    @property
    def billed_gb_s(self) -> float:
        return self.memory_limit_mb / 1024 * self.billed_ms / 1000


def format_report_line(
    request_id: str, *, duration_s: float, init_s: float, memory_mb: int, used_mb: int
) -> str:
    """Return the REPORT line of an invocation.

    init_s: seconds that the start of the execution environment took. 0: it was already running.
    memory_mb: the function's memory limit.
    used_mb: the most memory that the environment's process has used so far.
    """
    parts = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {duration_s * 1000:.2f} ms",
        f"Billed Duration: {math.ceil((duration_s + init_s) * 1000)} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {used_mb} MB",
    ]
    if init_s:
        parts.append(f"Init Duration: {init_s * 1000:.2f} ms")
    return "\t".join(parts) + "\n"


def read_invocation_reports(log: Path) -> list[InvocationReport]:
    """Read the REPORT lines in a Lambda function's log file; return them as objects, oldest
    first."""
    return [
        InvocationReport(
            float(each["duration"]), int(each["billed"]), int(each["size"]), int(each["used"])
        )
        for each in _LINE.finditer(log.read_text(errors="replace"))
    ]
