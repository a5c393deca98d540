"""Verify the mirror: compare the provider's message counts and message ids with the stored rows.
All functions are pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailsync.model import (
    FolderId,
    GoneMessage,
    ListedMessage,
    Message,
    RemoteId,
    UnreadableMessage,
)

MAX_REPAIRS_PER_RUN = 2
"""The maximum number of times that one run repairs the same folder."""
MAX_COMPARISON_AGE = timedelta(days=7)
"""The longest time between two comparisons of a folder's message ids and versions with the
provider."""
COMPARISON_RETRY_DELAY = timedelta(hours=30)
"""The time until a failed comparison of a folder's ids is tried again. It is longer than a day,
because the comparisons of an account's folders are spread over a day."""
MAX_COMPARED_MESSAGES_PER_CHECK = 2_000
"""The maximum number of messages that one check compares by id, over all folders. An execution
compares larger folders."""
MAX_COMPARED_FOLDERS_PER_RUN = 25
"""The maximum number of folders whose ids one run compares only because their comparison is due.
Further due folders wait for the next run."""
MAX_FOLDERS_PER_REPAIR_ROUND = 100
"""The maximum number of folders that one round of repairs compares, because the history of an
execution has a limit (`successor.MAX_MAP_ITEMS`). More folders take more rounds."""


def max_repair_rounds(folder_count: int) -> int:
    """Return how many rounds of repairs a run may have in a mailbox with this number of folders."""
    return MAX_REPAIRS_PER_RUN * max(1, math.ceil(folder_count / MAX_FOLDERS_PER_REPAIR_ROUND))


@dataclass(frozen=True, slots=True)
class FolderCounts:
    """The message counts of one folder at the provider and in the database.

    remote_total, remote_unread: the provider's counts of all and of unread messages. None: the
        provider does not count the folder, which is then verified only by the ids of its messages.
    stored_total, stored_unread: the numbers of all and of unread stored messages.
    quarantined_total: messages that exist at the provider and cannot be stored.
    remote_total_error, remote_unread_error: by how much the provider's counts are wrong according
        to the last comparison of ids.
    compared_at: when the ids were last compared. None: a comparison is due now.
    """

    remote_total: int | None
    stored_total: int
    quarantined_total: int
    remote_unread: int | None
    stored_unread: int
    remote_total_error: int = 0
    remote_unread_error: int = 0
    compared_at: datetime | None = None

    @property
    def remote_minus_stored_counts(self) -> tuple[int, int]:
        """Return by how many messages, and by how many unread messages, the provider's counts
        exceed the stored counts. A number is 0 if the provider does not count the folder."""
        if self.remote_total is None or self.remote_unread is None:
            return 0, 0
        return (
            self.remote_total - self.stored_total - self.quarantined_total,
            self.remote_unread - self.stored_unread,
        )

    @property
    def min_differing_messages(self) -> int:
        """Return the smallest number of messages that can explain the difference between the
        counts; 0 if the counts agree."""
        total, unread = self.remote_minus_stored_counts
        if self.quarantined_total:
            return abs(total - self.remote_total_error)
        return max(abs(total - self.remote_total_error), abs(unread - self.remote_unread_error))


def counts_agree(count: FolderCounts) -> bool:
    """Return whether the provider's counts of a folder equal the stored counts.

    The counts of unread messages are compared only if no message of the folder is in quarantine.
    """
    return count.min_differing_messages == 0


def folders_due_for_id_comparison(
    counts: Mapping[FolderId, FolderCounts], *, now: datetime
) -> tuple[FolderId, ...]:
    """Return the folders whose message ids are due for a comparison with the provider, the folder
    that is due longest first.

    Folders whose last comparisons were at the same time become due at different moments of a day.
    """

    def waits_since(folder_id: FolderId) -> float:
        compared_at = counts[folder_id].compared_at
        return compared_at.timestamp() if compared_at else 0.0

    due = [
        folder_id
        for folder_id, count in counts.items()
        if count.compared_at is None
        or now - count.compared_at >= MAX_COMPARISON_AGE - timedelta(hours=folder_id % 24)
    ]
    return tuple(sorted(due, key=waits_since))


@dataclass(frozen=True, slots=True)
class StoredMessageState:
    """The state of a stored message that is compared with the provider's list of a folder.

    is_in_listed_folder: whether the message is visible and in the listed folder.
    """

    is_read: bool
    version: str | None
    modified_at: datetime | None
    is_in_listed_folder: bool = True
    is_flagged: bool = False
    importance: str = "normal"

    def equals_listed_message(self, listed: ListedMessage) -> bool:
        """Return whether the stored message has the flags and the version that the provider lists.

        A message that an earlier release stored has no version. For such a message the time of the
        last modification is compared instead, if the provider lists that time.
        """
        stored = (self.is_read, self.is_flagged, self.importance)
        flags = (listed.is_read, listed.is_flagged, listed.importance)
        if any(flag not in (None, mine) for flag, mine in zip(flags, stored, strict=True)):
            return False
        if self.version is None or listed.version is None:
            return listed.modified_at is None or self.modified_at == listed.modified_at
        return self.version == listed.version


