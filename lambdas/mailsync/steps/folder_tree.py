"""`sync-folders`: the folder tree, and the changes that fit on one page."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mailsync.errors import CursorExpired, ProviderRejected, StoreRejected, SuspiciousRemoval
from mailsync.log import logger
from mailsync.model import Cursor, FolderId, FolderRef, KnownFolder, Page, RemoteFolder, SyncType
from mailsync.steps.folder_pages import PAGE_SIZE, PageTooLarge, ends_here, store_page
from mailsync.steps.mailbox import Mailbox
from mailsync.sync.folders import biggest_first, diff_folders, known_roles, small_walks


@dataclass(frozen=True, slots=True)
class Look:
    """What the provider shows of a mailbox: its folders, and the next page of those that were
    walked before. Nothing of it is stored yet."""

    remote: tuple[RemoteFolder, ...]
    pages: Mapping[FolderId, Page]


def look(mailbox: Mailbox, known: Sequence[KnownFolder]) -> Look:
    """In as few requests as the provider allows; a folder that failed is left out of the pages."""
    remote = tuple(mailbox.provider.list_folders(known_roles(known)))
    return Look(remote, _probe(mailbox, [each for each in known if each.selected]))


def mirror_folders(mailbox: Mailbox, seen: Look | None = None) -> tuple[RemoteFolder, ...]:
    """Makes the stored tree and the provider's counts those of now; returns the remote folders."""
    run, mail = mailbox.run, mailbox.mail
    known = mail.folders(run.account_id)
    remote = seen.remote if seen else tuple(mailbox.provider.list_folders(known_roles(known)))
    plan = diff_folders(remote, known)
    if plan.changed or plan.gone:
        mail.save_folders(run, plan.changed, plan.gone)
        logger.info("folders_mirrored", changed=len(plan.changed), gone=len(plan.gone))
    mail.save_remote_counts(run, remote)
    return remote


def drop_unselected(mailbox: Mailbox) -> None:
    """Mail leaves with its folder: what stands in a folder that is not mirrored is deleted.

    Should it have been moved back to a mirrored folder without word, the proof finds it missing.
    """
    dropped = mailbox.mail.drop_unselected(mailbox.run)
    if dropped:
        logger.info("unselected_dropped", messages=dropped)


def sync_folders(mailbox: Mailbox, seen: Look | None = None) -> tuple[FolderId, ...]:
    """Returns the folders that have more pages than one, the biggest first.

    Folders that were walked before are probed together in a few requests, those that are small
    are walked together, and what came is stored at once: so an incremental sync needs no further
    state, and the first one of a small mailbox neither.
    What was `seen` already, under the lease that still holds, is not asked for again.
    """
    remote = mirror_folders(mailbox, seen)
    wish, _ = mailbox.runs.run_settings(mailbox.run)
    if wish.sync_type is SyncType.FULL:
        mailbox.mail.restart_walks(mailbox.run, wish.folder_ids)
    drop_unselected(mailbox)
    folders = [each for each in mailbox.mail.folders(mailbox.run.account_id) if each.selected]
    pages = seen.pages if seen else _probe(mailbox, folders)
    settled = _apply(mailbox, [each for each in folders if not each.position.walking], pages)
    for batch in small_walks(folders, remote, page_size=PAGE_SIZE):
        pages = mailbox.provider.probe([(each.ref, None) for each in batch], limit=PAGE_SIZE)
        settled |= _apply(mailbox, batch, pages)
    left = [each for each in folders if each.ref.id not in settled]
    return biggest_first(left, remote)


def _probe(mailbox: Mailbox, folders: Sequence[KnownFolder]) -> Mapping[FolderId, Page]:
    """The next page of each folder that was walked to its end."""
    walked = [each for each in folders if not each.position.walking]
    positions = list(_positions(mailbox, walked))
    return mailbox.provider.probe(positions, limit=PAGE_SIZE) if positions else {}


def _apply(
    mailbox: Mailbox, folders: Sequence[KnownFolder], pages: Mapping[FolderId, Page]
) -> frozenset[FolderId]:
    """The folders that are up to date after their next page.

    One that cannot be synced as it is does not stop the others: `sync-folder` meets it alone, and
    asks for smaller pages, or the workflow marks it.
    """
    settled = set()
    for folder in folders:
        page = pages.get(folder.ref.id)
        if page is None:
            continue
        try:
            counts = store_page(mailbox, folder, page)
        except (PageTooLarge, ProviderRejected, StoreRejected, SuspiciousRemoval) as failure:
            cause = type(failure).__name__
            logger.warning("folder_left", folder_id=folder.ref.id, cause=cause)
            continue
        is_of_now = folder.position.begins_round
        if counts is not None and ends_here(page, is_of_now=is_of_now):
            settled.add(folder.ref.id)
    return frozenset(settled)


def _positions(
    mailbox: Mailbox, folders: Sequence[KnownFolder]
) -> Iterator[tuple[FolderRef, Cursor]]:
    """Without those that must be walked again; `sync-folder` finds that out and says so."""
    for folder in folders:
        with suppress(CursorExpired):
            cursor = mailbox.cursor(folder)
            if cursor is not None:
                yield folder.ref, cursor
