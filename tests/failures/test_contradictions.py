"""The provider lists one thing and says another by id: the id stays, with its cause."""

from mailsync.store.backlog_store import BacklogStore
from tests.failures.mirror import is_mirrored, stored
from tests.failures.test_mailbox_changes import newest
from tests.failures.world import World

DIFFERENCES = "SELECT message_id, cause FROM mailsync.proof_differences ORDER BY message_id"
INBOX = "SELECT differing, verified_at IS NOT NULL FROM mailsync.email_folders WHERE role = 'inbox'"
LISTING = "select=id,isRead"
NOTHING = '{"value": []}'


def lose(world: World, message_id: str) -> None:
    """Behind everybody's back, so that the counts differ."""
    world.rows(f"DELETE FROM mailsync.emails WHERE message_id = '{message_id}' RETURNING 1")


def test_what_is_listed_and_gone_by_id_is_shown_until_it_can_be_read(world: World) -> None:
    world.sync()
    phantom = newest(world)
    lose(world, phantom)
    world.strike(f"/me/messages/{phantom}", status=404, code="ErrorItemNotFound", times=None)

    assert world.sync() == "completed"
    assert world.rows(DIFFERENCES) == [[phantom, "missing"]]
    assert world.one(INBOX) == [1, True]

    world.calm()
    world.sync()
    assert is_mirrored(world)
    assert world.rows(DIFFERENCES) == []
    assert world.one(INBOX) == [0, True]


def test_what_is_not_listed_but_there_by_id_is_kept_and_shown(world: World) -> None:
    world.sync()
    kept = {each.immutable_id for each in world.remote.messages("inbox")[1:]}
    lose(world, newest(world))
    world.strike(f"{world.remote.folders.find('inbox').id}.*{LISTING}", status=200, body=NOTHING)

    assert world.sync() == "completed"

    assert world.rows(DIFFERENCES) == [[each, "surplus"] for each in sorted(kept)]
    assert BacklogStore(world.database).now().contradicted == len(kept)
    assert kept <= stored(world).keys()


def test_a_difference_that_the_repair_has_mended_does_not_stay(world: World) -> None:
    world.sync()
    lose(world, newest(world))

    world.sync()

    assert is_mirrored(world)
    assert world.rows(DIFFERENCES) == []
