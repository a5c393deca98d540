from tests.failures.mirror import in_mailbox, stored
from tests.failures.world import World


def test_a_first_sync(world: World) -> None:
    assert world.sync() == "completed"
    assert stored(world) == in_mailbox(world)
