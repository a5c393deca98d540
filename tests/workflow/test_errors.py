"""What each state of `mailbox-sync` does with each error, by its name."""

from collections.abc import Mapping

import pytest

from infra.catalog import MAILBOX_SYNC_WORKFLOW
from mailsync.errors import list_raisable_error_names
from tests.workflow.scripted import Outcome, Outcomes, Scenario, Trace, items
from tests.workflow.test_definitions import SERVICE_ERRORS, states

TRIES = {
    **{"ProviderUnavailable": 16, "StoreUnavailable": 16, "ProviderThrottled": 9},
    **dict.fromkeys(SERVICE_ERRORS, 7),
}
"""Of a state that fails again and again under this name."""
OF_THE_MAILBOX = {
    *("AccessRevoked", "AccountNotConnected", "AccountNotFound", "LeaseLost"),
    *("SchemaOutdated", "SettingMissing"),
}
"""Errors after which no folder can be synced."""
ERRORS = sorted(list_raisable_error_names() | SERVICE_ERRORS | {"KeyError"})
TASKS = [name for name, state in states(MAILBOX_SYNC_WORKFLOW) if state["Type"] == "Task"]
OF_A_FOLDER = ("sync-folder", "reset-folder")
_ONE_FOLDER = {"sync-folders": [items(1)]}
LEADING_TO: Mapping[str, Outcomes] = {
    "sync-folder": _ONE_FOLDER,
    "reset-folder": {**_ONE_FOLDER, "sync-folder": ["CursorExpired", {}]},
    "folder-failed": {**_ONE_FOLDER, "sync-folder": ["ProviderRejected"]},
    "repair-folder": {"recalculate-counts": [{"folderIds": [1], "differing": 1}, {}]},
    "hand-over": {"recalculate-counts": [{"handOver": True}]},
    "mark-failed": {"validate-account": ["AccountNotFound"]},
}
"""What the other functions say so that the workflow enters a state."""


def trace(task: str, *outcomes: Outcome) -> Trace:
    return Trace.of(Scenario("a", set(), {**LEADING_TO.get(task, {}), task: outcomes}))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("error", sorted(TRIES))
def test_what_passes_is_tried_again_where_it_was(task: str, error: str) -> None:
    without, after = trace(task, {}), trace(task, error, {})

    assert (after.error, after.transitions) == (without.error, without.transitions)
    assert after.calls.count(task) == without.calls.count(task) + 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("error", ERRORS)
def test_what_does_not_pass_ends_the_folder_or_the_run_under_its_name(
    task: str, error: str
) -> None:
    found = trace(task, error)

    if task == "mark-failed":
        assert found.error == "AccountNotFound", "the run's own error is not lost"
    elif task in (*OF_A_FOLDER, "repair-folder") and error not in OF_THE_MAILBOX:
        assert found.error is None, "other folders go on"
        assert found.calls.count("folder-failed") == (task in OF_A_FOLDER)
    else:
        assert found.error == error
        assert found.calls.count("mark-failed") == 1
        assert found.calls.count("folder-failed") == (
            TRIES.get(error, 1) if task == "folder-failed" else 0
        )
    full_syncs = 3 if (task, error) == ("sync-folder", "CursorExpired") else 1
    assert found.calls.count(task) == TRIES.get(error, full_syncs)
