"""The proof: what the provider holds against what is stored."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailsync.model import Gone, Message, RemoteEntry, RemoteId, Unreadable

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


class Cause(StrEnum):
    """How the provider contradicts itself about a message; what it says by id is what is stored.

    MISSING: listed in the folder, gone when asked for by id.
    SURPLUS: not listed, in the folder when asked for by id.
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


def what_stays(
    listed: Mapping[RemoteId, bool],
    answers: Iterable[Message | Gone | Unreadable],
    folder: RemoteId,
) -> Iterator[Difference]:
    """Answers by id that the listing of the folder does not bear out.

    `listed` maps each listed id to its read state. What is unreadable is in quarantine.
    """
    for each in answers:
        if isinstance(each, Gone):
            if each.remote_id in listed:
                yield Difference(each.remote_id, Cause.MISSING)
        elif isinstance(each, Message) and each.folder_remote_id == folder:
            if each.remote_id not in listed:
                yield Difference(each.remote_id, Cause.SURPLUS)
            elif listed[each.remote_id] != each.is_read:
                yield Difference(each.remote_id, Cause.MISREAD)
