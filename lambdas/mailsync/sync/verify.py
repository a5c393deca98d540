"""The proof: what the provider holds against what is stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mailsync.model import RemoteEntry, RemoteId

REPAIR_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class FolderCount:
    """The provider's count of a folder beside ours; `quarantined` are known but not stored."""

    remote: int
    stored: int
    quarantined: int
    remote_unread: int
    unread: int


def agrees(count: FolderCount) -> bool:
    """Remote count = stored + quarantined, and the unread counts agree where all is stored."""
    if count.remote != count.stored + count.quarantined:
        return False
    return count.quarantined > 0 or count.remote_unread == count.unread


@dataclass(frozen=True, slots=True)
class IdDifference:
    """`missing` and `misread` are to be fetched again, `surplus` to be verified one by one.

    `released` were in quarantine and are no longer in the folder.
    """

    missing: tuple[RemoteId, ...]
    surplus: tuple[RemoteId, ...]
    misread: tuple[RemoteId, ...]
    released: tuple[RemoteId, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.missing or self.surplus or self.misread or self.released)


def compare_ids(
    remote: Iterable[RemoteEntry], stored: Mapping[RemoteId, bool], quarantined: frozenset[RemoteId]
) -> IdDifference:
    """`stored` maps each stored id of the folder to its read state."""
    listed = {each.remote_id: each.is_read for each in remote}
    return IdDifference(
        missing=tuple(sorted(listed.keys() - stored.keys() - quarantined)),
        surplus=tuple(sorted(stored.keys() - listed.keys())),
        released=tuple(sorted(quarantined - listed.keys())),
        misread=tuple(
            sorted(each for each, is_read in stored.items() if listed.get(each, is_read) != is_read)
        ),
    )
