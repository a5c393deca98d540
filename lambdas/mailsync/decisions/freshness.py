"""Choose the change feeds that a sync of a large mailbox reads; a later sync reads the other feeds.

The folder listing contains the provider's counts of every folder, so every sync notices added and
removed messages. A change that keeps the counts equal (a flag, a category, a replaced message) is
noticed only when the folder's change feed is read. Every sync reads the feeds of active folders;
the feeds of other folders are read at least once an hour.
"""

import math
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from mailsync.model import (
    FolderTreeReadingMode,
    RemoteId,
    StoredFeed,
    StoredFolder,
    distinct_feeds_of_folders,
)

MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX = 20
"""The maximum number of change feeds of a small mailbox. Every sync reads all feeds of a small
mailbox, in one batch request."""
MAX_LAST_CHANGE_AGE_OF_ACTIVE_FOLDER = timedelta(days=1)
"""A folder that changed within this time is active: every sync reads its change feed."""
MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED = timedelta(hours=1)
"""The longest time between two readings of the same change feed. It is also the longest time
between two readings of a mailbox's whole folder tree."""
MAX_TIME_BETWEEN_HIDDEN_FOLDER_SEARCHES = timedelta(days=1)
"""The longest time between two searches for hidden folders in a mailbox. Such a search looks below
every folder (`FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS`)."""


def choose_feeds_to_read(
    folders: Sequence[StoredFolder], moved: Collection[RemoteId], *, now: datetime, since_s: float
) -> tuple[StoredFeed, ...]:
    """Return the change feeds that a sync of a mailbox reads now.

    Of a small mailbox the sync reads all feeds. Of a large mailbox the sync reads the feeds of all
    active folders, of all folders whose counts changed, and of all folders that were never read.
    The other feeds take turns, the least recently read first. The more time has passed since the
    last sync, the more of these feeds are read, so that each feed is read at least once per
    `MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED`.

    folders: the stored folders of the mailbox, with their change feeds.
    moved: provider ids of folders whose counts at the provider changed since the last reading.
    now: the present time.
    since_s: seconds since the last sync of the mailbox.
    """
    feeds = distinct_feeds_of_folders(folders)
    if len(feeds) <= MAX_CHANGE_FEEDS_OF_SMALL_MAILBOX:
        return feeds
    likely = {
        folder.feed.ref.id
        for folder in folders
        if folder.ref.remote_id in moved
        or _is_active(folder, now)
        or folder.feed.last_read_at is None
    }
    others = sorted(
        (feed for feed in feeds if feed.ref.id not in likely),
        key=lambda feed: (feed.last_read_at or now, feed.ref.id),
    )
    share = math.ceil(
        len(others) * min(1.0, since_s / MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED.total_seconds())
    )
    overdue = sum(
        now - (feed.last_read_at or now) >= MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED
        for feed in others
    )
    chosen = tuple(feed for feed in feeds if feed.ref.id in likely)
    return chosen + tuple(others[: max(share, overdue)])


def choose_folder_tree_reading_mode(
    *, now: datetime, whole_at: datetime | None, thorough_at: datetime | None
) -> FolderTreeReadingMode:
    """Return how much of the folder tree a check reads.

    whole_at: when a check last read all listed folders. None: never.
    thorough_at: when a check last searched for hidden folders as well. None: never.
    """
    if thorough_at is None or now - thorough_at >= MAX_TIME_BETWEEN_HIDDEN_FOLDER_SEARCHES:
        return FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS
    if whole_at is None or now - whole_at >= MAX_TIME_BETWEEN_READINGS_OF_SAME_FEED:
        return FolderTreeReadingMode.ALL_LISTED_FOLDERS
    return FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS


def _is_active(folder: StoredFolder, now: datetime) -> bool:
    return (
        folder.last_change_found_at is not None
        and now - folder.last_change_found_at < MAX_LAST_CHANGE_AGE_OF_ACTIVE_FOLDER
    )
