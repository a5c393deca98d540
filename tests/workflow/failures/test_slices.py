"""A large folder whose change feed names messages, and whose messages several workers fetch."""

from collections.abc import Iterator

import pytest

from mailsync.decisions import slices as decisions
from mailsync.model import SyncType
from mailsync.sync import folder_tree, slices, store_page
from tests.workflow.failures.world import World


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "MIN_MESSAGES_FOR_SLICES", 5)
    monkeypatch.setattr(slices, "MESSAGES_PER_SLICE", 4)
    monkeypatch.setattr(slices, "MAX_IDLE_S", 1.0)
    monkeypatch.setattr(folder_tree, "DEFAULT_PAGE_SIZE", 3)
    monkeypatch.setattr(store_page, "MIN_MESSAGES_TO_SLICE", 3)


def requested(world: World, text: str) -> list[str]:
    return [
        str(record.path) for record in world.simulators.service.log.records() if text in str(record)
    ]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_full_sync_by_slices_mirrors_the_mailbox(world: World, *, at_once: bool) -> None:
    world.at_once = at_once
    world.simulators.service.log.clear()
    assert world.mirrors(SyncType.FULL)
    for r in world.simulators.service.log.records():
        if "messages" in r.path:
            print(
                r.path[:40],
                r.path[-12:],
                r.query.split("&", 1)[1:],
                r.prefer[-20:],
                r.status,
                r.in_flight,
            )
    assert 0
