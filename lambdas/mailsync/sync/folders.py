"""From the remote folder tree and the known one to what must change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailsync.model import FolderId, KnownFolder, RemoteFolder, RemoteId, Role


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """`changed` are new, renamed, moved or re-purposed folders; `gone` are deleted ones."""

    changed: tuple[RemoteFolder, ...]
    gone: tuple[FolderId, ...]


def diff_folders(remote: Sequence[RemoteFolder], known: Sequence[KnownFolder]) -> FolderPlan:
    """A folder that was deleted and made again under its name has another id: both are told."""
    before = {each.ref.remote_id: each for each in known}
    return FolderPlan(
        changed=tuple(each for each in remote if _differs(each, before.get(each.remote_id))),
        gone=tuple(
            each.ref.id
            for each in known
            if each.ref.remote_id not in {folder.remote_id for folder in remote}
        ),
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
