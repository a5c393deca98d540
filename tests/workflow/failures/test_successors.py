"""An execution that nears the limits of AWS hands its run over to a successor."""

import pytest

from mailsync.decisions import successor
from mailsync.model import RunId, SyncType
from mailsync.sync import feed_pages, folder_tree, store_page
from tests.workflow.failures.world import World

RUN = RunId("a-long-run")
RUNS = "SELECT id, execution_name, execution_arn, status, error FROM mailsync.sync_runs"


@pytest.fixture
def long(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A mailbox whose first sync has many visits: a page per visit, and nothing is small."""
    for module in (feed_pages, folder_tree, store_page):
        monkeypatch.setattr(module, "DEFAULT_PAGE_SIZE", 1)
    monkeypatch.setattr(feed_pages, "has_time_for_page", lambda _, slowest_s: slowest_s == 0)
    return world


def test_a_run_goes_on_in_two_successors_and_is_exact(
    long: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(successor, "MAX_EXECUTION_EVENTS", 300)

    assert long.resume(RUN, SyncType.INITIAL) == "completed"

    assert long.is_mirrored()
    assert long.executions.names == [RUN, f"{RUN}-2", f"{RUN}-3"]
    assert long.rows(RUNS) == [[RUN, f"{RUN}-3", f"{RUN}-3", "completed", None]]