@dataclass(frozen=True, slots=True)
class ListingDifference:
    """The differences between the provider's complete list of a folder and the stored messages, as
    message ids.

    missing_ids: listed messages that are not stored; fetch them by id.
    changed_ids: listed messages whose stored state differs from the listed one; fetch them by id.
    unlisted_ids: visible messages that the list lacks; request each by id.
    ids_to_show_again: listed messages that are stored in the listed state, but hidden or in another
        folder; show them in this folder.
    ids_gone_from_quarantine: messages in quarantine that the list lacks.
    messages_lacking_version: listed messages that are stored in the listed state without a version;
        store the listed version.
    """

    missing_ids: tuple[RemoteId, ...] = ()
    unlisted_ids: tuple[RemoteId, ...] = ()
    changed_ids: tuple[RemoteId, ...] = ()
    ids_to_show_again: tuple[RemoteId, ...] = ()
    ids_gone_from_quarantine: tuple[RemoteId, ...] = ()
    messages_lacking_version: tuple[ListedMessage, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (
            self.missing_ids
            or self.unlisted_ids
            or self.changed_ids
            or self.ids_to_show_again
            or self.ids_gone_from_quarantine
        )


def compare_listing_with_rows(
    listed: Iterable[ListedMessage],
    stored: Mapping[RemoteId, StoredMessageState],
    quarantined: frozenset[RemoteId],
) -> ListingDifference:
    """Compare the provider's listing of a folder with the stored rows; return the differences.

    listed: the messages of the listing.
    stored: the state of every row of the folder including hidden ones, and of the rows of listed
        messages in other folders, by message id.
    quarantined: ids of the folder's messages in quarantine.
    """
    entries = {entry.remote_id: entry for entry in listed}
    missing, changed, returned, unversioned = [], [], [], []
    for remote_id, entry in sorted(entries.items()):
        row = stored.get(remote_id)
        if row is None:
            if remote_id not in quarantined:
                missing.append(remote_id)
        elif not row.equals_listed_message(entry):
            changed.append(remote_id)
        elif not row.is_in_listed_folder:
            returned.append(remote_id)
        elif row.version is None and entry.version is not None:
            unversioned.append(entry)
    here = {remote_id for remote_id, row in stored.items() if row.is_in_listed_folder}
    return ListingDifference(
        missing_ids=tuple(missing),
        changed_ids=tuple(changed),
        ids_to_show_again=tuple(returned),
        unlisted_ids=tuple(sorted(here - entries.keys())),
        ids_gone_from_quarantine=tuple(sorted(quarantined - entries.keys())),
        messages_lacking_version=tuple(unversioned),
    )


class ListingContradictionKind(StrEnum):
    """How the provider's list of a folder contradicts its response to a request for one message.
    The mirror stores the response.

    LISTED_BUT_NOT_IN_FOLDER: the list has the message; requested by id, the message is gone or in
        another folder.
    IN_FOLDER_BUT_NOT_LISTED: the list lacks the message; requested by id, it is in the folder or
        cannot be read.
    LISTED_WITH_OTHER_READ_STATE: the list and the response have different read states.
    """

    LISTED_BUT_NOT_IN_FOLDER = "missing"
    IN_FOLDER_BUT_NOT_LISTED = "surplus"
    LISTED_WITH_OTHER_READ_STATE = "misread"


@dataclass(frozen=True, slots=True)
class ListingContradiction:
    """A message for which the provider's response by id contradicts its listing of the folder."""

    remote_id: RemoteId
    cause: ListingContradictionKind


def find_listing_contradictions(
    listed: Mapping[RemoteId, bool | None],
    answers: Iterable[Message | GoneMessage | UnreadableMessage],
    folder: RemoteId,
) -> Iterator[ListingContradiction]:
    """Yield the messages whose response by id contradicts the provider's listing of the folder.

    listed: the listed read state of each message id. None: the list has no read states.
    answers: the provider's responses by id. A listed message that cannot be read goes into
        quarantine and is no contradiction.
    """
    for answer in answers:
        if cause := _contradiction(listed, answer, folder):
            yield ListingContradiction(answer.remote_id, cause)


def _contradiction(
    listed: Mapping[RemoteId, bool | None],
    answer: Message | GoneMessage | UnreadableMessage,
    folder: RemoteId,
) -> ListingContradictionKind | None:
    is_listed = answer.remote_id in listed
    if isinstance(answer, UnreadableMessage):
        return None if is_listed else ListingContradictionKind.IN_FOLDER_BUT_NOT_LISTED
    if isinstance(answer, GoneMessage) or folder not in answer.folder_remote_ids:
        return ListingContradictionKind.LISTED_BUT_NOT_IN_FOLDER if is_listed else None
    if not is_listed:
        return ListingContradictionKind.IN_FOLDER_BUT_NOT_LISTED
    return (
        None
        if listed[answer.remote_id] in (None, answer.is_read)
        else ListingContradictionKind.LISTED_WITH_OTHER_READ_STATE
    )
