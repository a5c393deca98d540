"""Verify the mirror: compare the provider's message counts and message ids with the stored rows.
All functions are pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailsync.model import (
    FolderId,
    ListedMessage,
    Message,
    MessageNotFoundByIdResult,
    RemoteId,
    UnreadableMessage,
)

MAX_REPAIRS_OF_SAME_FOLDER_PER_RUN = 2
"""The maximum number of times that one run repairs the same folder."""
MAX_TIME_BETWEEN_FOLDER_COMPARISONS = timedelta(days=7)
"""The longest time between two comparisons of a folder. A comparison compares the id and the
version of every stored message with the provider's list of the folder."""
FAILED_FOLDER_COMPARISON_RETRY_DELAY = timedelta(hours=30)
"""The time after which a failed comparison of a folder is tried again. It is longer than a day,
because the comparisons of an account's folders are spread over a day."""
MAX_COMPARED_MESSAGES_PER_CHECK = 2_000
"""The maximum number of messages that one check compares by id, in all folders together. If the
folders that are due have more messages, an execution compares them."""
MAX_DUE_FOLDERS_COMPARED_PER_RUN = 25
"""The maximum number of folders that one run compares for the only reason that their weekly
comparison is due. Further due folders wait for the next run."""
MAX_FOLDERS_PER_REPAIR_ROUND = 100
"""The maximum number of folders that one round of repairs compares. The limit exists because the
history of an execution is limited (`successor.MAX_ITEMS_PER_MAP_STATE`). More folders take more
rounds."""


def compute_max_repair_rounds(folder_count: int) -> int:
    """Return the maximum number of repair rounds of one run in a mailbox with `folder_count`
    folders. In a repair round, the run compares and repairs at most `MAX_FOLDERS_PER_REPAIR_ROUND`
    folders. The maximum lets the run repair each folder `MAX_REPAIRS_OF_SAME_FOLDER_PER_RUN`
    times."""
    return MAX_REPAIRS_OF_SAME_FOLDER_PER_RUN * max(
        1, math.ceil(folder_count / MAX_FOLDERS_PER_REPAIR_ROUND)
    )


@dataclass(frozen=True, slots=True)
class FolderCounts:
    """The message counts of one folder at the provider and in the database.

    remote_total, remote_unread: the provider's counts of all and of unread messages. None: the
        provider does not count the folder; the folder is verified only by the ids of its messages.
    stored_total, stored_unread: the numbers of all and of unread stored messages.
    quarantined_message_count: number of messages that exist at the provider and cannot be stored.
    remote_total_overcount, remote_unread_overcount: by how much the provider's counts are too
        high, as the last comparison of message ids found. Negative: the counts are too low. 0:
        correct.
    message_ids_compared_at: when the message ids of the folder were last compared with the
        provider. None: they were never compared, or a new comparison was requested; the comparison
        is due now.
    """

    remote_total: int | None
    stored_total: int
    quarantined_message_count: int
    remote_unread: int | None
    stored_unread: int
    remote_total_overcount: int = 0
    remote_unread_overcount: int = 0
    message_ids_compared_at: datetime | None = None

    @property
    def remote_minus_stored_total_and_unread(self) -> tuple[int, int]:
        """Return two differences. The first is the provider's count of all messages, minus the
        stored messages and the messages in quarantine. The second is the provider's count of
        unread messages, minus the stored unread messages. Both are 0 if the provider does not
        count the folder."""
        if self.remote_total is None or self.remote_unread is None:
            return 0, 0
        return (
            self.remote_total - self.stored_total - self.quarantined_message_count,
            self.remote_unread - self.stored_unread,
        )

    @property
    def min_differing_message_count(self) -> int:
        """Return a lower bound of the number of messages that differ from the provider, derived
        from the difference of the counts. 0: the counts agree."""
        total, unread = self.remote_minus_stored_total_and_unread
        if self.quarantined_message_count:
            return abs(total - self.remote_total_overcount)
        return max(
            abs(total - self.remote_total_overcount), abs(unread - self.remote_unread_overcount)
        )


