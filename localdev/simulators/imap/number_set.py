"""Read and write sets of UIDs and sequence numbers (RFC 3501, `sequence-set`). Pure functions."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from localdev.simulators.imap.command import BadCommand

MAX_NUMBER = 2**32 - 1
_PART = re.compile(r"(\d{1,10}|\*)(?::(\d{1,10}|\*))?")
_STAR = 0


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Ranges of numbers in the order of the command. `*`, stored as 0, is the highest number."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def highest(self) -> int:
        """Return the highest number of the set, without `*`."""
        return max(max(ends) for ends in self.ranges)

    def select(self, numbers: Sequence[int]) -> list[int]:
        """Return the members among `numbers`, both in ascending order. The cost depends on the
        members, not on the width of the ranges."""
        highest = numbers[-1] if numbers else 0
        found: set[int] = set()
        for ends in self.ranges:
            low, high = sorted(end or highest for end in ends)
            found.update(numbers[bisect_left(numbers, low) : bisect_right(numbers, high)])
        return sorted(found)


def parse_number_set(text: str) -> NumberSet:
    """Parse a set such as `1:4,7,9:*`. Raises BadCommand if it is malformed."""
    ranges = []
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise BadCommand(f"Invalid set of messages: {text[:100]}")
        ends = [_STAR if end == "*" else int(end) for end in match.groups() if end is not None]
        if any(end > MAX_NUMBER for end in ends) or "0" in match.groups():
            raise BadCommand(f"Invalid number in a set of messages: {text[:100]}")
        ranges.append((ends[0], ends[-1]))
    return NumberSet(tuple(ranges))


def format_number_set(numbers: Iterable[int]) -> str:
    """Return the numbers as ranges in ascending order; "" for none."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join(":".join(map(str, ends)) for ends in parts)
