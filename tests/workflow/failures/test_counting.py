"""What a sync tells CloudWatch is what it did."""

import pytest

from tests.support.emf import counting, emitted
from tests.workflow.failures.world import World


def test_messages_requests_and_throttles_of_a_sync_are_counted(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.inject_fault("messages/delta", times=2, status=429, retry_after=0.01)
    with counting(monkeypatch):
        assert world.sync() == "completed"

    counted = emitted(capsys.readouterr().out)
    records = world.simulators.service.log.records()
    alone = len([each for each in records if not each.in_batch])
    # As the quota counts them: a batch of n is n, each of which is a record.
    assert alone < counted.pop(("ProviderRequests", "microsoft")) == len(records)
    assert counted == {
        ("MessagesStored",): world.one("SELECT count(*) FROM mailsync.emails")[0],
        ("ProviderThrottles", "microsoft"): 2,
        ("RunsCompleted",): 1,
    }


def test_requests_that_are_throttled_inside_a_batch_are_counted(
    synced: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synced.inject_fault("messages/delta", times=1, status=429, retry_after=0.01)
    with counting(monkeypatch):
        assert synced.sync() == "completed"

    assert emitted(capsys.readouterr().out)["ProviderThrottles", "microsoft"] == 1


def test_a_difference_is_counted_when_it_is_found_and_not_as_left_when_it_was_mended(
    synced: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synced.lose()
    with counting(monkeypatch):
        assert synced.sync() == "completed"

    counted = emitted(capsys.readouterr().out)
    assert counted["DifferencesFound",] == 1
    assert counted["MessagesStored",] == 1
    assert ("DifferencesLeft",) not in counted