def do_counts_match_provider(count: FolderCounts) -> bool:
    """Return whether the provider's counts of a folder equal the stored counts.

    The counts of unread messages are compared only if no message of the folder is in quarantine.
    """
    return count.min_differing_message_count == 0


def find_folders_due_for_comparison(
    counts: Mapping[FolderId, FolderCounts], *, now: datetime
) -> tuple[FolderId, ...]:
    """Return the folders whose message ids are due for a comparison with the provider, the folder
    that is due longest first.

    A folder is due 6 to 7 days after its last comparison. The exact hour depends on the folder's
    id: so folders that were compared at the same time are not all due at the same time.
    """

    def waits_since(folder_id: FolderId) -> float:
        compared_at = counts[folder_id].message_ids_compared_at
        return compared_at.timestamp() if compared_at else 0.0

    due = [
        folder_id
        for folder_id, count in counts.items()
        if count.message_ids_compared_at is None
        or now - count.message_ids_compared_at
        >= MAX_TIME_BETWEEN_FOLDER_COMPARISONS - timedelta(hours=folder_id % 24)
    ]
    return tuple(sorted(due, key=waits_since))


@dataclass(frozen=True, slots=True)
class StoredMessageState:
    """The state of a stored message, to be compared with the provider's list of a folder.

    remote_version: the provider's version of the message. None: an earlier release stored the
        message without a version.
    remote_modified_at: time of the last modification. None: unknown.
    is_placed_in_compared_folder: whether the message is visible (not hidden) and placed in the
        folder whose list is compared.
    """

    is_read: bool
    remote_version: str | None
    remote_modified_at: datetime | None
    is_placed_in_compared_folder: bool = True
    is_flagged: bool = False
    importance: str = "normal"

    def is_equal_to_listed_message(self, listed: ListedMessage) -> bool:
        """Return whether the stored message has the flags and the version that the provider lists.

        If the stored message or the list has no version, the time of the last modification is
        compared instead. If the provider does not list that time either, only flags are compared.
        """
        stored = (self.is_read, self.is_flagged, self.importance)
        flags = (listed.is_read, listed.is_flagged, listed.importance)
        if any(flag not in (None, mine) for flag, mine in zip(flags, stored, strict=True)):
            return False
        if self.remote_version is None or listed.remote_version is None:
            return listed.modified_at is None or self.remote_modified_at == listed.modified_at
        return self.remote_version == listed.remote_version


@dataclass(frozen=True, slots=True)
class ListingDifference:
    """The differences between the provider's complete list of a folder and the stored messages, as
    message ids.

    unstored_remote_ids: listed messages that are not stored; fetch them by id.
    remote_ids_with_differing_state: listed messages whose stored state differs from the listed one;
        fetch them by id.
    unlisted_remote_ids: visible messages that the list lacks; request each by id.
    stored_but_unplaced_remote_ids: listed messages that are stored in the listed state, but hidden
        or in another folder; make them visible in this folder.
    unlisted_quarantined_remote_ids: messages in quarantine that the list lacks.
    listed_messages_stored_without_version: listed messages that are stored in the listed state
        without a version; store the version that the list names.
    """

    unstored_remote_ids: tuple[RemoteId, ...] = ()
    unlisted_remote_ids: tuple[RemoteId, ...] = ()
    remote_ids_with_differing_state: tuple[RemoteId, ...] = ()
    stored_but_unplaced_remote_ids: tuple[RemoteId, ...] = ()
    unlisted_quarantined_remote_ids: tuple[RemoteId, ...] = ()
    listed_messages_stored_without_version: tuple[ListedMessage, ...] = ()

    @property
    def is_mirror_equal_to_listing(self) -> bool:
        return not (
            self.unstored_remote_ids
            or self.unlisted_remote_ids
            or self.remote_ids_with_differing_state
            or self.stored_but_unplaced_remote_ids
            or self.unlisted_quarantined_remote_ids
        )


