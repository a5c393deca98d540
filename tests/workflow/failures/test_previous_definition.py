"""Executions that began under the previous release go on with today's functions.

Their definition has no Wait for a pause of the folder tree or of the counts. What they cannot wait
for must fail: taken for finished work, it would end a sync that has read nothing as completed.
"""

import pytest

from infra.catalog import MAILBOX_SYNC_WORKFLOW
from mailsync.decisions import successor
from tests.deploy.previous import STATEMACHINE
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

ACCOUNT = "SELECT sync_status, initial_sync_completed, verified_at FROM mailsync.email_accounts"
THROTTLE = """
UPDATE mailsync.email_accounts SET throttled_until = now() + interval '1 hour'"""


@pytest.fixture
def world(world: World) -> World:
    world.definition = (STATEMACHINE / MAILBOX_SYNC_WORKFLOW.asl_file_name).read_text()
    return world


def throttled_before(world: World, handler: str) -> None:
    """The provider asks for a pause of an hour just before this handler is called."""
    world.before[handler] = lambda: world.rows(THROTTLE)


@pytest.mark.parametrize("state", ["get_access_token", "sync_folders", "recalculate_counts"])
def test_a_pause_that_it_cannot_wait_for_is_no_finished_sync(world: World, state: str) -> None:
    throttled_before(world, state)

    assert world.sync() == "ProviderThrottled"

    world.before.clear()
    assert world.one(ACCOUNT) == ["failed", False, None]
    world.let_time_pass(hours=2)
    world.definition = MAILBOX_SYNC_WORKFLOW.asl_text
    assert world.sync() == "completed"
    assert world.is_mirrored()


def test_a_folder_that_cannot_be_repaired_for_a_pause_is_not_verified(world: World) -> None:
    assert world.mirrors()
    world.rows("UPDATE mailsync.emails SET removed_at = now(), confirm_at = 'infinity'")
    throttled_before(world, "repair_folder")

    assert world.sync() == "ProviderThrottled"

    assert world.stored() == {}
    world.let_time_pass(hours=2)
    world.before.clear()
    assert world.sync() == "completed"
    assert world.is_mirrored()


def test_a_folder_that_still_differs_does_not_end_green(world: World) -> None:
    """Its definition does not ask for the folders that are not verified."""
    world.sync()
    world.remote.deliver_message(a_mail("never listed"))
    world.inject_fault(r"\$count=true", times=None, status=503, body="")
    world.rows("DELETE FROM mailsync.emails WHERE subject <> 'never listed'")

    assert world.sync() == "VerificationFailed"

    world.clear_faults()
    world.definition = MAILBOX_SYNC_WORKFLOW.asl_text
    assert world.sync() == "completed"
    assert world.is_mirrored()


def test_it_goes_on_where_one_of_today_would_hand_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no state for that."""
    monkeypatch.setattr(successor, "MAX_HISTORY_EVENTS_PER_EXECUTION", 0)

    assert world.mirrors()
    assert len(world.executions.names) == 1
