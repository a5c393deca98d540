"""Sets of UIDs as IMAP writes them (RFC 3501, section 9, `sequence-set`). Pure functions."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

MAX_UID = 2**32 - 1
SEARCH_FOR_ALL_UIDS = f"UID 1:{MAX_UID}"
"""The search criterion that finds all messages of a folder."""
MAX_UID_SET_CHARS = 900
"""The maximum length of the set of UIDs in one command. Yahoo and UW IMAP accept lines of 1,000
bytes (MailKit, `ImapEngine.cs`)."""
MAX_PARSED_UID_RANGES = 500_000
"""The maximum number of ranges that are parsed in one set of UIDs."""
_RANGE = re.compile(rb"(?<![^,\s])(\d{1,10})(?::(\d{1,10}))?(?![^,\s])")


def format_uid_sets(uids: Iterable[int]) -> Iterator[str]:
    """Yield sets of UIDs as IMAP writes them, such as `1:3,7`. Each set is short enough for one
    command. The UIDs are in ascending order."""
    line = ""
    for first, last in _ranges(sorted(set(uids))):
        part = str(first) if first == last else f"{first}:{last}"
        if line and len(line) + 1 + len(part) > MAX_UID_SET_CHARS:
            yield line
            line = ""
        line = f"{line},{part}" if line else part
    if line:
        yield line


def parse_uid_ranges(text: bytes) -> list[range]:
    """Return the ranges in a set of UIDs that a server sent, at most MAX_PARSED_UID_RANGES.
    Malformed ranges are left out."""
    found = []
    for match in islice(_RANGE.finditer(text), MAX_PARSED_UID_RANGES):
        ends = sorted(int(each) for each in match.groups() if each is not None)
        found.append(range(ends[0], ends[-1] + 1))
    return found


def _ranges(uids: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for number, uid in enumerate(uids):
        if number + 1 == len(uids) or uids[number + 1] != uid + 1:
            yield uids[start], uid
            start = number + 1
