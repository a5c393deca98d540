"""The verification: what the provider holds against what is stored, by counts and by ids."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from mailsync.model import FolderId, Gone, Message, RemoteEntry, RemoteId, Unreadable

MAX_REPAIR_ROUNDS = 2
MAX_COMPARISON_AGE = timedelta(days=7)
"""The ids and versions of every folder are compared at least so often."""
COMPARISON_RETRY_AFTER = timedelta(hours=30)
"""After a comparison that was due and failed; a day of it goes to the spreading of folders."""
MAX_COMPARED_MESSAGES_PER_CHECK = 2_000
"""Messages of folders that a check compares by id itself; larger folders need an execution."""
MAX_COMPARED_FOLDERS_PER_RUN = 25
"""Folders that are due for a comparison and have it in one run; others wait for the next."""


@dataclass(frozen=True, slots=True)
class FolderCount:
    """The provider's counts of a folder beside ours; `quarantined` are known but not stored.

    `offset` and `unread_offset` are by how much the provider's counts are wrong, as a comparison
    by ids has shown; `compared_at` is when its ids were last compared, None: they must be now.
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
        """By how much the provider counts more than we hold: messages, and unread ones."""
        return self.remote - self.stored - self.quarantined, self.remote_unread - self.unread

    @property
    def difference(self) -> int:
        """How many messages differ at least, as far as counts tell; 0: they agree."""
        total, unread = self.excess
        if self.quarantined:
            return abs(total - self.offset)
        return max(abs(total - self.offset), abs(unread - self.unread_offset))


def agrees(count: FolderCount) -> bool:
    """Whether the provider's count is what we hold, and the unread counts where all is stored."""
    return count.difference == 0


def due_for_comparison(
    counts: Mapping[FolderId, FolderCount], *, now: datetime
) -> tuple[FolderId, ...]:
    """The folders whose ids are to be compared now, the one first that has waited longest.

    Folders that were compared together are jitter over a day.
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
    """A row as a listing is compared with it; `is_here`: visible, in the folder that is listed."""

    is_read: bool
    version: str | None
    modified_at: datetime | None
    is_here: bool = True

    def equals(self, listed: RemoteEntry) -> bool:
        """Whether the row is of the state that is listed.

        A row without a version was stored before versions were; then the time of the last
        modification decides, as far as the provider tells one.
        """
        if self.is_read != listed.is_read:
            return False
        if self.version is None or listed.version is None:
            return listed.modified_at is None or self.modified_at == listed.modified_at
        return self.version == listed.version


@dataclass(frozen=True, slots=True)
class IdDifference:
    """How a complete listing of a folder differs from its rows.

    `missing` and `changed` are to be fetched again. `returned` are hidden, or in another folder,
    and otherwise equal: they only have to be shown here. `surplus` are shown here and not listed:
    the provider is asked about each. `released` were in quarantine and are no longer in the
    folder. `unversioned` are equal rows that lack the listed version.
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

    `stored` holds every row of the folder, hidden ones too, and rows elsewhere of listed ids.
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


class Cause(StrEnum):
    """How the provider contradicts itself about a message; what it says by id is what is stored.

    MISSING: listed in the folder, gone or in another one when asked for by id.
    SURPLUS: not listed, in the folder when asked for by id, or of unknown place since it cannot be
    read.
    MISREAD: listed with another read state than it has by id.
    """

    MISSING = "missing"
    SURPLUS = "surplus"
    MISREAD = "misread"


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that stays different from the listing of its folder."""

    remote_id: RemoteId
    cause: Cause


def find_contradictions(
    listed: Mapping[RemoteId, bool],
    answers: Iterable[Message | Gone | Unreadable],
    folder: RemoteId,
) -> Iterator[Difference]:
    """Yield the answers by id that the listing of the folder does not bear out.

    `listed` maps each listed id to its read state. What is listed and unreadable is in quarantine.
    """
    for answer in answers:
        if cause := _contradiction(listed, answer, folder):
            yield Difference(answer.remote_id, cause)


def _contradiction(
    listed: Mapping[RemoteId, bool], answer: Message | Gone | Unreadable, folder: RemoteId
) -> Cause | None:
    is_listed = answer.remote_id in listed
    if isinstance(answer, Unreadable):
        return None if is_listed else Cause.SURPLUS
    if isinstance(answer, Gone) or answer.folder_remote_id != folder:
        return Cause.MISSING if is_listed else None
    if not is_listed:
        return Cause.SURPLUS
    return None if listed[answer.remote_id] == answer.is_read else Cause.MISREAD
