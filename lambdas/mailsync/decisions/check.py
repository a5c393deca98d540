"""What a check of a mailbox found: nothing, little, or work for an execution."""

from collections.abc import Collection, Iterable, Mapping
from enum import Enum, auto

from mailsync.decisions.folders import FolderPlan, listing_fault
from mailsync.decisions.verify import FolderCount, agrees
from mailsync.model import FolderId, FolderListing, KnownFolder, Page, RemoteId

MAX_FOLDERS = 1_000
"""Of a mailbox that is checked. 20 folders are one call for the tree and one for the changes,
0.9 s at 88 ms per response and four at once; 24 other mailboxes wait in the same function."""


class CheckResult(Enum):
    NOTHING_NEW = auto()
    ONE_PAGE = auto()
    """What is new stands on the pages that were read."""
    MORE = auto()
    """A folder needs a full sync, has more pages, or could not be read."""


def classify(
    *,
    is_fully_verified: bool,
    listing: FolderListing,
    plan: FolderPlan,
    folders: Iterable[KnownFolder],
    pages: Mapping[FolderId, Page],
    waiting: Collection[FolderId],
    moved: Collection[RemoteId],
    counts: Iterable[FolderCount],
) -> CheckResult:
    """Decide what a check leads to.

    `folders` are all that are known, `pages` what their feeds brought, but for those `waiting`
    for a later check. `moved` are folders whose counts at the provider have moved. `counts` are
    those of the mirrored folders that were listed.

    NOTHING_NEW is also a verification. It needs that the last sync verified every folder
    (`is_fully_verified`), that no change feed reports a change, that the folder tree is the same,
    and that each count agrees with the provider's current one.
    """
    folders = tuple(folders)
    known = {folder.ref.remote_id for folder in folders}
    mirrored = [folder for folder in folders if folder.selected]
    seen = [pages.get(folder.ref.id) for folder in mirrored if folder.ref.id not in waiting]
    positions = [folder.position for folder in mirrored]
    if any(folder.remote_id not in known for folder in plan.changed):
        return CheckResult.MORE
    if listing.failures or listing_fault(listing, folders):
        return CheckResult.MORE
    if any(each.full_sync_running or not each.starts_round for each in positions):
        return CheckResult.MORE
    if any(page is None or page.has_more for page in seen):
        return CheckResult.MORE
    is_same = not (plan.changed or plan.gone or moved or any(page.changes for page in seen if page))
    if is_fully_verified and is_same and all(agrees(count) for count in counts):
        return CheckResult.NOTHING_NEW
    return CheckResult.ONE_PAGE
