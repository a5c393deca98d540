"""Verification: compare the provider's counts and ids with the stored rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailsync.model import FolderId, GoneMessage, Message, RemoteEntry, RemoteId, Unreadable

MAX_REPAIR_ROUNDS = 2
MAX_COMPARISON_AGE = timedelta(days=7)
"""The ids and versions of every folder are compared at least this often."""
COMPARISON_RETRY_AFTER = timedelta(hours=30)
"""After a due comparison that failed. Folders are spread over a day, which this includes."""
MAX_COMPARED_MESSAGES_PER_CHECK = 2_000
"""Messages of folders that a check compares by id itself; larger folders need an execution."""
MAX_COMPARED_FOLDERS_PER_RUN = 25
"""Folders with a due comparison that one run compares; the others wait for the next run."""


@dataclass(frozen=True, slots=True)
class FolderCount:
    """The provider's counts of a folder and ours.

    quarantined: messages that are known and not stored.
    offset, unread_offset: by how much the provider's counts are wrong, as a comparison by ids
        showed.
    compared_at: when the ids were last compared; None where they must be compared now.
    """

    remote: int
    stored: int
    quarantined: int
    remote_unread: int
    unread: int
    offset: int = 0
    unread_offset: int = 0
    compared_at: datetime | None = None

    @property
    def excess(self) -> tuple[int, int]:
        """How many more messages, and how many more unread ones, the provider counts than are
        stored."""
        return self.remote - self.stored - self.quarantined, self.remote_unread - self.unread

    @property
    def difference(self) -> int:
        """The least number of messages that differ, as far as counts show it; 0 where the counts
        agree."""
        total, unread = self.excess
        if self.quarantined:
            return abs(total - self.offset)
        return max(abs(total - self.offset), abs(unread - self.unread_offset))


def counts_agree(count: FolderCount) -> bool:
    """Return whether the provider's counts equal ours. Unread counts are compared where no message
    of the folder is in quarantine."""
    return count.difference == 0


def folders_due_for_id_comparison(
    counts: Mapping[FolderId, FolderCount], *, now: datetime
) -> tuple[FolderId, ...]:
    """Return the folders whose ids are due for a comparison, the one that has waited longest first.

    Folders that were compared together come due over the hours of a day.
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
class StoredEntry:
    """The part of a row that is compared with a listing.

    is_here: the row is visible and in the folder that is listed.
    """

    is_read: bool
    version: str | None
    modified_at: datetime | None
    is_here: bool = True

    def equals(self, listed: RemoteEntry) -> bool:
        """Return whether the row stores the listed state of the message.

        A row without a version was stored by an earlier release: then the time of the last
        modification decides, where the provider lists one.
        """
        if self.is_read != listed.is_read:
            return False
        if self.version is None or listed.version is None:
            return listed.modified_at is None or self.modified_at == listed.modified_at
        return self.version == listed.version


@dataclass(frozen=True, slots=True)
class IdDifference:
    """How a complete listing of a folder differs from its rows.

    missing, changed: to be fetched by id.
    surplus: visible rows that the listing lacks; each is requested by id.
    returned: rows that are hidden or in another folder and otherwise equal; they only need to be
        shown in this folder.
    released: messages in quarantine that are no longer in the folder.
    unversioned: equal rows that lack the listed version.
    """

    missing: tuple[RemoteId, ...] = ()
    surplus: tuple[RemoteId, ...] = ()
    changed: tuple[RemoteId, ...] = ()
    returned: tuple[RemoteId, ...] = ()
    released: tuple[RemoteId, ...] = ()
    unversioned: tuple[RemoteEntry, ...] = ()

    @property
    def is_none(self) -> bool:
        return not (self.missing or self.surplus or self.changed or self.returned or self.released)


def compare_ids(
    listed: Iterable[RemoteEntry],
    stored: Mapping[RemoteId, StoredEntry],
    quarantined: frozenset[RemoteId],
) -> IdDifference:
    """Compare the listing of a folder with its rows.

    stored: every row of the folder, hidden rows too, and the rows of listed ids in other folders.
    """
    entries = {entry.remote_id: entry for entry in listed}
    missing, changed, returned, unversioned = [], [], [], []
    for remote_id, entry in sorted(entries.items()):
        row = stored.get(remote_id)
        if row is None:
            if remote_id not in quarantined:
                missing.append(remote_id)
        elif not row.equals(entry):
            changed.append(remote_id)
        elif not row.is_here:
            returned.append(remote_id)
        elif row.version is None and entry.version is not None:
            unversioned.append(entry)
    here = {remote_id for remote_id, row in stored.items() if row.is_here}
    return IdDifference(
        missing=tuple(missing),
        changed=tuple(changed),
        returned=tuple(returned),
        surplus=tuple(sorted(here - entries.keys())),
        released=tuple(sorted(quarantined - entries.keys())),
        unversioned=tuple(unversioned),
    )


class ContradictionCause(StrEnum):
    """How the provider contradicts its own listing about a message. The response by id is stored.

    MISSING: listed in the folder; by id it is gone or in another folder.
    SURPLUS: not listed; by id it is in the folder, or it cannot be read, so its folder is unknown.
    MISREAD: the listing and the response by id have different read states.
    """

    MISSING = "missing"
    SURPLUS = "surplus"
    MISREAD = "misread"


@dataclass(frozen=True, slots=True)
class ListingContradiction:
    """A message that stays different from the listing of its folder."""

    remote_id: RemoteId
    cause: ContradictionCause


def find_contradictions(
    listed: Mapping[RemoteId, bool],
    answers: Iterable[Message | GoneMessage | Unreadable],
    folder: RemoteId,
) -> Iterator[ListingContradiction]:
    """Yield the messages whose response by id contradicts the listing of the folder.

    listed: the read state by listed id. A message that is listed and unreadable is in quarantine,
        and no contradiction.
    """
    for answer in answers:
        if cause := _contradiction(listed, answer, folder):
            yield ListingContradiction(answer.remote_id, cause)


def _contradiction(
    listed: Mapping[RemoteId, bool], answer: Message | GoneMessage | Unreadable, folder: RemoteId
) -> ContradictionCause | None:
    is_listed = answer.remote_id in listed
    if isinstance(answer, Unreadable):
        return None if is_listed else ContradictionCause.SURPLUS
    if isinstance(answer, GoneMessage) or answer.folder_remote_id != folder:
        return ContradictionCause.MISSING if is_listed else None
    if not is_listed:
        return ContradictionCause.SURPLUS
    return None if listed[answer.remote_id] == answer.is_read else ContradictionCause.MISREAD
