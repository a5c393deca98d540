"""From the remote folder tree and the known one to what must change."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailsync.model import FolderId, KnownFolder, RemoteFolder, RemoteId, Role

BATCH_FOLDERS = 20
BATCH_MESSAGES = 200
"""Asked for at once: about two pages, far less than is held in memory of one answer."""
SMALL_MESSAGES = 1_000
"""Half a minute at the speed of Microsoft Graph; what is beyond is done by several functions."""


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """`changed` are new, renamed, moved or re-purposed folders; `gone` are deleted ones."""

    changed: tuple[RemoteFolder, ...]
    gone: tuple[FolderId, ...]


def diff_folders(remote: Sequence[RemoteFolder], known: Sequence[KnownFolder]) -> FolderPlan:
    """A folder that was deleted and made again under its name has another id: both are told."""
    before = {each.ref.remote_id: each for each in known}
    there = {each.remote_id for each in remote}
    return FolderPlan(
        changed=tuple(each for each in remote if _differs(each, before.get(each.remote_id))),
        gone=tuple(each.ref.id for each in known if each.ref.remote_id not in there),
    )


def _differs(remote: RemoteFolder, known: KnownFolder | None) -> bool:
    return known is None or (
        remote.display_name,
        remote.parent_remote_id,
        remote.role,
        remote.hidden,
    ) != (known.display_name, known.parent_remote_id, known.role, known.hidden)


def known_roles(known: Iterable[KnownFolder]) -> dict[RemoteId, Role]:
    return {each.ref.remote_id: each.role for each in known}


def biggest_first(
    folders: Iterable[KnownFolder], remote: Iterable[RemoteFolder]
) -> tuple[FolderId, ...]:
    """The order in which folders start, so that the longest one does not start last."""
    total = {each.remote_id: each.total for each in remote}
    ordered = sorted(folders, key=lambda each: -total.get(each.ref.remote_id, 0))
    return tuple(each.ref.id for each in ordered)


def small_walks(
    folders: Iterable[KnownFolder], remote: Iterable[RemoteFolder], *, page_size: int
) -> Iterator[tuple[KnownFolder, ...]]:
    """Batches of folders whose walk has not begun and will not be longer than a page.

    The smallest first, up to `SMALL_MESSAGES` in all.
    """
    total = {each.remote_id: each.total for each in remote}
    small = [
        each
        for each in folders
        if each.position.walking
        and each.position.cursor is None
        and total.get(each.ref.remote_id, page_size) < page_size
    ]
    batch: list[KnownFolder] = []
    batched = seen = 0
    for folder in sorted(small, key=lambda each: total[each.ref.remote_id]):
        messages = total[folder.ref.remote_id]
        seen += messages
        if seen > SMALL_MESSAGES:
            break
        if len(batch) == BATCH_FOLDERS or batched + messages > BATCH_MESSAGES:
            yield tuple(batch)
            batch, batched = [], 0
        batch.append(folder)
        batched += messages
    if batch:
        yield tuple(batch)
