"""What a sync tells CloudWatch is what it did."""

from tests.support.emf import Counted
from tests.workflow.failures.world import World


def test_messages_requests_and_throttles_of_a_sync_are_counted(
    world: World, counted: Counted
) -> None:
    world.inject_fault("messages/delta", times=2, status=429, retry_after=0.01)
    with counted() as metrics:
        assert world.sync() == "completed"

    records = world.simulators.service.log.records()
    alone = len([each for each in records if not each.in_batch])
    # As the quota counts them: a batch of n counts as n, and the log has n records.
    assert alone < metrics.pop(("ProviderRequests", "microsoft")) == len(records)
    assert 0 < metrics.pop(("NewestStoredAfter",)) < 60
    assert metrics == {
        ("MessagesStored",): world.one("SELECT count(*) FROM mailsync.emails")[0],
        ("ProviderThrottles", "microsoft"): 2,
        ("RunsCompleted",): 1,
    }


def test_requests_that_are_throttled_inside_a_batch_are_counted(
    synced: World, counted: Counted
) -> None:
    synced.inject_fault("messages/delta", times=1, status=429, retry_after=0.01)
    with counted() as metrics:
        assert synced.sync() == "completed"

    assert metrics["ProviderThrottles", "microsoft"] == 1


def test_a_difference_is_counted_when_it_is_found_and_not_as_left_when_it_was_mended(
    synced: World, counted: Counted
) -> None:
    synced.lose()
    with counted() as metrics:
        assert synced.sync() == "completed"

    assert metrics["DifferencesFound",] == 1
    assert metrics["MessagesStored",] == 1
    assert ("DifferencesLeft",) not in metrics
