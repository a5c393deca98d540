"""Which parts of a large mailbox are read now, and which may wait.

The folder listing brings the provider's counts of every folder, so a message that came or went
shows at once. What moves no count (a flag, a category, one message for another) is found when the
folder's change feed is read: in every sync where it is likely, within the hour elsewhere.
"""

import math
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from mailsync.model import KnownFolder, RemoteId, TreeReading

SMALL_MAILBOX_FOLDERS = 20
"""A mailbox of so many folders is read whole every time: one batch request."""
ACTIVE_WITHIN = timedelta(days=1)
"""A folder in which a change was found within this time is read every time."""
MAX_FEED_AGE = timedelta(hours=1)
"""Every other change feed, and the whole folder tree, is read at least so often."""
MAX_THOROUGH_AGE = timedelta(days=1)
"""Hidden folders below every folder are looked for at least so often."""


def feeds_to_read(
    folders: Sequence[KnownFolder], moved: Collection[RemoteId], *, now: datetime, since_s: float
) -> tuple[KnownFolder, ...]:
    """The folders whose change feeds are read in a sync, `since_s` seconds after the last one.

    `moved` are folders whose counts at the provider have moved. The folders that are inactive
    take turns, the one first that was read longest ago, at a rate that reads each within the hour.
    """
    if len(folders) <= SMALL_MAILBOX_FOLDERS:
        return tuple(folders)
    likely = [
        folder
        for folder in folders
        if folder.ref.remote_id in moved or _is_active(folder, now) or folder.read_at is None
    ]
    chosen = {folder.ref.id for folder in likely}
    others = sorted(
        (folder for folder in folders if folder.ref.id not in chosen),
        key=lambda folder: (folder.read_at or now, folder.ref.id),
    )
    share = math.ceil(len(others) * min(1.0, since_s / MAX_FEED_AGE.total_seconds()))
    overdue = sum(now - (folder.read_at or now) >= MAX_FEED_AGE for folder in others)
    return tuple(likely) + tuple(others[: max(share, overdue)])


def choose_tree_reading(
    *, now: datetime, whole_at: datetime | None, thorough_at: datetime | None
) -> TreeReading:
    """How the folder tree is read in a check; the arguments are the last readings of each kind."""
    if thorough_at is None or now - thorough_at >= MAX_THOROUGH_AGE:
        return TreeReading.THOROUGH
    if whole_at is None or now - whole_at >= MAX_FEED_AGE:
        return TreeReading.WHOLE
    return TreeReading.QUICK


def _is_active(folder: KnownFolder, now: datetime) -> bool:
    return folder.active_at is not None and now - folder.active_at < ACTIVE_WITHIN
