"""Decide what changed in a folder, by comparing the server's responses with the folder's cursor.
Pure functions.

A number that the server or the cursor lacks never counts as unchanged.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mailsync.providers.imap.cursor import FolderPosition
from mailsync.providers.imap.messages import hash_internet_message_id
from mailsync.providers.imap.open_folder import OpenFolder

MAX_REMOVED_UIDS_PER_RESPONSE = 5_000
"""The maximum number of UIDs that a server may report as removed at once. If it reports more,
Mailsync lists the folder instead: a server may name four thousand million UIDs in one line."""
MAX_MESSAGES_SAMPLED_TO_DETECT_RENUMBERING = 3
"""The maximum number of messages per folder whose Message-IDs a cursor remembers, to notice that
the server gave their UIDs to other messages."""
MIN_TIME_BETWEEN_FLAG_COMPARISONS_S = 45 * 60
"""The minimum time between two comparisons of the flags of all messages. Without mod-sequences no
response tells that a flag changed, so all flags are read again.

A folder is read at least once an hour (`decisions.freshness`). If both times were equal, every
second reading could come just before the hour has passed.
"""


def is_folder_unchanged(position: FolderPosition, status: Mapping[str, int], now: float) -> bool:
    """Return whether the folder is unchanged since it was last read: no message arrived or left,
    and no flag changed. Return False if a full sync or a reading of flags is unfinished, or if the
    flags must be compared again.

    status: the folder's STATUS values by name, such as UIDNEXT.
    now: the present time, in seconds since 1970.
    """
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
    """Return whether to start a comparison of the flags of all messages. It is due 45 minutes after
    the start of the last comparison. Return False while a comparison is still running.

    Only a folder without mod-sequences needs such comparisons.

    now: the present time, in seconds since 1970.
    """
    age = now - position.flags_compared_at
    return position.flags_from is None and not 0 <= age < MIN_TIME_BETWEEN_FLAG_COMPARISONS_S


def can_server_report_flag_changes(position: FolderPosition, opened: OpenFolder) -> bool:
    """Return whether the server can name the messages whose flags changed since the last reading.

    It can if it reported a mod-sequence then and reports one now, and the present mod-sequence is
    not lower.
    """
    known, now = position.mod_seq, opened.mod_seq
    return known is not None and now is not None and now >= known


def must_compare_flags_if_unreported(
    position: FolderPosition, opened: OpenFolder, now: float
) -> bool:
    """Return whether to compare the flags of all messages now. Only for a folder of which the
    server cannot name the changes (`can_server_report_flag_changes` is False).

    Without mod-sequences, the flags are compared when `is_flag_comparison_due` says so. If the
    server began or stopped to report mod-sequences since the last reading, or the mod-sequence went
    back, the flags are compared immediately.

    now: the present time, in seconds since 1970.
    """
    has_or_had = opened.mod_seq is not None or position.mod_seq is not None
    return has_or_had or is_flag_comparison_due(position, now)


def clip_uid_ranges_to_uids_below(ranges: Iterable[range], below: int) -> list[range]:
    """Return the parts of the UID ranges that are at least 1 and below the UID `below`."""
    clipped = (range(max(each.start, 1), min(each.stop, below)) for each in ranges)
    return [each for each in clipped if each]


def count_uids(ranges: Iterable[range]) -> int:
    """Return the number of UIDs in all ranges together."""
    return sum(map(len, ranges))


def are_uids_renumbered(
    sample: Mapping[str, str], items: Mapping[int, Mapping[bytes, Any]]
) -> bool:
    """Return whether the server gave a UID of the sample to another message: the UID now has a
    message with another Message-ID. A UID without a message proves nothing.

    sample: hash of the Message-ID of a few messages, by UID.
    items: FETCH items of messages of the folder, by UID.
    """
    found = {uid: hash_internet_message_id(each) for uid, each in items.items()}
    return any(found.get(int(uid)) not in (None, known) for uid, known in sample.items())


def choose_renumbering_sample(
    sample: Mapping[str, str], items: Mapping[int, Mapping[bytes, Any]]
) -> dict[str, str]:
    """Return a new sample of the messages whose Message-IDs are known: the messages with the
    lowest, the middle and the highest UID. The result has a hash of the Message-ID for each UID.

    sample: the former sample.
    items: FETCH items of further messages, by UID.
    """
    known = {int(uid): each for uid, each in sample.items()}
    known |= {uid: each for uid, it in items.items() if (each := hash_internet_message_id(it))}
    uids = sorted(known)
    chosen: Sequence[int] = uids
    if len(uids) > MAX_MESSAGES_SAMPLED_TO_DETECT_RENUMBERING:
        chosen = [uids[0], uids[len(uids) // 2], uids[-1]]
    return {str(uid): known[uid] for uid in chosen}