def compare_listing_with_rows(
    listed: Iterable[ListedMessage],
    stored: Mapping[RemoteId, StoredMessageState],
    quarantined: frozenset[RemoteId],
) -> ListingDifference:
    """Compare the provider's listing of a folder with the stored rows; return the differences.

    listed: the messages of the listing.
    stored: stored states by message id. It contains every stored message of the folder, including
        hidden messages, and every listed message that is stored in another folder.
    quarantined: ids of the folder's messages in quarantine.
    """
    entries = {entry.remote_id: entry for entry in listed}
    missing, changed, returned, unversioned = [], [], [], []
    for remote_id, entry in sorted(entries.items()):
        row = stored.get(remote_id)
        if row is None:
            if remote_id not in quarantined:
                missing.append(remote_id)
        elif not row.is_equal_to_listed_message(entry):
            changed.append(remote_id)
        elif not row.is_placed_in_compared_folder:
            returned.append(remote_id)
        elif row.remote_version is None and entry.remote_version is not None:
            unversioned.append(entry)
    here = {remote_id for remote_id, row in stored.items() if row.is_placed_in_compared_folder}
    return ListingDifference(
        unstored_remote_ids=tuple(missing),
        remote_ids_with_differing_state=tuple(changed),
        stored_but_unplaced_remote_ids=tuple(returned),
        unlisted_remote_ids=tuple(sorted(here - entries.keys())),
        unlisted_quarantined_remote_ids=tuple(sorted(quarantined - entries.keys())),
        listed_messages_stored_without_version=tuple(unversioned),
    )


class ListingContradictionKind(StrEnum):
    """How the provider's list of a folder contradicts the provider's response to a request for one
    message by its id. Mailsync stores what the response says.

    LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER: the list contains the message. According to the response
        the message is gone or in another folder.
    FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED: the list lacks the message. According to the response the
        message is in the folder, or exists and cannot be read.
    LISTED_READ_FLAG_DIFFERS_FROM_BY_ID: the list and the response have different read states.
    """

    LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER = "missing"
    FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED = "surplus"
    LISTED_READ_FLAG_DIFFERS_FROM_BY_ID = "misread"


@dataclass(frozen=True, slots=True)
class MessageContradictingListing:
    """A message for which the provider's response to a request by id contradicts the provider's
    list of the folder."""

    remote_id: RemoteId
    kind: ListingContradictionKind


def find_listing_contradictions(
    listed: Mapping[RemoteId, bool | None],
    answers: Iterable[Message | MessageNotFoundByIdResult | UnreadableMessage],
    folder: RemoteId,
) -> Iterator[MessageContradictingListing]:
    """Yield the messages for which the provider's response to a request by id contradicts the
    provider's list of the folder.

    listed: for each listed message id, the listed read state. None: the list has no read states.
    answers: the provider's responses to the requests by id. A listed message that cannot be read
        goes into quarantine and is no contradiction.
    folder: the provider's id of the folder.
    """
    for answer in answers:
        if cause := _contradiction(listed, answer, folder):
            yield MessageContradictingListing(answer.remote_id, cause)


def _contradiction(
    listed: Mapping[RemoteId, bool | None],
    answer: Message | MessageNotFoundByIdResult | UnreadableMessage,
    folder: RemoteId,
) -> ListingContradictionKind | None:
    is_listed = answer.remote_id in listed
    if isinstance(answer, UnreadableMessage):
        return None if is_listed else ListingContradictionKind.FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED
    if isinstance(answer, MessageNotFoundByIdResult) or folder not in answer.folder_remote_ids:
        return ListingContradictionKind.LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER if is_listed else None
    if not is_listed:
        return ListingContradictionKind.FOUND_BY_ID_IN_FOLDER_BUT_NOT_LISTED
    return (
        None
        if listed[answer.remote_id] in (None, answer.is_read)
        else ListingContradictionKind.LISTED_READ_FLAG_DIFFERS_FROM_BY_ID
    )
