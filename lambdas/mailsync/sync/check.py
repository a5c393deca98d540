"""What a look at a mailbox means: nothing to do, little to do, or work for an execution."""

from collections.abc import Iterable, Mapping
from enum import Enum, auto

from mailsync.model import FolderId, KnownFolder, Page
from mailsync.sync.folders import FolderPlan
from mailsync.sync.verify import FolderCount, agrees

MOST_FOLDERS = 1_000
"""Of a mailbox that is looked at. 20 folders are one request of the tree and one of the changes,
0.9 s at 88 ms per answer and four at once; 24 other mailboxes wait in the same function."""


class Verdict(Enum):
    NOTHING_NEW = auto()
    ONE_PAGE = auto()
    """What is new stands on the pages that were seen."""
    MORE = auto()
    """A folder is to be walked, has more pages, or did not answer as it should."""


def judge(
    *,
    is_settled: bool,
    plan: FolderPlan,
    folders: Iterable[KnownFolder],
    pages: Mapping[FolderId, Page],
    counts: Iterable[FolderCount],
) -> Verdict:
    """`folders` are all that are known; `counts` are those of the ones that are mirrored.

    There is nothing new only where that is also a proof: the last sync proved every folder
    (`is_settled`), none has changes since, the tree is the same, and each count agrees with the
    provider's of now.
    """
    folders = tuple(folders)
    known = {each.ref.remote_id for each in folders}
    mirrored = [each for each in folders if each.selected]
    seen = [pages.get(each.ref.id) for each in mirrored]
    has_new_folder = any(each.remote_id not in known for each in plan.changed)
    positions = [each.position for each in mirrored]
    if has_new_folder or any(each.walking or not each.begins_round for each in positions):
        return Verdict.MORE
    if any(page is None or page.has_more for page in seen):
        return Verdict.MORE
    is_same = not plan.changed and not plan.gone and not any(page and page.changes for page in seen)
    if is_settled and is_same and all(agrees(each) for each in counts):
        return Verdict.NOTHING_NEW
    return Verdict.ONE_PAGE
