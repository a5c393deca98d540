"""From the changes of one page to one write per message."""

from dataclasses import replace
from typing import TypeVar

from mailsync.model import Change, Page, PagePlan, Patch, RemoteId, Removal, Unreadable, Upsert

T = TypeVar("T", Upsert, Patch, Removal, Unreadable)


def plan_page(page: Page) -> PagePlan:
    """One outcome per message: the last change of the page wins.

    A message may stand several times in a page (Microsoft Graph docs, delta-query-overview:
    the same entity may recur; mail moved in that is older than what the folder holds comes
    twice). A removal that is followed by an upsert in the same page is a message that came
    back. A patch after an upsert is merged into it, a patch after a patch too.
    """
    last: dict[RemoteId, Change] = {}
    for change in page.changes:
        key = change.message.remote_id if isinstance(change, Upsert) else change.remote_id
        last[key] = _merge(last.get(key), change)
    return PagePlan(
        upserts=tuple(each.message for each in _only(last, Upsert)),
        patches=_only(last, Patch),
        removals=tuple(each.remote_id for each in _only(last, Removal)),
        unreadable=_only(last, Unreadable),
    )


def _merge(before: Change | None, change: Change) -> Change:
    if not isinstance(change, Patch):
        return change
    if isinstance(before, Upsert):
        folder = {"folder_remote_id": change.folder_remote_id}
        return Upsert(replace(before.message, **{**change.fields, **folder}))
    if isinstance(before, Patch):
        return replace(change, fields={**before.fields, **change.fields})
    return change


def _only(changes: dict[RemoteId, Change], kind: type[T]) -> tuple[T, ...]:
    """Sorted by id: writers that lock rows in one order do not deadlock."""
    return tuple(each for _, each in sorted(changes.items()) if isinstance(each, kind))
