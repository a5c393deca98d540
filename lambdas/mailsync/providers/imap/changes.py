"""Decide what changed in a folder, by comparing the server's responses with the folder's cursor.
Pure functions.

A number that the server or the cursor lacks never counts as unchanged.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mailsync.providers.imap.cursor import FolderPosition
from mailsync.providers.imap.messages import hash_of_message_id
from mailsync.providers.imap.open_folder import OpenFolder

MAX_LISTED_REMOVALS = 5_000
"""The number of UIDs reported as removed above which the folder is listed instead: a server may
name four thousand million in one line."""
SAMPLE_SIZE = 3
MIN_TIME_BETWEEN_FLAG_COMPARISONS_S = 45 * 60
"""Without mod-sequences no response tells that a flag changed, so the flags of all messages are
read again. A folder is read at least once an hour (`decisions.freshness`); were the two times
equal, every second reading could come just before its hour."""


def is_unchanged(position: FolderPosition, status: Mapping[str, int], now: float) -> bool:
    """Return whether the folder is as it was read, according to its status: no message arrived or
    left, and no flag changed or is due for comparison."""
    if position.below is not None or position.flags_from is not None:
        return False
    known = {
        "UIDVALIDITY": position.uid_validity,
        "UIDNEXT": position.uid_next,
        "MESSAGES": position.message_count,
    }
    if any(status.get(name) != number for name, number in known.items()):
        return False
    if position.mod_seq or status.get("HIGHESTMODSEQ"):
        return status.get("HIGHESTMODSEQ") == position.mod_seq
    return not is_flag_comparison_due(position, now)


def is_flag_comparison_due(position: FolderPosition, now: float) -> bool:
    """Return whether to begin to read the flags of all messages again, for the lack of
    mod-sequences. A reading that has begun comes to its end first."""
    age = now - position.flags_compared_at
    return position.flags_from is None and not 0 <= age < MIN_TIME_BETWEEN_FLAG_COMPARISONS_S


def can_list_changes(position: FolderPosition, opened: OpenFolder) -> bool:
    """Return whether the server can name the messages whose flags changed: it has a mod-sequence,
    as it had at the last reading, and it has not gone back."""
    known, now = position.mod_seq, opened.mod_seq
    return known is not None and now is not None and now >= known


def must_compare_flags(position: FolderPosition, opened: OpenFolder, now: float) -> bool:
    """Return whether to read the flags of all messages, since the server cannot name changes: at
    once if it has a mod-sequence again, or has none any more."""
    has_or_had = opened.mod_seq is not None or position.mod_seq is not None
    return has_or_had or is_flag_comparison_due(position, now)


def clip_ranges(ranges: Iterable[range], below: int) -> list[range]:
    """Return the parts of the ranges below this UID."""
    clipped = (range(max(each.start, 1), min(each.stop, below)) for each in ranges)
    return [each for each in clipped if each]


def count_uids(ranges: Iterable[range]) -> int:
    return sum(map(len, ranges))


def is_renumbered(sample: Mapping[str, str], items: Mapping[int, Mapping[bytes, Any]]) -> bool:
    """Return whether a UID of the sample now belongs to a message with another Message-ID. A UID
    without a message proves nothing."""
    found = {uid: hash_of_message_id(each) for uid, each in items.items()}
    return any(found.get(int(uid)) not in (None, known) for uid, known in sample.items())


def choose_renumbering_sample(
    sample: Mapping[str, str], items: Mapping[int, Mapping[bytes, Any]]
) -> dict[str, str]:
    """Return the lowest, the middle and the highest of the messages whose Message-IDs are known.

    items: messages that are added to the sample.
    """
    known = {int(uid): each for uid, each in sample.items()}
    known |= {uid: each for uid, it in items.items() if (each := hash_of_message_id(it))}
    uids = sorted(known)
    chosen: Sequence[int] = uids
    if len(uids) > SAMPLE_SIZE:
        chosen = [uids[0], uids[len(uids) // 2], uids[-1]]
    return {str(uid): known[uid] for uid in chosen}
