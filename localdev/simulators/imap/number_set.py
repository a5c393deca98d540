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
class SequenceSet:
    """A set of UIDs or sequence numbers, as ranges in the order of the command. The number 0 stands
    for `*`, the highest number in the folder."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def highest_number_except_star(self) -> int:
        """Return the highest number of the set; `*` does not count."""
        return max(max(ends) for ends in self.ranges)

    def filter_numbers(self, numbers: Sequence[int]) -> list[int]:
        """Return the numbers that belong to the set, in ascending order.

        numbers: the numbers in the folder, in ascending order. The run time of the method depends
            on the length of this sequence and not on the width of the set's ranges.
        """
        highest = numbers[-1] if numbers else 0
        found: set[int] = set()
        for ends in self.ranges:
            low, high = sorted(end or highest for end in ends)
            found.update(numbers[bisect_left(numbers, low) : bisect_right(numbers, high)])
        return sorted(found)


def parse_sequence_set(text: str) -> SequenceSet:
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
    return SequenceSet(tuple(ranges))


def format_sequence_set(numbers: Iterable[int]) -> str:
    """Return the numbers as a set in IMAP's form, with ranges in ascending order. Return "" if
    there are no numbers."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ",".join(":".join(map(str, ends)) for ends in parts)
