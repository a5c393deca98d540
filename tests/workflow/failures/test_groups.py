"""A provider that fetches the messages of a group together more cheaply gets them together."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby

import pytest

from mailsync.model import Page, PlacementOrFlagChange, RemoteId
from tests.workflow.failures.test_listings import ListedWorld, RecordedToy, listed

__all__ = ["listed"]  # a fixture


class GroupedToy(RecordedToy):
    """Every fifth message has the same group, except that one group in five is none."""

    noted: dict[RemoteId, str]

    def _list(self, since: str, older: tuple[str, int], limit: int) -> Page:
        page = super()._list(since, older, limit)
        changes = (each for each in page.changes if isinstance(each, PlacementOrFlagChange))
        return replace(
            page,
            changes=tuple(
                replace(each, conversation_id=group_of(each.remote_id)) for each in changes
            ),
        )

    def note_groups_before_fetch(self, groups: Mapping[RemoteId, str]) -> None:
        self.noted |= groups


def group_of(remote_id: RemoteId) -> str | None:
    number = int(remote_id.partition(".")[0]) % 5
    return f"group {number}" if number else None


def test_pending_messages_of_a_group_are_fetched_one_after_the_other(
    listed: ListedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GroupedToy, "noted", {}, raising=False)
    monkeypatch.setattr(
        listed, "_toy", lambda: GroupedToy(listed.remote, listed.access, listed.kind)
    )

    assert listed.sync() == "completed"

    fetched = RecordedToy.fetched
    runs = [group for group, _ in groupby(map(group_of, fetched)) if group]
    assert len(runs) == len(set(runs)) == 4
    assert len(fetched) == len(set(fetched)) > 20
    assert {each: group_of(each) for each in fetched if group_of(each)} == GroupedToy.noted
    assert listed.are_placements_exact()
